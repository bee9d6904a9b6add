const svgNamespace = 'http://www.w3.org/2000/svg';

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element of a figure. Texts arrive as text nodes, never as markup. */
export function svgNode(tag: string, attributes: Attributes = {}, ...children: readonly (Node | string)[]): SVGElement {
  const created = document.createElementNS(svgNamespace, tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) created.setAttribute(name, typeof value === 'number' ? short(value) : value);
  created.append(...children);
  return created;
}

/** Hundredths of a pixel are enough, and keep the file small. */
const short = (value: number): string => String(Math.round(value * 100) / 100);
