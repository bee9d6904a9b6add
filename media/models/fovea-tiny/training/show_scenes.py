"""A look at some scenes and their questions:   python3 show_scenes.py ASSETS OUT.png"""
import random, sys, time
from PIL import Image
from assets import Assets
from reference_renderer import render_numpy
from scene import make_scene
from scene_questions import questions
from strips import build_strips
from textures import noise_texture, sprite_texture

A = Assets(sys.argv[1])
strip = build_strips(A, sys.argv[1], 1, per_word=1, n_num=100, n_code=100, procs=2, limit=300)
tex, noise = sprite_texture(A, sys.argv[1]), noise_texture()
rng = random.Random(3)
sheet = Image.new("RGB", (4 * 500, 2 * 500))
for i in range(8):
    sc = make_scene(rng, A, A.train_ids)
    im = Image.fromarray(render_numpy(sc, tex, strip, noise))
    sheet.paste(im.resize((500, 500), Image.BICUBIC), ((i % 4) * 500, (i // 4) * 500))
    print(i, [o.name for o in sc["objs"]], [(g.text, g.small) for g in sc["signs"]])
    for q in questions(rng, sc, A):
        print("   ", q)
sheet.save(sys.argv[2])
t = time.time()
n = 0
for i in range(300):
    sc = make_scene(rng, A, A.train_ids)
    n += len(questions(rng, sc, A))
print("ms/scene", (time.time() - t) / .3, "questions", n / 300)
