/** Amounts with their unit in one range for a whole row of charts. */

interface Unit {
  readonly name: string;
  readonly size: number;
}

const macUnits: readonly Unit[] = [
  { name: 'MAC', size: 1 },
  { name: 'kMAC', size: 1e3 },
  { name: 'MMAC', size: 1e6 },
  { name: 'GMAC', size: 1e9 },
  { name: 'TMAC', size: 1e12 },
];
const byteUnits: readonly Unit[] = [
  { name: 'B', size: 1 },
  { name: 'kB', size: 1e3 },
  { name: 'MB', size: 1e6 },
  { name: 'GB', size: 1e9 },
];

const unitOf = (units: readonly Unit[], largest: number): Unit =>
  units.findLast(({ size }) => largest >= size) ?? units[0]!;

export const macUnit = (largest: number): Unit => unitOf(macUnits, largest);
export const byteUnit = (largest: number): Unit => unitOf(byteUnits, largest);

/** At most three figures: 294, 29.4, 2.94; no unit. */
export function figures(value: number): string {
  if (value >= 99.95 || value === 0) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/** "2.17 GMAC" */
export const macs = (value: number): string => `${figures(value / macUnit(value).size)} ${macUnit(value).name}`;
export const bytes = (value: number): string => `${figures(value / byteUnit(value).size)} ${byteUnit(value).name}`;
