import { interpolateCividis, interpolateViridis } from 'd3';
import { colourTable, paintTable, type Scheme } from './colour-map.ts';

/** What the drawing code needs of VS Code's theme; everything else is in the style sheet. */
export interface Theme {
  readonly scheme: Scheme;
  readonly highContrast: boolean;
  /** [256 * 3] */
  readonly colours: Uint8ClampedArray;
  /** [256 * 4], opaque */
  readonly opaque: Uint8ClampedArray;
  /** Viridis, for attention at high resolution: [256 * 3]. */
  readonly detailColours: Uint8ClampedArray;
  /** Cividis, for overlap and other shares from 0 to 1: [256 * 3]. */
  readonly shareColours: Uint8ClampedArray;
  /** Value of a custom property of the page, e.g. `--fovea-lock`. */
  colour(property: string): string;
}

export function currentTheme(): Theme {
  const { classList } = document.body;
  const scheme: Scheme =
    classList.contains('vscode-light') || classList.contains('vscode-high-contrast-light') ? 'light' : 'dark';
  const styles = getComputedStyle(document.body);
  const colours = colourTable(scheme);
  return {
    scheme,
    highContrast: classList.contains('vscode-high-contrast') || classList.contains('vscode-high-contrast-light'),
    colours,
    opaque: paintTable(colours, () => 1),
    ...furtherTables(scheme),
    colour: property => styles.getPropertyValue(property).trim(),
  };
}

const further = new Map<Scheme, Pick<Theme, 'detailColours' | 'shareColours'>>();

function furtherTables(scheme: Scheme): Pick<Theme, 'detailColours' | 'shareColours'> {
  const known = further.get(scheme);
  if (known) return known;
  const made = {
    detailColours: colourTable(scheme, interpolateViridis),
    shareColours: colourTable(scheme, interpolateCividis),
  };
  further.set(scheme, made);
  return made;
}

/** Calls back when the user changes the theme. @returns the end of the subscription */
export function followTheme(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  observer.observe(document.body, { attributes: true, attributeFilter: ['class'] });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style'] });
  return () => {
    observer.disconnect();
  };
}
