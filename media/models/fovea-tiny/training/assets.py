"""What the build_assets scripts wrote: names of the sprites and where they lie in the texture, and the words of the signs."""
import json


class Assets:
    """Sprite metadata + text strips metadata. strips: list of dict(text, case, levels=[(off, w, h)], bounds=np[n+1] in 0..1)."""
    def __init__(self, folder):
        m = json.load(open(f"{folder}/sprites.json"))
        self.names = [s["name"] for s in m["sprites"]]
        self.plurals = [s["plural"] for s in m["sprites"]]
        self.n = len(self.names)
        self.npack = len(m["packs"])
        self.cell = m["cell"]
        self.levels = []                # (size, base offset in bytes) of each mip level in the flat sprite texture
        off = 0
        for k in range(3):
            s = self.cell >> k
            self.levels.append((s, off))
            off += self.n * self.npack * s * s * 4
        self.tex_bytes = off
        w = json.load(open(f"{folder}/words.json"))
        self.words, self.held = w["train"], w["heldout"]
        self.strips, self.held_ids, self.train_ids = [], [], []

    def sprite_tex(self, pack, cls, disp):
        lv = 0 if disp > 0.75 * self.cell else 1 if disp > 0.375 * self.cell else 2
        s, off = self.levels[lv]
        return off + (pack * self.n + cls) * s * s * 4, s
