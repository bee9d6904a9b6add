"""Moments of animated scenes."""
import numpy as np
from canvas import S
from scene import Obj, Sign


def phases(rng, sc, A, n=4):
    """n moments of one animated scene: objects drift, come and go. The same layers, moved; labels beside an object keep it in place."""
    objs, signs = sc["objs"], sc["signs"]
    labelled = {id(g.near) for g in signs if g.small}
    drift = {}
    for o in objs:
        if id(o) not in labelled and rng.random() < .6:
            dx, dy = rng.uniform(-70, 70), rng.uniform(-70, 70)
            m = o.size * .48
            clear = all(m < o.cx + dx * t < S - m and m < o.cy + dy * t < S - m
                        and all(abs(o.cx + dx * t - p.cx) > m + p.size * .48 or abs(o.cy + dy * t - p.cy) > m + p.size * .48 for p in objs if p is not o and id(p) not in drift)
                        and all(abs(o.cx + dx * t - g.cx) > m + g.ex or abs(o.cy + dy * t - g.cy) > m + g.ey for g in signs) for t in range(n))
            if clear and not drift:
                drift[id(o)] = (dx, dy)
    out = []
    for t in range(n):
        LI, LF = sc["LI"].copy(), sc["LF"].copy()
        seen = []
        for o in objs:
            k = o.slot
            if id(o) not in labelled and rng.random() < .3:
                LI[k, 0] = 0
                continue
            dx, dy = (v * t for v in drift.get(id(o), (0, 0)))
            p = Obj()
            p.__dict__.update(o.__dict__)
            p.cx, p.cy = o.cx + dx, o.cy + dy
            if dx or dy:
                LI[k, 1:5] = np.clip(LI[k, 1:5] + np.array([dx, dy, dx, dy]), 0, S)
                LI[k, 3:5] = np.minimum(LI[k, 3:5] + 1, S)
                LF[k, 2] -= LF[k, 0] * dx + LF[k, 1] * dy
                LF[k, 5] -= LF[k, 3] * dx + LF[k, 4] * dy
            seen.append((id(o), p))
        now = dict(seen)
        lab = []
        for g in signs:
            h = Sign()
            h.__dict__.update(g.__dict__)
            if g.small:
                h.near = now[id(g.near)]
            lab.append(h)
        out.append(dict(LI=LI, LF=LF, BG=sc["BG"], objs=[p for _, p in seen], signs=lab, bg=sc["bg"]))
    return out
