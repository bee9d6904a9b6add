"""The sprites as one flat texture, and the noise fields of backgrounds."""
import json
import numpy as np


def sprite_texture(A, folder):
    """Flat premultiplied RGBA uint8 texture with 3 mip levels."""
    from PIL import Image
    m = json.load(open(f"{folder}/sprites.json"))
    cell, cols = m["cell"], m["cols"]
    out = np.zeros(A.tex_bytes, np.uint8)
    for p, name in enumerate(m["packs"]):
        im = np.asarray(Image.open(f"{folder}/sprites_{name}.png").convert("RGBA")).astype(np.float32)
        if not m.get("premultiplied", True):
            im[..., :3] *= im[..., 3:] / 255
        for i in range(A.n):
            y, x = (i // cols) * cell, (i % cols) * cell
            t = im[y:y + cell, x:x + cell]
            for s, off in A.levels:
                o = off + (p * A.n + i) * s * s * 4
                k = cell // s
                v = t.reshape(s, k, s, k, 4).mean((1, 3))
                out[o:o + s * s * 4] = np.clip(v + .5, 0, 255).astype(np.uint8).ravel()
    return out


def noise_texture(seed=5, n=64, s=32):
    """n smooth, tileable random fields in 0..1 (s x s)."""
    rng = np.random.RandomState(seed)
    f = rng.randn(n, s, s)
    ky, kx = np.fft.fftfreq(s)[:, None], np.fft.fftfreq(s)[None]
    g = np.exp(-(kx ** 2 + ky ** 2) * 160)
    f = np.fft.ifft2(np.fft.fft2(f) * g).real
    f -= f.min((1, 2), keepdims=True)
    f /= f.max((1, 2), keepdims=True)
    return f.astype(np.float32)
