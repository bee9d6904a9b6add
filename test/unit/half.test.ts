import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHalf, storeHalves, toHalf } from '../../trace/half.ts';

test('every half-precision value survives decoding and encoding', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
  const again = toHalf(fromHalf(all));
  for (let bits = 0; bits < 65536; bits++) {
    const isNaN = (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0;
    if (isNaN) assert.equal(again[bits]! & 0x7e00, 0x7e00);
    else assert.equal(again[bits], bits);
  }
});

test('known values decode as IEEE 754 says', () => {
  const known: [number, number][] = [
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x0400, 2 ** -14],
    [0x0001, 2 ** -24],
    [0x3555, 0.333251953125],
    [0x7c00, Infinity],
  ];
  for (const [bits, value] of known) assert.equal(fromHalf(Uint16Array.of(bits))[0], value);
});

test('encoding rounds to the nearest value, ties to even, and keeps subnormals', () => {
  const encode = (value: number): number => toHalf(Float32Array.of(value))[0]!;
  assert.equal(encode(1 + 2 ** -11), 0x3c00, 'a tie goes to the even neighbour below');
  assert.equal(encode(1 + 3 * 2 ** -11), 0x3c02, 'a tie goes to the even neighbour above');
  assert.equal(encode(1 + 2 ** -11 + 2 ** -20), 0x3c01, 'above a tie goes up');
  assert.equal(encode(2 ** -25), 0, 'half of the smallest subnormal ties to zero');
  assert.equal(encode(1.5 * 2 ** -24), 0x0002, 'subnormals round too');
  assert.equal(encode(65520), 0x7c00, 'too large becomes infinity');
  assert.equal(encode(2047.9998), 0x6800, 'rounding may carry into the exponent');
});

test('between any two neighbours everything rounds to the nearer one, the middle to the even one, and the sum is of what is stored', () => {
  const halves = fromHalf(Uint16Array.from({ length: 0x7c00 }, (_, bits) => bits));
  for (const sign of [1, -1]) {
    const middles = new Float32Array(halves.length - 1).map((_, at) => (sign * (halves[at]! + halves[at + 1]!)) / 2);
    const below = new Float32Array(middles);
    const above = new Float32Array(middles);
    new Uint32Array(below.buffer).forEach((bits, at, all) => (all[at] = bits - 1));
    new Uint32Array(above.buffer).forEach((bits, at, all) => (all[at] = bits + 1));
    const signBit = sign < 0 ? 0x8000 : 0;
    const stored = [below, middles, above].map(values => {
      const into = new Uint16Array(values.length);
      const sum = storeHalves(values, into);
      const decoded = fromHalf(into);
      assert.equal(
        sum,
        decoded.reduce((total, value) => total + value, 0),
      );
      return into;
    });
    for (let at = 0; at < middles.length; at++) {
      assert.equal(stored[0]![at], signBit | at);
      assert.equal(stored[1]![at], signBit | (at + (at & 1)));
      assert.equal(stored[2]![at], signBit | (at + 1));
    }
  }
});
