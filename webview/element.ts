/**
 * A DOM element with attributes and children. Text always arrives as text nodes, never as markup: tokens, prompts and
 * file names come from outside. There is no way to set a `style` attribute, which the content security policy refuses.
 */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number | undefined>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) created.setAttribute(name, String(value));
  created.append(...children);
  return created;
}

/** Sets the text only where it differs, so that nothing is laid out or announced without need. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

let printing: number | undefined;

/** Canvases that are fitted while `draw` runs have this many pixels a CSS pixel, whatever the screen has. */
export function atResolution<Result>(pixels: number, draw: () => Result): Result {
  const before = printing;
  printing = pixels;
  try {
    return draw();
  } finally {
    printing = before;
  }
}

/** Pixels a CSS pixel of canvases that are fitted now; part of what decides whether a canvas must be drawn anew. */
export function canvasRatio(): number {
  return printing ?? (window.devicePixelRatio || 1);
}

/** A canvas of this size in CSS pixels, whose backing store follows the screen's resolution; drawn in CSS pixels. */
export function fitCanvas(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = canvasRatio();
  const [deviceWidth, deviceHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== deviceWidth) canvas.width = deviceWidth;
  if (canvas.height !== deviceHeight) canvas.height = deviceHeight;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = context2d(canvas);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

export function context2d(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext('2d');
  if (!context) throw new Error('This window cannot draw on a canvas.');
  return context;
}
