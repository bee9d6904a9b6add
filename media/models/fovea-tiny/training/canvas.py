"""What a scene is: a list of layers on a 1008x1008 canvas.

  ints   LI[NL, 8]  = kind(0 none, 1 sprite, 2 rounded rect, 3 text strip), bbox x0 y0 x1 y1, texture offset, tex w, tex h
  floats LF[NL, 16] = inverse affine a b c d e f (u = a x + b y + c, v = d x + e y + f), r g b, alpha, add, half w, half h, radius
  BG[16]            = type, direction x, y, phase, frequency, noise id, colour A (3), colour B (3)
Sprites use slots 0..6; each sign uses three slots (border, plate, strip) from slot 7 on.
"""
S = 1008
NL, NOBJ, NCH = 16, 7, 40               # layers, objects and labelled characters of a scene, at most
