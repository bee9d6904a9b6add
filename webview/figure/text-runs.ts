import { context2d } from '../element.ts';
import { paintOf } from './paint-colour.ts';
import { svgNode } from './svg-node.ts';

/** One line of a text node as it lies on the page, in CSS pixels. */
interface Run {
  readonly text: string;
  readonly box: DOMRect;
}

const measuring = context2d(document.createElement('canvas'));

/** Names that only browsers know are left out; what other programs know stands at the end. */
export function fontFamily(computed: string): string {
  const names = computed
    .split(',')
    .map(name => name.trim())
    .filter(name => !/^(system-ui|ui-[\w-]+|-apple-system|BlinkMacSystemFont|sans-serif|monospace|serif)$/i.test(name));
  const generic = /mono|consolas|menlo|courier/i.test(computed) ? 'monospace' : 'sans-serif';
  return [...names, ...(generic === 'sans-serif' ? ['Helvetica', 'Arial'] : []), generic]
    .map(name => name.replaceAll('"', "'"))
    .join(', ');
}

/** The text of a node as `text` elements on their baselines, as wide as on the page whatever the reader's fonts. */
export function textRuns(node: Text, style: CSSStyleDeclaration, left: number, top: number): SVGElement[] {
  measuring.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const { fontBoundingBoxAscent: ascent, fontBoundingBoxDescent: descent } = measuring.measureText('x');
  const { colour, opacity } = paintOf(style.color);
  if (opacity === 0) return [];
  const rightToLeft = style.direction === 'rtl';
  return runs(node).map(({ text, box }) =>
    svgNode(
      'text',
      {
        x: (rightToLeft ? box.right : box.left) - left,
        y: box.top - top + (box.height * ascent) / (ascent + descent),
        'font-family': fontFamily(style.fontFamily),
        'font-size': parseFloat(style.fontSize),
        'font-weight': style.fontWeight === '400' ? undefined : style.fontWeight,
        'font-style': style.fontStyle === 'normal' ? undefined : style.fontStyle,
        fill: colour,
        'fill-opacity': opacity === 1 ? undefined : opacity,
        direction: rightToLeft ? 'rtl' : undefined,
        textLength: text.length > 1 ? box.width : undefined,
        lengthAdjust: text.length > 1 ? 'spacingAndGlyphs' : undefined,
      },
      style.textTransform === 'uppercase' ? text.toUpperCase() : text,
    ),
  );
}

/** Word by word, since only the page knows where it broke the lines. */
function runs(node: Text): Run[] {
  const found: Run[] = [];
  const range = document.createRange();
  let line: { start: number; end: number; top: number } | undefined;
  const close = (): void => {
    if (!line) return;
    range.setStart(node, line.start);
    range.setEnd(node, line.end);
    const box = range.getBoundingClientRect();
    const text = node.data.slice(line.start, line.end).replace(/\s+/g, ' ');
    if (box.width > 0) found.push({ text, box });
    line = undefined;
  };
  for (const word of node.data.matchAll(/\S+/g)) {
    const [start, end] = [word.index, word.index + word[0].length];
    range.setStart(node, start);
    range.setEnd(node, end);
    const { top, width } = range.getBoundingClientRect();
    if (width === 0) continue;
    if (line && Math.abs(top - line.top) < 2) line.end = end;
    else {
      close();
      line = { start, end, top };
    }
  }
  close();
  return found;
}
