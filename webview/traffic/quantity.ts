/** How bytes, rates and times of traffic are written. */

const three = (value: number): string =>
  value >= 99.5 ? value.toFixed(0) : value >= 9.95 ? value.toFixed(1) : value.toFixed(2);

interface Unit {
  readonly name: string;
  readonly size: number;
}

const byteUnits: readonly Unit[] = [
  { name: 'GB', size: 1e9 },
  { name: 'MB', size: 1e6 },
  { name: 'kB', size: 1e3 },
  { name: 'B', size: 1 },
];

/** The unit in which values up to this one are written with three figures. */
export function byteUnit(largest: number): Unit {
  return byteUnits.find(({ size }) => largest >= size) ?? byteUnits.at(-1)!;
}

/** 86.8 kB; whole below a kilobyte. */
export function bytes(value: number): string {
  const { name, size } = byteUnit(value);
  return `${size === 1 ? Math.round(value) : three(value / size)} ${name}`;
}

/** At most three characters and a point, for a cell of 24 px. */
export function cellBytes(value: number, { size }: Unit): string {
  const scaled = value / size;
  if (value === 0) return '';
  if (scaled < 0.05) return '<.1';
  return scaled >= 9.95 || size === 1 ? scaled.toFixed(0) : scaled.toFixed(1);
}

export function rate(bytesPerSecond: number): string {
  return `${bytes(bytesPerSecond)}/s`;
}

/** 286 µs, 2.29 ms, 1.20 s. */
export function time(nanoseconds: number): string {
  if (!Number.isFinite(nanoseconds)) return '–';
  if (nanoseconds === 0) return '0 µs';
  if (nanoseconds < 999_500) return `${three(nanoseconds / 1e3)} µs`;
  if (nanoseconds < 999_500_000) return `${three(nanoseconds / 1e6)} ms`;
  return `${three(nanoseconds / 1e9)} s`;
}

export const seconds = (value: number): string => time(value * 1e9);

export const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

/** 2.4·10⁻⁷ */
export function scientific(value: number): string {
  if (value === 0) return '0';
  const [mantissa, exponent] = value.toExponential(1).split('e');
  const digits = Array.from(String(Math.abs(Number(exponent))), digit => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]!).join('');
  return `${mantissa!}·10${Number(exponent) < 0 ? '⁻' : ''}${digits}`;
}
