/** Draws the panel for a moment as it would look in another theme; the screen never shows it. */

import type { FigureTheme } from '../messages.ts';

const schemes = ['vscode-dark', 'vscode-light', 'vscode-high-contrast', 'vscode-high-contrast-light'];

/**
 * Without waiting in between, so that the browser paints nothing of it.
 * @param draw draws all regions in the theme that the page's classes name
 * @param collect reads what was drawn
 */
export function inTheme<Result>(theme: FigureTheme, draw: (forFigure: boolean) => void, collect: () => Result): Result {
  const { body } = document;
  const before = body.className;
  const wanted = theme === 'shown' ? before : lightClasses(before);
  try {
    // Regions draw again what depends on something that changed, and every drawing depends on the scheme.
    body.className = opposite(wanted);
    draw(true);
    body.className = `${wanted} fovea-figure vscode-reduce-motion`;
    draw(true);
    return collect();
  } finally {
    body.className = opposite(before);
    draw(false);
    body.className = before;
    draw(false);
  }
}

const without = (classes: string, names: readonly string[]): string =>
  classes
    .split(/\s+/)
    .filter(name => !names.includes(name))
    .join(' ');

const lightClasses = (classes: string): string => `${without(classes, schemes)} vscode-light fovea-light`;

function opposite(classes: string): string {
  const light = /\bvscode-(high-contrast-)?light\b/.test(classes);
  return `${without(classes, schemes)} ${light ? 'vscode-dark' : 'vscode-light'}`;
}
