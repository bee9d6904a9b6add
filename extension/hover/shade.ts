/**
 * Magma at 0, 1/16 … 1. Samples, because importing d3 on demand would put all of it into the extension's bundle, and
 * its loading into the first hover.
 */
const samples = (
  '000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 ' +
  'd0416f e75263 f56b5c fc8961 fea772 fec488 fde2a3 fcfdbf'
)
  .split(' ')
  .map(hex => [0, 2, 4].map(start => Number.parseInt(hex.slice(start, start + 2), 16)));

export interface Shade {
  /** #rrggbb */
  readonly ground: string;
  /** Black or white, whichever is read better on the ground. */
  readonly ink: string;
}

/** Magma from black at 0 to pale yellow at 1; the text on it black or white. */
export function shade(t: number): Shade {
  const place = (t > 0 ? Math.min(1, t) : 0) * (samples.length - 1);
  const lower = Math.min(samples.length - 2, Math.floor(place));
  const channels = samples[lower]!.map((value, channel) =>
    Math.round(value + (samples[lower + 1]![channel]! - value) * (place - lower)),
  );
  const [red, green, blue] = channels.map(value => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return {
    ground: `#${channels.map(value => value.toString(16).padStart(2, '0')).join('')}`,
    ink: luminance > 0.179 ? '#000000' : '#ffffff',
  };
}
