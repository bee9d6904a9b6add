import { fitCanvas } from '../element.ts';
import { overlayAlpha } from './colour-map.ts';
import type { Theme } from './theme.ts';

const height = 14;

/**
 * The ramp of the overlay, over a dark and a light ground, since a translucent colour depends on what is below.
 * @param opacity strength of the overlay, 0 to 1
 */
export function drawRamp(canvas: HTMLCanvasElement, width: number, theme: Theme, opacity: number): void {
  const context = fitCanvas(canvas, width, height);
  context.clearRect(0, 0, width, height);
  const [dark, light] = theme.scheme === 'light' ? ['#999', '#ddd'] : ['#777', '#bbb'];
  context.fillStyle = dark;
  context.fillRect(0, 0, width, height / 2);
  context.fillStyle = light;
  context.fillRect(0, height / 2, width, height / 2);
  for (let x = 0; x < width; x++) {
    const t = x / (width - 1);
    const [r, g, b] = theme.colours.subarray(Math.round(t * 255) * 3, Math.round(t * 255) * 3 + 3);
    context.fillStyle = `rgb(${r} ${g} ${b} / ${overlayAlpha(t) * opacity})`;
    context.fillRect(x, 0, 1, height);
  }
}
