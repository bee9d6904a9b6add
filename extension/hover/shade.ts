import { interpolateMagma } from 'd3';

export interface Shade {
  /** #rrggbb */
  readonly ground: string;
  /** Black or white, whichever is read better on the ground. */
  readonly ink: string;
}

/** Magma from black at 0 to pale yellow at 1. */
export function shade(t: number): Shade {
  const ground = interpolateMagma(Math.min(1, Math.max(0, t)));
  const [red, green, blue] = [1, 3, 5].map(start => {
    const value = Number.parseInt(ground.slice(start, start + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return { ground, ink: luminance > 0.179 ? '#000000' : '#ffffff' };
}
