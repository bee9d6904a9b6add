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

/** From here on a double has no fraction: adding and subtracting it rounds to an integer, ties to even. */
const integersOnly = 2 ** 52;
/** Bits of float32: the least half with all its digits, and the first value that would round up to infinity. */
const leastNormal = 0x38800000;
const firstOverflow = 0x477ff000;
const rounded = new Float32Array(1);
const roundedBits = new Uint32Array(rounded.buffer);

/**
 * Rounds `values` into `halves` from its start on. A traced run rounds all of its attention here, while the user waits: positive
 * values, which is nearly all of it, take a short way.
 * @returns the sum of the rounded values
 */
export function storeHalves(values: Float32Array, halves: Uint16Array): number {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let sum = 0;
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i]!;
    if (value < leastNormal) {
      const units = values[i]! * 2 ** 24 + integersOnly - integersOnly;
      halves[i] = units;
      sum += units * 2 ** -24;
    } else if (value < firstOverflow) {
      // The exponent counts from 112 less, and what is dropped rounds to the nearest, ties to even.
      const half = (value - leastNormal + 0x800fff + ((value >>> 13) & 1)) >>> 13;
      halves[i] = half;
      roundedBits[0] = (half << 13) + 0x38000000;
      sum += rounded[0]!;
    } else {
      const half = halfBits(value);
      halves[i] = half;
      sum += decodingTable()[half]!;
    }
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
