/**
 * A part of the page as SVG: backgrounds, borders, text, drawings and canvases, where the browser has laid them out.
 * Everything is resolved: no style sheet, no variable, no class is left. Controls are no part of a figure, nor is anything
 * with `data-figure="none"`; `background-image` is not drawn: hatches belong into an SVG or a canvas.
 */
import { paintOf } from './paint-colour.ts';
import { svgNode } from './svg-node.ts';
import { fontFamily, textRuns } from './text-runs.ts';

export interface PageDrawing {
  readonly content: SVGElement;
  /** Of everything that was drawn, in CSS pixels, seen from the root's upper left corner. */
  readonly bounds: { readonly left: number; readonly top: number; readonly right: number; readonly bottom: number };
}

const leftOut =
  'button, input, select, textarea, vscode-button, vscode-checkbox, vscode-dropdown, .control, .segments, label, [data-figure="none"]';

/** @param root laid out and visible; @param unwanted elements of `root` that the figure has no use for */
export function drawPage(root: Element, unwanted: readonly Element[] = []): PageDrawing {
  return new Drawer(root, new Set(unwanted)).draw();
}

class Drawer {
  private readonly origin: DOMRect;
  private bounds = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  private clips = 0;
  /** What is outside of it is cut off by the page. */
  private readonly sight: DOMRect[] = [];

  constructor(
    private readonly root: Element,
    private readonly unwanted: ReadonlySet<Element>,
  ) {
    this.origin = root.getBoundingClientRect();
  }

  draw(): PageDrawing {
    const content = svgNode('g');
    this.visit(this.root, content);
    const { left, top, right, bottom } = this.bounds;
    if (!(right > left && bottom > top)) throw new Error('There is nothing to draw here.');
    return { content, bounds: { left, top, right, bottom } };
  }

  private visit(node: Element, into: SVGElement): void {
    if (this.unwanted.has(node) || (node !== this.root && node.matches(leftOut))) return;
    const style = getComputedStyle(node);
    if (style.display === 'none' || style.opacity === '0' || style.clipPath !== 'none') return;
    const box = node.getBoundingClientRect();
    const parent = style.opacity === '1' ? into : into.appendChild(svgNode('g', { opacity: Number(style.opacity) }));
    const visible = style.visibility === 'visible';
    if (visible && node !== this.root) this.drawBox(box, style, parent);
    if (node instanceof HTMLCanvasElement) {
      if (visible) this.drawCanvas(node, box, style, parent);
    } else if (node instanceof HTMLImageElement) {
      if (visible) this.drawImage(node, box, parent);
    } else if (node instanceof SVGSVGElement) {
      if (visible) this.drawSvg(node, box, parent);
    } else if (box.width > 0 || box.height > 0 || style.display === 'contents' || node.childElementCount > 0) {
      const cuts = style.overflowX === 'hidden' && node.scrollWidth > node.clientWidth + 1;
      const inner = cuts ? this.clipped(box, parent) : parent;
      if (cuts) this.sight.push(box);
      for (const child of node.childNodes) {
        if (child instanceof Element) this.visit(child, inner);
        else if (child instanceof Text && visible) {
          for (const run of textRuns(child, style, this.origin.left, this.origin.top)) inner.append(run);
          this.coverText(child);
        }
      }
      if (cuts) this.sight.pop();
    }
    // Over what it surrounds, as on the page.
    if (visible && node !== this.root) this.drawRing(node, box, style, parent);
  }

  /** What the page cuts off stays cut off; scrolled content is shown whole by whoever asked for the drawing. */
  private clipped(box: DOMRect, parent: SVGElement): SVGElement {
    const id = `clip-${this.clips++}`;
    const shape = svgNode('rect', this.place(box));
    return parent.appendChild(svgNode('g', { 'clip-path': `url(#${id})` }, svgNode('clipPath', { id }, shape)));
  }

  private drawBox(box: DOMRect, style: CSSStyleDeclaration, parent: SVGElement): void {
    const ground = paintOf(style.backgroundColor);
    const radius = parseFloat(style.borderTopLeftRadius) || undefined;
    if (ground.opacity > 0 && box.width > 0 && box.height > 0) {
      parent.append(
        svgNode('rect', { ...this.place(box), rx: radius, fill: ground.colour, ...opacityOf(ground.opacity) }),
      );
      this.cover(box);
    }
    const sides = (['Top', 'Right', 'Bottom', 'Left'] as const).map(side => ({
      width: style[`border${side}Style`] === 'none' ? 0 : parseFloat(style[`border${side}Width`]),
      colour: style[`border${side}Color`],
      style: style[`border${side}Style`],
    }));
    const [first] = sides;
    if (first!.width > 0 && sides.every(side => JSON.stringify(side) === JSON.stringify(first))) {
      this.strokeRect(box, -first!.width / 2, first!.width, first!.colour, first!.style, radius, parent);
    } else
      sides.forEach(({ width, colour }, index) => {
        const paint = paintOf(colour);
        if (!(width > 0) || paint.opacity === 0) return;
        const { x, y, width: w, height: h } = this.place(box);
        const place = [
          { x, y, width: w, height: width },
          { x: x + w - width, y, width, height: h },
          { x, y: y + h - width, width: w, height: width },
          { x, y, width, height: h },
        ][index]!;
        parent.append(svgNode('rect', { ...place, fill: paint.colour, ...opacityOf(paint.opacity) }));
        this.cover(box);
      });
  }

  private drawRing(node: Element, box: DOMRect, style: CSSStyleDeclaration, parent: SVGElement): void {
    // The ring of the focus is the user's, and no part of what is shown.
    const ring = style.outlineStyle === 'none' || node === document.activeElement ? 0 : parseFloat(style.outlineWidth);
    if (ring > 0)
      this.strokeRect(
        box,
        parseFloat(style.outlineOffset) + ring / 2,
        ring,
        style.outlineColor,
        style.outlineStyle,
        undefined,
        parent,
      );
  }

  /** @param grow by how much the line lies outside of the box */
  private strokeRect(
    box: DOMRect,
    grow: number,
    width: number,
    colour: string,
    style: string,
    radius: number | undefined,
    parent: SVGElement,
  ): void {
    const paint = paintOf(colour);
    if (paint.opacity === 0) return;
    const around = new DOMRect(box.x - grow, box.y - grow, box.width + 2 * grow, box.height + 2 * grow);
    const dashes =
      style === 'dashed' ? `${3 * width} ${2 * width}` : style === 'dotted' ? `${width} ${width}` : undefined;
    parent.append(
      svgNode('rect', {
        ...this.place(around),
        rx: radius,
        fill: 'none',
        stroke: paint.colour,
        'stroke-width': width,
        'stroke-dasharray': dashes,
        ...(paint.opacity === 1 ? {} : { 'stroke-opacity': paint.opacity }),
      }),
    );
    this.cover(around);
  }

  private drawCanvas(canvas: HTMLCanvasElement, box: DOMRect, style: CSSStyleDeclaration, parent: SVGElement): void {
    if (canvas.width === 0 || canvas.height === 0 || box.width === 0 || box.height === 0) return;
    // One pixel a cell, or drawn with whole cells: enlarged without smoothing.
    const crisp = style.imageRendering === 'pixelated' || canvas.width < box.width;
    parent.append(
      svgNode('image', {
        ...this.place(box),
        href: canvas.toDataURL('image/png'),
        preserveAspectRatio: 'none',
        'image-rendering': crisp ? 'pixelated' : undefined,
      }),
    );
    this.cover(box);
  }

  private drawImage(image: HTMLImageElement, box: DOMRect, parent: SVGElement): void {
    if (image.naturalWidth === 0 || box.width === 0) return;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    canvas.getContext('2d')?.drawImage(image, 0, 0);
    const href = canvas.toDataURL('image/png');
    parent.append(svgNode('image', { ...this.place(box), href, preserveAspectRatio: 'none' }));
    this.cover(box);
  }

  private drawSvg(source: SVGSVGElement, box: DOMRect, parent: SVGElement): void {
    const copy = source.cloneNode(true) as SVGSVGElement;
    resolve(source, copy);
    for (const name of ['x', 'y', 'width', 'height'] as const) copy.setAttribute(name, String(this.place(box)[name]));
    copy.setAttribute('overflow', 'visible');
    parent.append(copy);
    this.cover(box);
    for (const text of source.querySelectorAll('text'))
      if (text.textContent !== '') this.cover(text.getBoundingClientRect());
  }

  private place(box: DOMRect): { x: number; y: number; width: number; height: number } {
    return { x: box.left - this.origin.left, y: box.top - this.origin.top, width: box.width, height: box.height };
  }

  private coverText(node: Text): void {
    if (node.data.trim() === '') return;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (box.width > 0) this.cover(box);
  }

  private cover(box: DOMRect): void {
    const [left, right] = [
      Math.max(box.left, ...this.sight.map(one => one.left)),
      Math.min(box.right, ...this.sight.map(one => one.right)),
    ];
    if (right < left) return;
    const { bounds, origin } = this;
    this.bounds = {
      left: Math.min(bounds.left, left - origin.left),
      top: Math.min(bounds.top, box.top - origin.top),
      right: Math.max(bounds.right, right - origin.left),
      bottom: Math.max(bounds.bottom, box.bottom - origin.top),
    };
  }
}

const opacityOf = (opacity: number): { 'fill-opacity'?: number } => (opacity === 1 ? {} : { 'fill-opacity': opacity });

/** What a style sheet may say of a shape, and what it is when nobody says anything. */
const shapeStyles: Readonly<Record<string, string>> = {
  opacity: '1',
  'fill-opacity': '1',
  'fill-rule': 'nonzero',
  'stroke-width': '1px',
  'stroke-opacity': '1',
  'stroke-dasharray': 'none',
  'stroke-linecap': 'butt',
  'stroke-linejoin': 'miter',
  'shape-rendering': 'auto',
};
const textStyles: Readonly<Record<string, string>> = {
  'font-size': '',
  'font-weight': '400',
  'font-style': 'normal',
  'text-anchor': 'start',
  'dominant-baseline': 'auto',
  'paint-order': 'normal',
};

/** Writes out what the style sheet said of each element, and forgets what only the page needs. */
function resolve(source: Element, copy: Element): void {
  const children = Array.from(source.children);
  Array.from(copy.children).forEach((child, index) => {
    const original = children[index]!;
    if (getComputedStyle(original).display === 'none' && original.closest('defs') === null) child.remove();
    else resolve(original, child);
  });
  const style = getComputedStyle(source);
  const { tagName } = source;
  for (const { name } of Array.from(copy.attributes))
    if (/^(class|style|tabindex|role|hidden|data-|aria-|on)/.test(name)) copy.removeAttribute(name);
  for (const name of ['fill', 'stroke'] as const) {
    const value = style.getPropertyValue(name);
    if (value === 'none' || value.startsWith('url(')) copy.setAttribute(name, value.replaceAll('"', ''));
    else {
      const paint = paintOf(value);
      copy.setAttribute(name, paint.colour);
      const own = Number(style.getPropertyValue(`${name}-opacity`));
      if (paint.opacity < 1) copy.setAttribute(`${name}-opacity`, String(paint.opacity * own));
    }
  }
  const writing = tagName === 'text' || tagName === 'tspan';
  for (const [name, usual] of Object.entries(writing ? { ...shapeStyles, ...textStyles } : shapeStyles)) {
    const value = style.getPropertyValue(name);
    if (value !== '' && value !== usual && !copy.hasAttribute(name)) copy.setAttribute(name, value);
  }
  if (writing) copy.setAttribute('font-family', fontFamily(style.fontFamily));
}
