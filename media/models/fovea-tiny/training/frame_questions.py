"""Questions about animations: where things appear in them, and what single frames show."""
from scene_questions import questions

TIMES = ["never", "once", "twice", "three times", "four times", "five times"]


def runs(hits):
    """Sorted frame numbers -> [(first, last)] of consecutive ones."""
    out = []
    for k in hits:
        if out and out[-1][1] == k - 1:
            out[-1] = (out[-1][0], k)
        else:
            out.append((k, k))
    return out


def spell(rs):
    p = [f"{a}" if a == b else f"{a} to {b}" for a, b in rs]
    text = p[0] if len(p) == 1 else ", ".join(p[:-1]) + " and " + p[-1]
    return ("frame " if len(rs) == 1 and rs[0][0] == rs[0][1] else "frames ") + text


def frame_questions(rng, clip, A, want=14):
    """clip: list of moments, one a frame. Questions about the whole animation and about single frames, which are numbered from 1."""
    out, P = [], rng.choice
    where = {}
    for i, m in enumerate(clip):
        for c in {o.cls for o in m["objs"]}:
            where.setdefault(c, []).append(i + 1)
    things = list(where)
    rng.shuffle(things)
    for c in things:
        nm, rs = A.names[c], runs(where[c])
        if len(rs) > 5:
            continue
        r = rng.random()
        if r < .4:
            out.append(("frame_first", P([f"In which frame does the {nm} first appear?", f"When does the {nm} first appear?", f"What is the first frame with the {nm}?"]), f"frame {rs[0][0]}"))
        elif r < .75 and len(rs) <= 3:
            out.append(("frame_where", P([f"In which frames is the {nm}?", f"In which frame does the {nm} appear?", f"Which frames show the {nm}?"]), spell(rs)))
        elif len(rs) <= 4:
            out.append(("frame_times", P([f"How many times does the {nm} appear?", f"How often does the {nm} appear?"]), f"{spell(rs)}: {TIMES[len(rs)]}"))
        if len(out) >= want * .6:
            break
    if rng.random() < .5:
        k = rng.randrange(A.n)
        if k not in where:
            out.append(("frame_where", P([f"In which frames is the {A.names[k]}?", f"In which frame does the {A.names[k]} appear?", f"When does the {A.names[k]} first appear?",
                                          f"How many times does the {A.names[k]} appear?"]), "not visible"))
    for _ in range(3 * want):
        if len(out) >= want:
            break
        i = rng.randrange(len(clip))
        qs = [z for z in questions(rng, clip[i], A) if z[0] not in ("describe", "small_text", "size", "count_all", "text_color", "has_text")]
        if not qs:
            continue
        rd = [z for z in qs if z[0] in ("read", "read_many")]
        t, q, a = P(rd) if rd and rng.random() < .55 else P(qs)
        q = P([f"In frame {i + 1}, {q[0].lower()}{q[1:]}", f"Frame {i + 1}: {q}", f"{q.rstrip('?.')} in frame {i + 1}{q[-1] if q[-1] in '?.' else ''}"])
        out.append(("frame_read" if t in ("read", "read_many") else "frame_see", q, a))
    return out
