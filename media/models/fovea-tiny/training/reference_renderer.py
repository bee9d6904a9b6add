"""Renders one scene with numpy, slowly: what the GPU renderer is held to, and what machines without a GPU use."""
import numpy as np
from canvas import S


def render_numpy(sc, tex, strip, noise):
    """Slow reference of render.py's kernel. Returns uint8 [S, S, 3]."""
    yy, xx = np.mgrid[0:S, 0:S].astype(np.float32) + .5
    BG = sc["BG"]
    t, dx, dy, ph, fr, ni = BG[:6]
    s = ((xx - 504) * dx + (yy - 504) * dy) / S
    if t == 0:
        k = np.zeros_like(s)
    elif t == 1:
        k = np.clip(s * fr * 1.6 + .5, 0, 1)
    elif t == 3:
        k = np.clip(np.sin((s * fr + ph) * 6.2831853) * 4 + .5, 0, 1)
    else:
        N = noise[int(ni)]
        n = N.shape[0]
        u, v = (xx / S * fr + ph) * 16, (yy / S * fr + ph) * 16
        u0, v0 = np.floor(u), np.floor(v)
        fu, fv = u - u0, v - v0
        i0, j0 = u0.astype(int) % n, v0.astype(int) % n
        i1, j1 = (i0 + 1) % n, (j0 + 1) % n
        k = (N[j0, i0] * (1 - fu) + N[j0, i1] * fu) * (1 - fv) + (N[j1, i0] * (1 - fu) + N[j1, i1] * fu) * fv
    img = (BG[6:9] + (BG[9:12] - BG[6:9]) * k[..., None]) / 255
    for li, lf in zip(sc["LI"], sc["LF"]):
        kind, x0, y0, x1, y1, off, w, h = (int(v) for v in li)
        if kind == 0:
            continue
        x0, y0, x1, y1 = max(0, x0), max(0, y0), min(S, x1), min(S, y1)
        X, Y = xx[y0:y1, x0:x1], yy[y0:y1, x0:x1]
        u, v = lf[0] * X + lf[1] * Y + lf[2], lf[3] * X + lf[4] * Y + lf[5]
        dst = img[y0:y1, x0:x1]
        if kind == 2:
            qx, qy = np.abs(u) - lf[11] + lf[13], np.abs(v) - lf[12] + lf[13]
            d = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0)) + np.minimum(np.maximum(qx, qy), 0) - lf[13]
            a = np.clip(.5 - d, 0, 1)[..., None] * lf[9]
            dst[:] = dst * (1 - a) + lf[6:9] * a
            continue
        fu, fv = u * w - .5, v * h - .5
        u0, v0 = np.floor(fu).astype(int), np.floor(fv).astype(int)
        fu, fv = fu - u0, fv - v0
        nc = 4 if kind == 1 else 1
        T = (tex if kind == 1 else strip)[off:off + w * h * nc].reshape(h, w, nc).astype(np.float32) / 255
        acc = 0
        for j, wj in ((0, 1 - fv), (1, fv)):
            for i, wi in ((0, 1 - fu), (1, fu)):
                ok = (u0 + i >= 0) & (u0 + i < w) & (v0 + j >= 0) & (v0 + j < h)
                acc = acc + T[np.clip(v0 + j, 0, h - 1), np.clip(u0 + i, 0, w - 1)] * (ok * wi * wj)[..., None]
        if kind == 1:
            a = acc[..., 3:4]
            dst[:] = dst * (1 - a) + np.clip(acc[..., :3] * lf[6:9] + lf[10] * a, 0, 1)
        else:
            a = acc * lf[9]
            dst[:] = dst * (1 - a) + lf[6:9] * a
    return (np.clip(img, 0, 1) * 255 + .5).astype(np.uint8)
