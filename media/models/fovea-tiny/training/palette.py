"""The eleven colours that questions name, and their shades."""
PALETTE = {"red": (212, 38, 38), "orange": (246, 138, 28), "yellow": (250, 216, 48), "green": (46, 160, 70), "blue": (45, 98, 222),
           "purple": (128, 58, 180), "pink": (246, 128, 182), "brown": (124, 78, 44), "black": (20, 20, 22), "white": (246, 246, 246), "gray": (134, 135, 140)}
CNAMES = list(PALETTE)


def lum(c):
    return 0.3 * c[0] + 0.59 * c[1] + 0.11 * c[2]


def jitter(rng, c, k=16):
    grey = max(c) - min(c) < 12                      # black, white and gray stay neutral
    m = rng.uniform(-k, k) if grey else 0
    k = 4 if grey else k
    return tuple(min(255, max(0, v + m + rng.uniform(-k, k))) for v in c)


def shade(rng, c):
    """A clearly visible other shade of the same colour."""
    f = rng.uniform(0.08, 0.32)
    if lum(c) > 128 and rng.random() < 0.6 or lum(c) > 225:
        return tuple(v * (1 - f * 0.8) for v in c)
    return tuple(v + (255 - v) * f for v in c)
