import { interpolateMagma, rgb } from 'd3';

export type Scheme = 'dark' | 'light';

export const mapSize = 256;

/**
 * 256 colours of a map, magma by default, [256 * 3], 0 to 255. Light themes run the map backwards and blend its first 18 % to
 * white, so that zero is the page.
 * @param interpolate CSS colour from 0 to 1
 */
export function colourTable(scheme: Scheme, interpolate: (t: number) => string = interpolateMagma): Uint8ClampedArray {
  const table = new Uint8ClampedArray(mapSize * 3);
  for (let i = 0; i < mapSize; i++) {
    const t = i / (mapSize - 1);
    const { r, g, b } = rgb(interpolate(scheme === 'light' ? 1 - t * 0.93 : t));
    const white = scheme === 'light' ? Math.max(0, 1 - t / 0.18) : 0;
    table.set(
      [r, g, b].map(channel => Math.round(channel + (255 - channel) * white)),
      i * 3,
    );
  }
  return table;
}

/** Opacity of the overlay for a value at `t` of the scale, before the slider. */
export const overlayAlpha = (t: number): number => 0.28 + 0.62 * Math.sqrt(t);

/** The map with opacity: [256 * 4]. `opacity` 1 for opaque maps, or the ramp times the slider. */
export function paintTable(colours: Uint8ClampedArray, opacity: (t: number) => number): Uint8ClampedArray {
  const table = new Uint8ClampedArray(mapSize * 4);
  for (let i = 0; i < mapSize; i++) {
    table.set(colours.subarray(i * 3, i * 3 + 3), i * 4);
    table[i * 4 + 3] = Math.round(255 * opacity(i / (mapSize - 1)));
  }
  return table;
}

/** Index into a table of 256 for a value on a scale from 0 to `maximum`. */
export function tableIndex(value: number, maximum: number): number {
  if (!(maximum > 0) || !(value > 0)) return 0;
  return value >= maximum ? mapSize - 1 : Math.floor((value / maximum) * mapSize);
}

/** Black or white, whichever is read better on this colour of the table. */
export function inkOn(colours: Uint8ClampedArray, index: number): '#000' | '#fff' {
  const [r, g, b] = [0, 1, 2].map(channel => {
    const value = colours[index * 3 + channel]! / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000' : '#fff';
}
