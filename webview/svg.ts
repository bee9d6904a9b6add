/** An SVG element with attributes and children; text arrives as text nodes. */
export function svgElement<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number | undefined>> = {},
  ...children: readonly (Node | string)[]
): SVGElementTagNameMap[K] {
  const created = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) created.setAttribute(name, String(value));
  created.append(...children);
  return created;
}

/** A pattern of 45° lines, filled by `url(#id)`; its colour comes from the style sheet. */
export function hatchPattern(id: string, pitch: number): SVGPatternElement {
  const pattern = svgElement('pattern', {
    id,
    width: pitch,
    height: pitch,
    patternUnits: 'userSpaceOnUse',
    patternTransform: 'rotate(45)',
  });
  pattern.append(svgElement('line', { class: 'hatch-line', x1: 0, y1: 0, x2: 0, y2: pitch }));
  return pattern;
}
