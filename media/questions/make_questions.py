"""Makes the question set of the bundled model: scenes that it never saw, and questions whose answers follow from how each scene was built.

    python3 make_questions.py --training FIRST --assets ASSETS --out .

FIRST holds the first version of the training's scene.py (README.md says how to get it), ASSETS what the training folder's build_assets scripts write. Needs numpy and Pillow only. Writes images/NNN.webp and questions.jsonl.
"""
import argparse, json, pathlib, random, sys
from PIL import Image

SEED = 20260131                                          # scenes and questions; training used 1, its evaluation 424242
STRIP_SEED = 4711                                        # fonts and cases of the signs; training used 1, its evaluation 987
QUOTA = {"small_text": 120, "read": 64}                  # the other 13 kinds
OTHERS = 32
PER_IMAGE = 6


def quotas(kinds):
    left = {}
    for kind in kinds:
        n = QUOTA.get(kind, OTHERS)
        if kind in QUOTA:                                # half of the words to read were never rendered in training
            left[kind, True], left[kind, False] = n - n // 2, n // 2
        else:
            left[kind, None] = n
    return left


def choose(rng, left, candidates, seen, limit):
    """Questions for this image: those with most of their quota open first; one of a kind, but every label once."""
    got = []
    rng.shuffle(candidates)
    key = lambda kind: (kind, seen if kind in QUOTA else None)
    share = lambda kind: left[key(kind)] / (QUOTA.get(kind, OTHERS * 2) / 2)
    for kind, question, answer in sorted(candidates, key=lambda c: -share(c[0])):
        if kind == "read" and not answer.startswith('"'):
            continue                                     # "there is no sign": told by has_text
        repeated = any(k == kind and (kind != "small_text" or a == answer) for k, _, a in got)
        if left[key(kind)] > 0 and not repeated and len(got) < limit:
            left[key(kind)] -= 1
            got.append((kind, question, answer))
    return got


def stratified(rng, rows, kinds):
    """An order in which every beginning of the set holds all kinds in their proportions."""
    order = []
    for kind in kinds:
        own = [r for r in rows if r["kind"] == kind]
        rng.shuffle(own)
        order += [((i + rng.random()) / len(own), r) for i, r in enumerate(own)]
    return [r for _, r in sorted(order, key=lambda p: p[0])]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--training", required=True); ap.add_argument("--assets", required=True); ap.add_argument("--out", default=".")
    ap.add_argument("--quality", type=int, default=60)
    a = ap.parse_args()
    sys.path.insert(0, a.training)
    import scene
    out = pathlib.Path(a.out)
    (out / "images").mkdir(parents=True, exist_ok=True)
    assets = scene.Assets(a.assets)
    strip = scene.build_strips(assets, a.assets, STRIP_SEED, per_word=1, n_num=300, n_code=300, procs=1)
    tex, noise = scene.sprite_texture(assets, a.assets), scene.noise_texture()
    rng = random.Random(SEED)
    left, rows, images, tries = quotas(scene.TASKS), [], 0, 0
    while any(left.values()):
        tries += 1
        if tries > 20000:
            sys.exit(f"no scenes found for {[k for k, n in left.items() if n]}")
        labels = left["small_text", True] + left["small_text", False]
        seen = rng.random() < .5
        if labels and not left["small_text", seen]:
            seen = not seen
        force = dict(n_label=3, n_sign=3) if labels and rng.random() < .6 else {}
        sc = scene.make_scene(rng, assets, assets.train_ids if seen else assets.held_ids, force)
        trial = dict(left)
        got = choose(rng, trial, scene.questions(rng, sc, assets), seen, PER_IMAGE)
        if len(got) < min(PER_IMAGE, sum(1 for n in left.values() if n)) - (2 if tries % 40 == 0 else 1):
            continue                                     # few images, many questions: the set stays small
        left = trial
        images += 1
        name = f"images/{images:03d}.webp"
        Image.fromarray(scene.render_numpy(sc, tex, strip, noise)).save(out / name, "WEBP", quality=a.quality, method=6)
        sizes = {f'"{g.text.upper()}"': round(g.em) for g in sc["signs"]}
        for kind, question, answer in got:
            row = dict(image=name, question=question, answer=answer, kind=kind)
            if kind in QUOTA:
                row |= dict(word="seen in training" if seen else "new", glyphPixels=sizes[answer])
            rows.append(row)
    with open(out / "questions.jsonl", "w", encoding="utf-8") as f:
        for n, row in enumerate(stratified(rng, rows, scene.TASKS), 1):
            f.write(json.dumps(dict(id=f"q{n:03d}") | row, ensure_ascii=False) + "\n")
    print(len(rows), "questions on", images, "images,", sum(p.stat().st_size for p in (out / "images").iterdir()), "bytes;", tries, "scenes tried")


main()
