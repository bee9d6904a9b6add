/** Normalised pixels made smaller as torch.nn.functional.interpolate does it: mode "bilinear", antialias true, align_corners false. */

/** What one output pixel is made of along one axis. */
interface Taps {
  readonly first: number;
  /** Sum to 1. */
  readonly weights: Float64Array;
}

/**
 * A triangle as wide as two output pixels, cut off and normalised at the edges.
 * @param pixels [3, side, side] @returns [3, to, to]
 */
export function scaleDown(pixels: Float32Array, side: number, to: number): Float32Array {
  const taps = Array.from({ length: to }, (_, index) => tapsOf(index, side, to));
  const rows = new Float32Array(3 * side * to);
  for (let row = 0; row < 3 * side; row++) {
    taps.forEach(({ first, weights }, x) => {
      let sum = 0;
      for (let tap = 0; tap < weights.length; tap++) sum += weights[tap]! * pixels[row * side + first + tap]!;
      rows[row * to + x] = sum;
    });
  }
  const smaller = new Float32Array(3 * to * to);
  for (let channel = 0; channel < 3; channel++) {
    taps.forEach(({ first, weights }, y) => {
      for (let x = 0; x < to; x++) {
        let sum = 0;
        for (let tap = 0; tap < weights.length; tap++) {
          sum += weights[tap]! * rows[(channel * side + first + tap) * to + x]!;
        }
        smaller[(channel * to + y) * to + x] = sum;
      }
    });
  }
  return smaller;
}

/** In float32 where torch is, so that uneven scales give its weights. */
function tapsOf(index: number, side: number, to: number): Taps {
  const { fround } = Math;
  const scale = fround(side / to);
  const inverse = fround(1 / scale);
  const centre = fround(scale * (index + 0.5));
  const first = Math.max(0, Math.trunc(centre - scale + 0.5));
  const end = Math.min(side, Math.trunc(centre + scale + 0.5));
  const weights = Float64Array.from({ length: end - first }, (_, tap) =>
    Math.max(0, 1 - Math.abs(fround(fround(fround(first + tap - centre) + 0.5) * inverse))),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return { first, weights: weights.map(weight => weight / sum) };
}
