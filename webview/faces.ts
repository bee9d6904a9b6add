import type { ChartFigure, TableData } from './charts.ts';
import type { Region } from './panel-context.ts';
import type { Scene } from './scene.ts';
import type { Tower } from './selection.ts';

/** What a view draws over the picture. */
export interface ImageOverlay {
  /** Whether the picture keeps its colours; under heat it is greyed. */
  readonly colourful: boolean;
  /** Changes when what `draw` shows does. Zoom, size and theme are watched by the picture itself. */
  key(scene: Scene): string;
  /** Sizes the canvas, clears it and draws. */
  draw(canvas: HTMLCanvasElement, scene: Scene): void;
  /** Marks over it, drawn anew for every scene. */
  mark(context: CanvasRenderingContext2D, scene: Scene): void;
  /** The patch that stands out, where none is hovered or locked. */
  extreme(scene: Scene): number | null;
  /** What is shown, its range and its extreme, in one sentence. */
  describe(scene: Scene): string;
  /** One patch in words, for screen readers and the status bar. */
  describePatch(scene: Scene, patch: number): string;
  table(scene: Scene | null): TableData;
  readonly figure: ChartFigure;
}

export interface LayerTile {
  readonly tower: Tower;
  readonly layer: number;
  /** CSS pixels, of the longer side. */
  readonly size: number;
  /** CSS pixels from it to the next: the room for a note. */
  readonly pitch: number;
  readonly chosen: boolean;
}

/** What a view shows of every layer on the depth axis. */
export interface LayerTiles {
  /** Changes when the pictures of the tiles do. */
  key(scene: Scene): string;
  paint(canvas: HTMLCanvasElement, scene: Scene, tile: LayerTile): void;
  /** The line under the layer's name; empty where there is no room. */
  note(scene: Scene, tile: LayerTile): string;
  readonly captions: {
    vision(scene: Scene): string;
    /** @param part which layers are in sight, where not all are */
    decoder(scene: Scene, part: string): string;
    /** Where there is little room. */
    short(scene: Scene): string;
    /** What the numbers under the tiles are. */
    readonly numbers: string;
  };
  table(scene: Scene, tiles: readonly LayerTile[]): TableData;
  readonly figure: ChartFigure;
}

/** What a view shows in the token strip. */
export interface StripFace {
  /** "background/ink" per token; empty for none */
  colours(scene: Scene): readonly string[];
  /** What the colours and marks mean. */
  note(scene: Scene): string;
  /** Whether a token is marked. */
  marked(scene: Scene, token: number): boolean;
  /** What stands for the visual tokens. */
  image(scene: Scene): string;
}

/** A view that fills everything below the run bar. */
export interface OpenWholeView extends Region {
  readonly keys: Readonly<Record<string, () => void>>;
  /** What is shown, for screen readers and the status bar. */
  spoken(): string;
}

/** A view of the open run: its canvas, and what it shows in the regions that no view moves. */
export interface OpenView {
  readonly canvas: Region;
  readonly legend: Region & { showReading?(what: string): void };
  readonly readout: Region;
  readonly overlay: ImageOverlay;
  readonly tiles: LayerTiles;
  readonly strip: StripFace;
  /** Keys that mean something of their own here. */
  readonly keys?: Readonly<Record<string, () => void>>;
  /** A sentence that belongs under the picture. */
  readonly caveat?: string;
}
