"""Questions about a scene, with answers that follow from how it was built."""
import math
from canvas import S
from palette import CNAMES
from scene import Sign

NUM = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
POS9 = [["at the top left", "at the top", "at the top right"], ["on the left", "in the center", "on the right"],
        ["at the bottom left", "at the bottom", "at the bottom right"]]
AN_EXC = {"unicorn": "a", "ufo": "a", "hourglass": "an"}
TASKS = ["position", "where", "next_to", "relation", "count", "count_all", "exist", "size", "bg_color", "text_color", "sign_color", "read", "small_text", "has_text", "describe", "read_many", "absent",
         "frame_where", "frame_times", "frame_first", "frame_read", "frame_see"]


def art(name):
    w = name.split()[0]
    if w in AN_EXC:
        return f"{AN_EXC[w]} {name}"
    return ("an " if name[0] in "aeiou" else "a ") + name


def region(o):
    return POS9[min(2, int(o.cy // 336))][min(2, int(o.cx // 336))]


def clear_region(o, m=38):
    return all(abs(v - b) > m for v in (o.cx, o.cy) for b in (336, 672))


def reading(sign):
    return "read_many" if " " in sign.text else "read"


def questions(rng, sc, A):
    """All well-defined (task, question, answer) of a scene, one phrasing each, unshuffled."""
    objs, signs, out = sc["objs"], sc["signs"], []
    P = rng.choice
    cnt = {}
    for o in objs:
        cnt[o.cls] = cnt.get(o.cls, 0) + 1
    uniq = [o for o in objs if cnt[o.cls] == 1]
    things = objs + signs

    def add(task, q, a):
        out.append((task, q, a))
    # --- position
    W = {"left": (lambda o: o.cx, 1, 0), "right": (lambda o: o.cx, -1, 0), "top": (lambda o: o.cy, 1, 0), "bottom": (lambda o: o.cy, -1, 0)}
    for side, (f, sg, _) in W.items():
        if not objs:
            break
        vs = sorted(things, key=lambda o: sg * f(o))
        v0 = vs[0]
        if isinstance(v0, Sign):
            continue
        d0 = f(v0) if sg > 0 else S - f(v0)
        if d0 < 430 and (len(vs) == 1 or abs(f(vs[1]) - f(v0)) > 90):
            prep = "on the " + side if side in ("left", "right") else "at the " + side
            q = P([f"What is {prep}?", f"What is {prep} of the image?", f"What do you see {prep} of the picture?", f"Which object is {prep}?",
                   f"What is {prep} side of the image?" if side in ("left", "right") else f"What can be seen {prep}?"])
            add("position", q, art(v0.name))
    dc = sorted((math.hypot(o.cx - 504, o.cy - 504), i) for i, o in enumerate(things))
    if dc and dc[0][0] < 165 and dc[0][1] < len(objs) and (len(dc) == 1 or dc[1][0] > dc[0][0] + 110):
        add("position", P(["What is in the center?", "What is in the middle of the image?", "What is at the center of the picture?", "What is in the centre?"]), art(objs[dc[0][1]].name))
    for vy, ny in ((0, "top"), (1, "bottom")):
        for vx, nx in ((0, "left"), (1, "right")):
            ins = [o for o in things if (o.cx > 504) == bool(vx) and (o.cy > 504) == bool(vy)]
            if len(ins) == 1 and not isinstance(ins[0], Sign) and abs(ins[0].cx - 504) > 110 and abs(ins[0].cy - 504) > 110:
                add("position", P([f"What is in the {ny} {nx} corner?", f"What is at the {ny} {nx}?", f"What is in the {ny} {nx} of the image?"]), art(ins[0].name))
    for o in uniq:
        if clear_region(o):
            add("where", P([f"Where is the {o.name}?", f"Where in the image is the {o.name}?", f"Where can I find the {o.name}?", f"In which part of the image is the {o.name}?"]), region(o))
    # --- relations
    for o in uniq:
        ds = sorted((math.hypot(p.cx - o.cx, p.cy - o.cy), i) for i, p in enumerate(objs) if p is not o)
        if ds and ds[0][0] < 480 and (len(ds) == 1 or ds[1][0] > 1.3 * ds[0][0]):
            add("next_to", P([f"What is next to the {o.name}?", f"What is beside the {o.name}?", f"What is near the {o.name}?", f"Which object is closest to the {o.name}?"]), art(objs[ds[0][1]].name))
        for rel, qs, sel in (("above", ("What is above the {}?", "Which object is above the {}?"), lambda dx, dy: dy < 0 and abs(dx) < .7 * -dy),
                             ("below", ("What is below the {}?", "What is under the {}?", "What is beneath the {}?"), lambda dx, dy: dy > 0 and abs(dx) < .7 * dy),
                             ("left", ("What is to the left of the {}?", "What is left of the {}?"), lambda dx, dy: dx < 0 and abs(dy) < .7 * -dx),
                             ("right", ("What is to the right of the {}?", "What is right of the {}?"), lambda dx, dy: dx > 0 and abs(dy) < .7 * dx)):
            c = [(math.hypot(p.cx - o.cx, p.cy - o.cy), p) for p in objs if p is not o and sel(p.cx - o.cx, p.cy - o.cy)]
            if c:
                c.sort(key=lambda z: z[0])
                if len(c) == 1 or c[1][0] > 1.25 * c[0][0]:
                    add("relation", P(qs).format(o.name), art(c[0][1].name))
    # --- counting
    cl = list(cnt)
    rng.shuffle(cl)
    for k in cl[:3]:
        pl = A.plurals[k]
        add("count", P([f"How many {pl} are there?", f"How many {pl} are in the image?", f"How many {pl} can you see?", f"Count the {pl}."]), NUM[cnt[k]])
    multi = [k for k in cl if cnt[k] > 1]
    if multi:
        pl = A.plurals[multi[0]]
        add("count", P([f"How many {pl} are there?", f"How many {pl} do you see?", f"What is the number of {pl}?"]), NUM[cnt[multi[0]]])
    if rng.random() < .25:
        k = rng.randrange(A.n)
        if k not in cnt:
            add("count", P([f"How many {A.plurals[k]} are there?", f"How many {A.plurals[k]} are in the image?"]), "zero")
    add("count_all", P(["How many objects are there?", "How many objects are in the image?", "How many things can you see, not counting signs?"]), NUM[len(objs)])
    # --- existence
    ex = []
    for k in cl[:2]:
        ex.append((k, "yes"))
    while len(ex) < 2 * max(1, min(2, len(cl))):
        k = rng.randrange(A.n)
        if k not in cnt:
            ex.append((k, "no"))
    for k, a in ex:
        nm = A.names[k]
        add("exist", P([f"Is there {art(nm)} in the image?", f"Is there {art(nm)}?", f"Can you see {art(nm)}?", f"Does the image show {art(nm)}?", f"Do you see {art(nm)} in this picture?"]), a)
    # --- size
    if len(objs) >= 2:
        z = sorted(objs, key=lambda o: -o.size)
        if z[0].size > 1.3 * z[1].size:
            add("size", P(["What is the largest object?", "What is the biggest object in the image?", "Which object is the largest?"]), art(z[0].name))
        if z[-2].size > 1.3 * z[-1].size:
            add("size", P(["What is the smallest object?", "Which object is the smallest?", "What is the smallest thing in the image?"]), art(z[-1].name))
    # --- colours
    if sc["bg"]:
        add("bg_color", P(["What color is the background?", "What colour is the background?", "What is the color of the background?", "Which color does the background have?"]), sc["bg"])
    big = [g for g in signs if not g.small]
    plated = [g for g in big if g.plate]
    if len(big) == 1:
        g = big[0]
        add("text_color", P(["What color is the text?", "What colour is the writing?", "What is the color of the letters?", "What color are the letters on the sign?"]) if len(signs) == 1 else
            P(["What color is the large text?", "What color is the writing on the large sign?"]), g.color)
        if g.plate:
            add("sign_color", P(["What color is the sign?", "What colour is the sign?", "What is the color of the sign?"]) if len(signs) == 1 else
                P(["What color is the large sign?", "What is the color of the large sign?"]), g.plate)
        q = P(["What does the sign say?", "What is written on the sign?", "What does the text say?", "Read the sign.", "Which word is on the sign?", "What text is in the image?"]) if len(signs) == 1 else \
            P(["What does the large sign say?", "What does the large text say?", "Read the large sign."])
        add(reading(g), q, f'"{g.text.upper()}"')
        if len(signs) == 1 and clear_region(g):
            add("where", P(["Where is the sign?", "Where is the text?", "Where in the image is the sign?"]), region(g))
    if len(plated) >= 2:
        for g in plated:
            if sum(h.plate == g.plate for h in plated) == 1:
                add(reading(g), P([f"What does the {g.plate} sign say?", f"What is written on the {g.plate} sign?", f"Read the {g.plate} sign."]), f'"{g.text.upper()}"')
    if len(big) >= 2:
        v = sorted(big, key=lambda g: g.cy)
        if v[1].cy - v[0].cy > 120:
            add(reading(v[0]), P(["What does the top sign say?", "What does the text at the top say?", "What does the upper sign say?"]), f'"{v[0].text.upper()}"')
        if v[-1].cy - v[-2].cy > 120:
            add(reading(v[-1]), P(["What does the bottom sign say?", "What does the text at the bottom say?", "What does the lower sign say?"]), f'"{v[-1].text.upper()}"')
    for g in signs:
        if g.small:
            nm = g.near.name
            add("small_text", P([f"What is written next to the {nm}?", f"What does the small text next to the {nm} say?", f"Read the label of the {nm}.",
                                 f"What does the label next to the {nm} say?", f"What is the small word near the {nm}?"]), f'"{g.text.upper()}"')
    if len(signs) == 1 and signs[0].small:
        add("small_text", P(["What does the small text say?", "What does the small sign say?", "Read the small label."]), f'"{signs[0].text.upper()}"')
    if not signs and rng.random() < .3:
        add("read", P(["What does the sign say?", "What does the text say?", "Read the sign."]), "there is no sign")
    if rng.random() < .3:
        add("has_text", P(["Is there any text in the image?", "Is there a sign in the image?", "Does the image contain text?"]), "yes" if signs else "no")
    # --- things that are not there
    if rng.random() < .6:
        k = rng.randrange(A.n)
        if k not in cnt:
            nm = A.names[k]
            add("absent", P([f"Where is the {nm}?", f"Where in the image is the {nm}?", f"What is next to the {nm}?", f"What is above the {nm}?", f"What is below the {nm}?",
                             f"What is to the left of the {nm}?", f"What is to the right of the {nm}?", f"What is written next to the {nm}?", f"What does the label next to the {nm} say?"]), "not visible")
    if signs and rng.random() < .2:
        other = P([c for c in CNAMES if all(c != g.plate for g in signs) and c != sc["bg"]])
        add("absent", P([f"What does the {other} sign say?", f"Read the {other} sign.", f"Where is the {other} sign?"]), "not visible")
    # --- caption
    groups = []
    for o in sorted(objs, key=lambda o: -o.size):
        if cnt[o.cls] == 1:
            groups.append(f"{art(o.name)} {region(o)}")
        elif not any(x == (o.cls,) for x in groups):
            groups.append((o.cls,))
    parts = [f"{NUM[cnt[x[0]]]} {A.plurals[x[0]]}" if isinstance(x, tuple) else x for x in groups[:4]]
    if len(groups) > 4:
        parts.append("some smaller objects")
    for g in big[:2]:
        parts.append(f'a {g.plate + " " if g.plate else ""}sign that says "{g.text.upper()}"' if g.plate else f'the text "{g.text.upper()}"')
    bgp = f"on a {sc['bg']} background" if sc["bg"] else "on a two-colored background"
    if bgp.startswith("on a orange"):
        bgp = bgp.replace("on a orange", "on an orange")
    if not parts:
        cap = "Nothing, just an empty background." if not sc["bg"] else f"Nothing, just an empty {sc['bg']} background."
    else:
        cap = (parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]) + " " + bgp + "."
        cap = cap[0].upper() + cap[1:]
    cap = cap.replace(" a orange sign", " an orange sign").replace("A orange sign", "An orange sign")
    add("describe", P(["Describe the image.", "What is in this image?", "What can you see?", "Describe this picture.", "What does the image show?", "Give a short description of the image."]), cap)
    return out


def vary(rng, q):
    r = rng.random()
    if r < .1:
        q = q.lower()
    elif r < .16:
        q = q.rstrip("?.")
    return q
