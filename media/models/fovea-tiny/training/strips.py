"""Text strips: words, numbers, codes and coined words, rasterised in many fonts, which signs are made of."""
import math, random
import numpy as np

EMS = (26, 52, 104)                     # raster sizes of the text strips
CHARS = "abcdefghijklmnopqrstuvwxyz0123456789-"
CH = {c: i for i, c in enumerate(CHARS)}
_FONTS = {}


def _render_strip(args):
    from PIL import Image, ImageDraw, ImageFont
    text, case, font = args
    shown = text if case == 0 else text.capitalize() if case == 1 else text.upper()
    res = []
    bounds = None
    for em in EMS:
        f = _FONTS.get((font, em))
        if f is None:
            f = _FONTS[(font, em)] = ImageFont.truetype(font, em)
        t, b = f.getbbox("Hgj")[1], f.getbbox("Hgj")[3]
        pad = max(1, em // 16)
        wid = int(math.ceil(f.getlength(shown))) + 2 * pad
        im = Image.new("L", (wid, b - t + 2), 0)
        ImageDraw.Draw(im).text((pad, 1 - t), shown, font=f, fill=255)
        res.append(np.asarray(im))
        if em == EMS[1]:
            bounds = np.array([(pad + f.getlength(shown[:i])) / wid for i in range(len(shown) + 1)], np.float32)
    return text, case, res, bounds


def build_strips(A, folder, seed, per_word=4, n_num=1500, n_code=3000, n_new=7000, n_many=2500, held_only=False, procs=12, limit=None):
    """Rasterises text strips; fills A.strips / A.train_ids / A.held_ids and returns the flat uint8 texture."""
    import os, multiprocessing as mp
    rng = random.Random(seed)
    fonts = sorted(os.path.join(folder, "fonts", f) for f in os.listdir(f"{folder}/fonts"))
    jobs = []
    case = lambda: rng.choices((0, 1, 2), (.4, .25, .35))[0]
    words = A.words[:limit] if limit else A.words
    short = [w for w in words if len(w) <= 6]
    held = A.held[:limit] if limit else A.held
    hidden = set(A.held)
    if not held_only:
        for w in words:
            jobs += [(w, case(), rng.choice(fonts)) for _ in range(per_word)]
        for _ in range(n_num):
            jobs.append((str(rng.choice((rng.randrange(10), rng.randrange(100), rng.randrange(1000), rng.randrange(10000), rng.randrange(1900, 2100)))), 0, rng.choice(fonts)))
        for _ in range(n_code):
            if rng.random() < .5:
                s = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 7)))
            else:
                s = "".join(rng.choice("abcdefghjkmnpqrstuvwxyz") for _ in range(rng.randint(1, 3))) + rng.choice(["", "-"]) + str(rng.randrange(1000))
            jobs.append((s, rng.choices((0, 2), (.3, .7))[0], rng.choice(fonts)))
        for _ in range(n_new):                      # letters in the company that words keep, but no words
            a, b = rng.choice(words), rng.choice(words)
            s = (a[:rng.randint(1, len(a) - 1)] + b[rng.randint(1, len(b) - 1):])[:9] if rng.random() < .6 else "".join(rng.sample(a, len(a)))
            if s not in hidden:
                jobs.append((s, case(), rng.choice(fonts)))
        for _ in range(n_many):
            jobs.append((" ".join(rng.choice(short) for _ in range(rng.choice((2, 2, 2, 3)))), case(), rng.choice(fonts)))
    ntrain = len(jobs)
    for w in held:
        jobs += [(w, case(), rng.choice(fonts)) for _ in range(4)]
    few = [w for w in held if len(w) <= 6]
    jobs += [(" ".join(rng.sample(few, 2)), case(), rng.choice(fonts)) for _ in range(len(held))]
    if procs > 1:
        with mp.get_context("fork").Pool(procs) as p:
            res = p.map(_render_strip, jobs, chunksize=256)
    else:
        res = [_render_strip(j) for j in jobs]
    off, bufs = 0, []
    for i, (text, c, ims, bounds) in enumerate(res):
        lv = []
        for im in ims:
            lv.append((off, im.shape[1], im.shape[0]))
            bufs.append(im.ravel())
            off += im.size
        A.strips.append(dict(text=text, case=c, levels=lv, bounds=bounds))
        (A.train_ids if i < ntrain else A.held_ids).append(i)
    return np.concatenate(bufs)
