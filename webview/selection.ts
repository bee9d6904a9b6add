/** What is chosen, shared by every view and kept when the view, the window or the editor changes. */

/** One head, or how the heads are put together. */
export type HeadChoice = number | 'mean' | 'max';
export type Tower = 'decoder' | 'vision';

/** Layers `first` to `last`, both included; with more than one, how they are put together. */
export interface LayerChoice {
  readonly first: number;
  readonly last: number;
  readonly over: 'mean' | 'max';
}

/** A d3 zoom transform in pixels of the image region. */
export interface Zoom {
  readonly k: number;
  readonly x: number;
  readonly y: number;
}

export interface Selection {
  readonly view: string;
  /** Index into `metadata.tokens`. */
  readonly token: number;
  readonly tokenLocked: boolean;
  /** Which query of a generated token is shown: the one that predicted it, or its own. */
  readonly row: 'predicts' | 'own';
  readonly tower: Tower;
  readonly layers: LayerChoice;
  readonly head: HeadChoice;
  readonly visionLayer: number;
  readonly visionHead: HeadChoice | 'rollout';
  /** Stage of the token method whose outcome is shown; -1 is before the first. */
  readonly stage: number;
  /** What of the high-resolution tokens lies over the image: which were selected, or where attention went. */
  readonly detail: 'selected' | 'read';
  /** What the layer × step matrix shows in colour: the overlap with another selection, or how many tokens. */
  readonly compared: 'step' | 'layer' | 'tokens';
  /** Which frame of a long visual input is drawn; null: the one with most attention. */
  readonly frame: number | null;
  /** What the matrix of a long visual input shows: words by frames, heads by frames, or how much words changed by layers. */
  readonly reading: 'words' | 'heads' | 'change';
  /** Locked patch, row-major index into the grid. */
  readonly patch: number | null;
  readonly scale: 'absolute' | 'own';
  /** Upper end of a scale that is kept while token and layer change, probability. */
  readonly keptMaximum: number | null;
  /** Strength of the overlay, 0 to 1. */
  readonly opacity: number;
  readonly smooth: boolean;
  /** Leave out what goes to <s> and the template's text. */
  readonly hideText: boolean;
  readonly hideOutliers: boolean;
  readonly zoom: Zoom;
}

/** What the pointer or the keyboard is on; never stored. */
export interface Hover {
  readonly token: number | null;
  readonly patch: number | null;
  readonly layer: { readonly tower: Tower; readonly layer: number } | null;
  readonly head: number | null;
  readonly stage: number | null;
  readonly frame: number | null;
}

export const nothingHovered: Hover = { token: null, patch: null, layer: null, head: null, stage: null, frame: null };
export const noZoom: Zoom = { k: 1, x: 0, y: 0 };

export const initialSelection: Selection = {
  view: 'attention',
  token: 0,
  tokenLocked: false,
  row: 'predicts',
  tower: 'decoder',
  layers: { first: 0, last: 0, over: 'mean' },
  head: 'mean',
  visionLayer: 0,
  visionHead: 'mean',
  stage: -1,
  detail: 'selected',
  compared: 'step',
  frame: null,
  reading: 'words',
  patch: null,
  scale: 'own',
  keptMaximum: null,
  opacity: 1,
  smooth: false,
  hideText: false,
  hideOutliers: false,
  zoom: noZoom,
};

/** What is drawn: the selection with what is hovered on top of it, except where it is locked. */
export interface Focus {
  readonly token: number;
  /** Whether the token is hovered or locked, rather than the one last chosen. */
  readonly tokenPointed: boolean;
  readonly row: 'predicts' | 'own';
  readonly tower: Tower;
  readonly layers: LayerChoice;
  readonly head: HeadChoice;
  readonly visionLayer: number;
  readonly visionHead: HeadChoice | 'rollout';
  /** Hovered or locked patch. */
  readonly patch: number | null;
  /** The head map under the pointer. */
  readonly pointed: { readonly layer: number; readonly head: number } | null;
}

export function focusOf(selection: Selection, hover: Hover): Focus {
  const { layer } = hover;
  const decoderLayer = layer?.tower === 'decoder' ? layer.layer : undefined;
  return {
    token: selection.tokenLocked ? selection.token : (hover.token ?? selection.token),
    tokenPointed: selection.tokenLocked || hover.token !== null,
    row: selection.row,
    tower: layer?.tower ?? selection.tower,
    layers: decoderLayer === undefined ? selection.layers : { first: decoderLayer, last: decoderLayer, over: 'mean' },
    head: selection.head,
    visionLayer: layer?.tower === 'vision' ? layer.layer : selection.visionLayer,
    visionHead: selection.visionHead,
    patch: selection.patch ?? hover.patch,
    pointed: decoderLayer === undefined || hover.head === null ? null : { layer: decoderLayer, head: hover.head },
  };
}

/** An immutable value and those who follow it. */
export class Store<T extends object> {
  private readonly listeners = new Set<(value: T, before: T) => void>();

  constructor(private value: T) {}

  get(): T {
    return this.value;
  }

  set(change: Partial<T>): void {
    const before = this.value;
    const entries = Object.entries(change) as [keyof T, T[keyof T]][];
    if (entries.every(([key, next]) => Object.is(before[key], next))) return;
    this.value = { ...before, ...change };
    for (const listener of this.listeners) listener(this.value, before);
  }

  /** @returns the end of the subscription */
  subscribe(listener: (value: T, before: T) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}
