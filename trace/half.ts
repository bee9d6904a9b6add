/** IEEE 754 binary16, the precision in which attention is stored. */

/** Nearest half-precision value of a float32's bits, ties to even; overflow becomes infinity. */
function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (fraction ? 0x200 : 0);
  const halfExponent = exponent - 112;
  if (halfExponent >= 31) return sign | 0x7c00;
  if (halfExponent <= 0) {
    if (halfExponent < -10) return sign;
    return sign | roundToEven(fraction | 0x800000, 14 - halfExponent);
  }
  return sign | ((halfExponent << 10) + roundToEven(fraction, 13));
}

function roundToEven(fraction: number, drop: number): number {
  const kept = fraction >>> drop;
  const rest = fraction & ((1 << drop) - 1);
  const half = 1 << (drop - 1);
  return rest > half || (rest === half && kept & 1) ? kept + 1 : kept;
}

export function toHalf(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length);
  storeHalves(values, halves);
  return halves;
}

/**
 * Rounds `values` into `halves` from its start on.
 * @returns the sum of the rounded values
 */
export function storeHalves(values: Float32Array, halves: Uint16Array): number {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const table = decodingTable();
  let sum = 0;
  for (let i = 0; i < bits.length; i++) {
    const half = halfBits(bits[i]!);
    halves[i] = half;
    sum += table[half]!;
  }
  return sum;
}

let decoded: Float32Array | undefined;

/** The value of every half, so that decoding a page of attention is one lookup each. */
function decodingTable(): Float32Array {
  if (decoded) return decoded;
  decoded = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >>> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    decoded[bits] =
      exponent === 0
        ? sign * fraction * 2 ** -24
        : exponent === 31
          ? fraction
            ? NaN
            : sign * Infinity
          : sign * (1024 + fraction) * 2 ** (exponent - 25);
  }
  return decoded;
}

/** @param values of the same length, to be overwritten */
export function fromHalf(halves: Uint16Array, values = new Float32Array(halves.length)): Float32Array {
  const table = decodingTable();
  for (let i = 0; i < halves.length; i++) values[i] = table[halves[i]!]!;
  return values;
}
