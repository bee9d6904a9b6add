/** What was typed in the steps of a traffic run. */

/** Emulated links. */
export interface Link {
  /** Seconds. */
  readonly latency: number;
  /** Bytes per second. */
  readonly bandwidth: number;
}

const pattern = /^(\d+(?:\.\d+)?)\s*([kMG]?)B?(?:\/s)?\s*,\s*(\d+(?:\.\d+)?)\s*(us|µs|ms)$/i;
const sizes: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9 };

/** "3 GB/s, 20 µs"; undefined when it is nothing like that. */
export function parseLink(text: string): Link | undefined {
  const match = pattern.exec(text.trim());
  if (!match) return undefined;
  const bandwidth = Number(match[1]) * sizes[match[2]!.toLowerCase()]!;
  const latency = Number(match[3]) / (match[4]!.toLowerCase() === 'ms' ? 1e3 : 1e6);
  return bandwidth > 0 && latency <= 1 ? { latency, bandwidth } : undefined;
}
