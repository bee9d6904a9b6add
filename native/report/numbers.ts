/** How numbers are written in a report: as in the panel. */

const thinSpace = '\u2009';

/** Three significant figures, or fewer: 0.279, 0.0046, 3.1e-5. */
export function probability(value: number): string {
  if (value === 0) return '0';
  if (value < 0.0001) return value.toExponential(1).replace('e', '·10^');
  return value >= 0.1 ? value.toFixed(3) : Number(value.toPrecision(2)).toFixed(value >= 0.01 ? 3 : 4);
}

/** Of the natural logarithm: 0.9988, "< 0.0001". */
export function tokenProbability(logprob: number): string {
  const value = Math.exp(logprob);
  return value < 0.00005 ? '< 0.0001' : value.toFixed(4);
}

export function percent(share: number): string {
  const value = share * 100;
  if (value !== 0 && value < 0.05) return `< 0.1${thinSpace}%`;
  return `${value >= 9.95 || value === 0 ? value.toFixed(0) : value.toFixed(1)}${thinSpace}%`;
}

export function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(2)} s`;
}

/** 115 343 360 */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, thinSpace);
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
}

/** "2026-11-22 01:15 UTC"; anything that is no date as it is. */
export function day(created: string): string {
  const date = new Date(created);
  return Number.isNaN(date.getTime()) ? created : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
