import type { Actions } from '../actions.ts';
import type { ChartTables } from '../charts.ts';

interface Zooming {
  zoomBy(factor: number): void;
  resetZoom(): void;
}

export type KeyMeanings = Readonly<Record<string, () => void>>;

/**
 * Keys that mean the same wherever the focus is; regions take theirs first.
 * @param own what keys mean in the view that is shown @returns the end of listening
 */
export function listenToKeys(
  actions: Actions,
  tables: ChartTables,
  image: Zooming,
  saveFigure: () => void,
  own: () => KeyMeanings,
): () => void {
  const meanings: KeyMeanings = {
    ArrowLeft: () => {
      actions.moveToken(-1);
    },
    ArrowRight: () => {
      actions.moveToken(1);
    },
    '[': () => {
      actions.moveLayer(-1);
    },
    ']': () => {
      actions.moveLayer(1);
    },
    ',': () => {
      actions.moveHead(-1);
    },
    '.': () => {
      actions.moveHead(1);
    },
    Escape: () => {
      actions.unlock();
    },
    t: () => {
      tables.toggle();
    },
    s: saveFigure,
    '+': () => {
      image.zoomBy(1.5);
    },
    '-': () => {
      image.zoomBy(1 / 1.5);
    },
    '0': () => {
      image.resetZoom();
    },
  };
  const pressed = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return;
    const act = own()[event.key] ?? meanings[event.key];
    if (!act || (event.key === ' ' && presses(event.target))) return;
    event.preventDefault();
    act();
  };
  document.addEventListener('keydown', pressed);
  const endCopying = tables.listenToCopy();
  return () => {
    document.removeEventListener('keydown', pressed);
    endCopying();
  };
}

/** Controls that Space presses. */
function presses(target: EventTarget | null): boolean {
  return (
    target instanceof Element && target.closest('button, vscode-button, vscode-checkbox, [role="gridcell"]') !== null
  );
}

/** Controls that use letters and arrows themselves. */
function writes(target: EventTarget | null): boolean {
  return (
    target instanceof Element &&
    target.closest('input, vscode-dropdown, vscode-text-field, [role="radiogroup"]') !== null
  );
}
