import { context2d } from '../element.ts';

export interface Paint {
  /** #rrggbb */
  readonly colour: string;
  /** 0 to 1 */
  readonly opacity: number;
}

const known = new Map<string, Paint>();
let pixel: CanvasRenderingContext2D | undefined;

/** Any colour that a computed style may hold, as every reader of SVG understands it: opacity apart. */
export function paintOf(css: string): Paint {
  const before = known.get(css);
  if (before) return before;
  if (!pixel) {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 1;
    pixel = canvas.getContext('2d', { willReadFrequently: true }) ?? context2d(canvas);
  }
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = css;
  pixel.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = pixel.getImageData(0, 0, 1, 1).data as unknown as [number, number, number, number];
  const hex = (channel: number): string => channel.toString(16).padStart(2, '0');
  const paint = { colour: `#${hex(red)}${hex(green)}${hex(blue)}`, opacity: Math.round((alpha / 255) * 1000) / 1000 };
  known.set(css, paint);
  return paint;
}
