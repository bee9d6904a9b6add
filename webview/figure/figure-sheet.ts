/** Puts what was drawn, its scale and its caption on one sheet. */
import { overlayAlpha } from '../colour/colour-map.ts';
import type { Theme } from '../colour/theme.ts';
import { context2d } from '../element.ts';
import { tick } from '../format.ts';
import type { PageDrawing } from './page-drawing.ts';
import { paintOf } from './paint-colour.ts';
import { svgNode } from './svg-node.ts';
import { fontFamily } from './text-runs.ts';

/** The colour scale under a figure. */
export interface FigureScale {
  /** Upper end; null when each map has its own, which is printed with it. */
  readonly maximum: number | null;
  readonly unit: string;
  /** Strength of the overlay, 0 to 1, where the colours lie over a picture; undefined where they are opaque. */
  readonly overlay?: number;
}

export interface Sheet {
  readonly title: string;
  readonly caption: string;
  readonly drawing: PageDrawing;
  readonly scale: FigureScale | undefined;
  readonly theme: Theme;
}

export interface FinishedSheet {
  readonly svg: string;
  /** CSS pixels of the view box. */
  readonly width: number;
  readonly height: number;
  readonly printedMillimetres: number;
}

const margin = 8;
const lineHeight = 15;
const captionSize = 11;
const leastWidth = 340;
/** As wide as the text of a page; smaller figures keep their size on the screen. */
const widestPrint = 180;
const millimetresPerPixel = 25.4 / 96;

export function composeSheet({ title, caption, drawing, scale, theme }: Sheet): FinishedSheet {
  const { left, top, right, bottom } = drawing.bounds;
  const [wide, high] = [right - left, bottom - top];
  const inner = Math.max(leastWidth, wide);
  const body = getComputedStyle(document.body);
  const [ink, dim, ground] = [body.color, theme.colour('--fovea-dim'), theme.colour('--vscode-editor-background')].map(
    colour => paintOf(colour).colour,
  ) as [string, string, string];
  const family = fontFamily(body.fontFamily);
  const content = svgNode('g', { transform: `translate(${margin - left} ${margin - top})` }, drawing.content);
  let y = margin + high + 12;
  const parts: SVGElement[] = [content];
  if (scale) {
    parts.push(svgNode('g', { transform: `translate(${margin} ${y})` }, ...scaleBar(scale, theme, ink)));
    y += 34;
  }
  const lines = wrap(`${title}. ${caption}`, inner, family);
  lines.forEach((line, index) => {
    const attributes = { x: margin, y: y + captionSize + index * lineHeight, 'font-size': captionSize, fill: dim };
    const bold = index === 0 && line.startsWith(`${title}.`);
    const rest = bold ? line.slice(title.length + 1) : line;
    const heading = svgNode('tspan', { 'font-weight': '600', fill: ink }, `${title}.`);
    parts.push(svgNode('text', attributes, ...(bold ? [heading, rest] : [rest])));
  });
  y += lines.length * lineHeight + margin;
  const width = inner + 2 * margin;
  const printed = Math.min(widestPrint, width * millimetresPerPixel);
  const svg = svgNode(
    'svg',
    {
      width: `${printed.toFixed(2)}mm`,
      height: `${((printed * y) / width).toFixed(2)}mm`,
      viewBox: `0 0 ${width.toFixed(2)} ${y.toFixed(2)}`,
      'font-family': family,
    },
    svgNode('title', {}, title),
    svgNode('desc', {}, caption),
    svgNode('rect', { width, height: y, fill: ground }),
    ...parts,
  );
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(svg)}\n`;
  return { svg: text.replace(noXml, '\ufffd'), width, height: y, printedMillimetres: printed };
}

/** Characters that XML has no place for, and those that would turn the direction of what follows. */
const noXml = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/gu;

const barWidth = 200;
const barHeight = 10;
const barSteps = 50;

function scaleBar({ maximum, unit, overlay }: FigureScale, theme: Theme, ink: string): SVGElement[] {
  const step = barWidth / barSteps;
  const bars: SVGElement[] = [];
  // A translucent colour depends on what is below: over a dark ground and over a light one.
  if (overlay !== undefined) {
    const [dark, light] = theme.scheme === 'light' ? ['#999999', '#dddddd'] : ['#777777', '#bbbbbb'];
    bars.push(svgNode('rect', { width: barWidth, height: barHeight / 2, fill: dark }));
    bars.push(svgNode('rect', { y: barHeight / 2, width: barWidth, height: barHeight / 2, fill: light }));
  }
  for (let i = 0; i < barSteps; i++) {
    const t = i / (barSteps - 1);
    const at = Math.round(t * 255) * 3;
    const [red, green, blue] = theme.colours.subarray(at, at + 3);
    const opacity = overlay === undefined ? undefined : Math.round(overlayAlpha(t) * overlay * 1000) / 1000;
    bars.push(
      svgNode('rect', {
        x: i * step,
        // Neighbours overlap, so that no hairline shows between them; translucent ones would show it double.
        width: opacity === undefined && i < barSteps - 1 ? step + 0.5 : step,
        height: barHeight,
        fill: paintOf(`rgb(${red} ${green} ${blue})`).colour,
        'fill-opacity': opacity,
      }),
    );
  }
  const label = (x: number, anchor: string, text: string): SVGElement =>
    svgNode('text', { x, y: barHeight + 12, 'font-size': captionSize, 'text-anchor': anchor, fill: ink }, text);
  const ends =
    maximum === null
      ? [label(barWidth, 'end', 'its own maximum')]
      : maximum > 0
        ? [label(barWidth / 2, 'middle', tick(maximum / 2)), label(barWidth, 'end', tick(maximum))]
        : [];
  return [
    ...bars,
    svgNode('rect', { width: barWidth, height: barHeight, fill: 'none', stroke: '#8a8a8a', 'stroke-width': 0.5 }),
    label(0, 'start', '0'),
    ...ends,
    svgNode('text', { x: barWidth + 10, y: barHeight - 1, 'font-size': captionSize, fill: ink }, unit),
  ];
}

function wrap(text: string, width: number, family: string): string[] {
  const context = context2d(document.createElement('canvas'));
  // Wider than most of the text, so that no reader's font runs over the edge.
  context.font = `${captionSize + 0.4}px ${family}`;
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    for (const piece of piecesOf(word, width, context)) {
      const longer = line === '' ? piece : `${line} ${piece}`;
      if (line !== '' && context.measureText(longer).width > width) {
        lines.push(line);
        line = piece;
      } else line = longer;
    }
  }
  return line === '' ? lines : [...lines, line];
}

/** A word that is wider than the sheet, such as a path, is broken anywhere. */
function piecesOf(word: string, width: number, context: CanvasRenderingContext2D): string[] {
  if (context.measureText(word).width <= width) return [word];
  const pieces: string[] = [];
  let piece = '';
  for (const character of word) {
    if (context.measureText(piece + character).width > width) {
      pieces.push(piece);
      piece = '';
    }
    piece += character;
  }
  return [...pieces, piece];
}
