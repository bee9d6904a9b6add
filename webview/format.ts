/** How numbers are written in the panel: the same everywhere, so that they can be compared by eye. */

const thinSpace = '\u2009';
const minus = '\u2212';
const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹';

const superscript = (exponent: number): string =>
  (exponent < 0 ? '⁻' : '') + Array.from(String(Math.abs(exponent)), digit => superscripts[Number(digit)]!).join('');

/** A count, never rounded: 5 184. */
export function count(value: number): string {
  const digits = String(Math.abs(Math.trunc(value)));
  return (value < 0 ? minus : '') + digits.replace(/\B(?=(\d{3})+$)/g, thinSpace);
}

/** 10⁻⁴ */
export const powerOfTen = (exponent: number): string => `10${superscript(exponent)}`;

/** A probability with two significant figures: 0.28, 0.0046, 3.1·10⁻⁵. */
export function probability(value: number): string {
  if (value === 0) return '0';
  if (value < 0.0001) {
    const [mantissa, exponent] = value.toExponential(1).split('e');
    return `${mantissa!}·10${superscript(Number(exponent))}`;
  }
  if (value >= 0.995) return value.toFixed(2);
  return Number(value.toPrecision(2)).toFixed(value >= 0.0995 ? 2 : value >= 0.00995 ? 3 : 4);
}

/** A probability small enough for the corner of a map: never more than six characters. */
export function cornerProbability(value: number): string {
  return value < 0.00005 ? '<10⁻⁴' : probability(Math.max(value, 0.0001));
}

/** A token's probability: 0.9988, or "< 0.0001". */
export function tokenProbability(value: number): string {
  return value < 0.00005 ? '< 0.0001' : value.toFixed(4);
}

/** A share in percent: 73 %, 5.3 %. */
export function share(value: number): string {
  const percent = value * 100;
  if (percent !== 0 && percent < 0.05) return `< 0.1${thinSpace}%`;
  return `${percent >= 9.95 || percent === 0 ? percent.toFixed(0) : percent.toFixed(1)}${thinSpace}%`;
}

/** A value on a scale's tick, three decimals or as many as two figures need. */
export function tick(value: number): string {
  return value === 0 || value >= 0.01 ? (value === 0 ? '0' : value.toFixed(3)) : probability(value);
}

export function duration(milliseconds: number): string {
  if (milliseconds < 1) return `${count(Math.round(milliseconds * 1000))} µs`;
  if (milliseconds < 1000) return `${count(Math.round(milliseconds))} ms`;
  return `${(milliseconds / 1000).toFixed(milliseconds < 10000 ? 1 : 0)} s`;
}

/** A token's text made visible: line feeds, spaces and control characters get a sign. */
export function visibleToken(text: string): string {
  const trimmed = text.replace(/^ +| +$/g, '');
  if (trimmed === '') return text === '' ? '∅' : '␣';
  return Array.from(trimmed, character => {
    const code = character.codePointAt(0)!;
    if (character === '\n') return '⏎';
    if (character === '\t') return '⇥';
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    return code === 0x7f ? '␡' : character;
  }).join('');
}
