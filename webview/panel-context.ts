import type { RunMetadata } from '../trace/schema.ts';
import type { Actions } from './actions.ts';
import type { Comparison } from './compare/comparison.ts';
import type { AttentionPages } from './attention/pages.ts';
import type { Host } from './host.ts';
import type { ShownPicture } from './image/shown-picture.ts';
import type { PanelMethod } from './messages.ts';
import type { Scene } from './scene.ts';
import type { Hover, Selection, Store } from './selection.ts';
import type { TraceSource } from './source/trace-source.ts';

/** What every region of the panel is given. */
export interface PanelContext {
  readonly metadata: RunMetadata;
  readonly source: TraceSource;
  readonly pages: AttentionPages;
  readonly selection: Store<Selection>;
  readonly hover: Store<Hover>;
  readonly actions: Actions;
  readonly host: Host;
  readonly picture: ShownPicture;
  readonly canRun: boolean;
  /** The runs next to this one. */
  readonly comparison: Comparison;
  /** The token methods of the pipeline, once somebody asked for them. */
  readonly methods: Store<KnownMethods>;
}

export interface KnownMethods {
  readonly list: readonly PanelMethod[] | null;
}

/** A part of the panel that draws scenes. */
export interface Region {
  readonly element: HTMLElement;
  draw(scene: Scene): void;
  dispose?(): void;
}
