/** Pictures in a terminal: every character is two pixels, the upper one its colour, the lower one its ground. */
import { interpolateMagma } from 'd3';
import { colourParameters, type Rgb } from './terminal.ts';

export interface Picture {
  readonly width: number;
  readonly height: number;
  pixel(x: number, y: number): Rgb;
}

/** One line of text for every two rows of pixels. */
export function drawPicture(picture: Picture, depth: 8 | 24): string[] {
  const lines: string[] = [];
  for (let y = 0; y < picture.height; y += 2) {
    let line = '';
    let style = '';
    for (let x = 0; x < picture.width; x++) {
      const upper = colourParameters(picture.pixel(x, y), depth);
      const lower = y + 1 < picture.height ? `;48;${colourParameters(picture.pixel(x, y + 1), depth)}` : ';49';
      const next = `38;${upper}${lower}`;
      if (next !== style) line += `\u001b[${next}m`;
      style = next;
      line += '▀';
    }
    lines.push(`${line}\u001b[0m`);
  }
  return lines;
}

/** An RGB image [height, width, 3] averaged down to `width` x `height` pixels. */
export function shrink(
  rgb: Uint8Array,
  from: { width: number; height: number },
  width: number,
  height: number,
): Picture {
  return {
    width,
    height,
    pixel: (x, y) => {
      const left = Math.floor((x * from.width) / width);
      const right = Math.max(left + 1, Math.floor(((x + 1) * from.width) / width));
      const top = Math.floor((y * from.height) / height);
      const bottom = Math.max(top + 1, Math.floor(((y + 1) * from.height) / height));
      const sum = [0, 0, 0];
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) {
          for (let channel = 0; channel < 3; channel++)
            sum[channel]! += rgb[(row * from.width + column) * 3 + channel]!;
        }
      }
      const count = (right - left) * (bottom - top);
      return [Math.round(sum[0]! / count), Math.round(sum[1]! / count), Math.round(sum[2]! / count)];
    },
  };
}

/** Magma at `value` from 0 to 1: even steps of value are even steps of lightness. */
export function magma(value: number): Rgb {
  const hex = interpolateMagma(Math.max(0, Math.min(1, value)));
  const channel = (start: number): number => Number.parseInt(hex.slice(start, start + 2), 16);
  return [channel(1), channel(3), channel(5)];
}

/** A map [rows, columns] with `scale` pixels a side for each value, 0 to `maximum`. */
export function heatPicture(map: Float32Array, columns: number, maximum: number, scale: number): Picture {
  return {
    width: columns * scale,
    height: (map.length / columns) * scale,
    pixel: (x, y) => magma(map[Math.floor(y / scale) * columns + Math.floor(x / scale)]! / maximum),
  };
}

const shades = [' ', '░', '▒', '▓', '█'];

/** The same in plain characters, two for every value. */
export function drawShades(map: Float32Array, columns: number, maximum: number): string[] {
  const lines: string[] = [];
  for (let start = 0; start < map.length; start += columns) {
    const row = Array.from(map.subarray(start, start + columns), value => {
      const level = Math.min(shades.length - 1, Math.floor((value / maximum) * shades.length));
      return shades[level]!.repeat(2);
    });
    lines.push(row.join(''));
  }
  return lines;
}
