import type { ShownRow } from '../attention/rows.ts';
import type { Focus, HeadChoice, Hover, Selection } from '../selection.ts';
import type { ReadingSource } from './reading-source.ts';
import type { RunReadings } from './run-readings.ts';

/** A long visual input as one row read it. */
export interface CrossScene {
  readonly run: RunReadings;
  /** Among the rows that read; undefined where the shown row does not. */
  readonly row: number | undefined;
  /** Chosen layers that read, on the axis of those; empty where none does. */
  readonly places: readonly number[];
  /** The head of the maps: the chosen one where the trace keeps each, else their mean. */
  readonly head: HeadChoice;
  /** [tokens], probability; null where the row or the layer does not read, or the trace has no maps */
  readonly map: Float32Array | null;
  /** [frames], probability, of the chosen head; null as above, and where one image was read */
  readonly shares: Float32Array | null;
  /** The frame whose map is drawn; 0 where one image was read. */
  readonly frame: number;
  /** Part of `map` that belongs to that frame; all of it where one image was read. */
  readonly shown: Float32Array | null;
  /** Largest of `shown`, and where. */
  readonly maximum: number;
  readonly peak: number;
  /** Of the frames, decoded. */
  readonly pictures: readonly (CanvasImageSource | undefined)[];
  /** Changes when anything of the above does. */
  readonly key: string;
  /** The same as `shown` for one layer that reads, and one head. */
  mapOf(place: number, head: HeadChoice): Float32Array | null;
}

interface Setting {
  readonly focus: Focus;
  readonly selection: Selection;
  readonly hover: Hover;
  readonly shown: ShownRow;
}

/** Builds it, and keeps it while nothing that it depends on changes. */
export class CrossScenes {
  private last: CrossScene | null = null;

  constructor(private readonly source: ReadingSource) {}

  /** @returns null where nothing can be drawn yet, or the run holds nothing; what has to be read is added to `missing` */
  build({ focus, selection, hover, shown }: Setting, missing: Promise<unknown>[]): CrossScene | null {
    const reading = this.source.read();
    if (reading) missing.push(reading);
    const { run, pictures } = this.source;
    if (!run) return null;
    const row = run.rowOf(shown.row);
    const page = row === undefined ? null : this.source.page(row);
    if (page instanceof Promise) {
      missing.push(page);
      return null;
    }
    if (row !== undefined) this.source.readAhead(row);
    const places = run.placesIn(focus.layers);
    const head = run.headOf(focus.head, 'maps');
    const shares = row === undefined ? null : (run.shares(row, places, focus.head) ?? null);
    const frame = Math.min(hover.frame ?? selection.frame ?? indexOfLargest(shares), Math.max(0, run.frames - 1));
    const key = [row, places.join(), focus.head, frame].join(' ');
    if (this.last?.key === key && this.last.run === run) return this.last;
    const perFrame = run.tokens / Math.max(1, run.frames);
    const ofFrame = (values: Float32Array): Float32Array => values.subarray(frame * perFrame, (frame + 1) * perFrame);
    const map = page && places.length > 0 ? run.map(page, places, head) : null;
    const drawn = map && ofFrame(map);
    const peak = indexOfLargest(drawn);
    this.last = {
      run,
      row,
      places,
      head,
      map,
      shares,
      frame,
      shown: drawn,
      maximum: drawn?.[peak] ?? 0,
      peak,
      pictures,
      key,
      mapOf: (place, one) => page && ofFrame(run.map(page, [place], one)),
    };
    return this.last;
  }
}

function indexOfLargest(values: Float32Array | null): number {
  let largest = 0;
  values?.forEach((value, index) => {
    if (value > values[largest]!) largest = index;
  });
  return largest;
}

/** "row 3, column 40" of a token in its grid. */
export function tokenWords({ run }: Pick<CrossScene, 'run'>, token: number): string {
  const { columns } = run.described.grid;
  return `row ${Math.floor(token / columns)}, column ${token % columns}`;
}

/** "before D8", "mean of D5 and D8" */
export function placeWords({ run, places }: Pick<CrossScene, 'run' | 'places'>): string {
  const names = places.map(place => `D${run.described.layers[place]!}`);
  return names.length === 1 ? `before ${names[0]!}` : `mean before ${names.join(', ')}`;
}

/** Why nothing is drawn: the row, or the layer. */
export function notReading({ run, row, places }: CrossScene, layer: number): string {
  const { layers } = run.described;
  const names = layers.map(one => `D${one}`).join(', ');
  if (places.length === 0) return `Nothing is read before D${layer}; it is before ${names}.`;
  if (row === undefined) return 'This token stands before the image or was never a query: it read nothing.';
  return 'This trace holds no maps of cross-attention.';
}
