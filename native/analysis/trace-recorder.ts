/** Collects what a trace keeps of a run's attention, in the trace's own layout and precision. */
import { storeHalves } from '../../trace/half.ts';
import { massGroups } from '../../trace/schema.ts';
import { bytesOf, type TraceTensors } from '../../trace/writer.ts';
import type { RowAttention } from '../engine/engine.ts';
import { type AttentionSummary, AnswerSum } from './answer-attention.ts';
import type { VisualTokens } from '../methods/visual-tokens.ts';

export interface RecordedShape {
  readonly visionLayers: number;
  readonly visionHeads: number;
  readonly patches: number;
  readonly layers: number;
  readonly heads: number;
  readonly visualTokens: number;
  /** Patches that the vision tower sees at once, where it sees the image in tiles. */
  readonly tilePatches?: number;
}

/** One query of the decoder: everything that a trace keeps of a row. */
interface RecordedRow {
  /** [layers, heads, visual tokens], half precision */
  readonly toImage: Uint16Array;
  /** [layers, columns], half precision; one column for every text token known when the row ran */
  readonly toText: Uint16Array;
  readonly columns: number;
  /** [layers, heads, groups] */
  readonly mass: Float32Array;
}

/** Where a row looked, before rounding: [layers, patches], mean over heads. */
type RowMeans = Float32Array;

/** Sums are taken in another order by whoever checks them. */
export const summationSlack = 1e-6;
const groups = massGroups.length;
const imageGroup = massGroups.indexOf('image');

export class TraceRecorder {
  private readonly clsAttention: Uint16Array;
  private readonly clsSelfAttention: Float32Array;
  private rollout: Float32Array | undefined;
  private readonly rows: RecordedRow[] = [];
  private largestMiss = 0;
  private readonly answer: AnswerSum;
  /** Of the last row that finished; whether it belongs to the answer is known when the next one finishes, or at the end. */
  private lastMeans: RowMeans | undefined;

  constructor(private readonly shape: RecordedShape) {
    this.clsAttention = new Uint16Array(shape.visionLayers * shape.visionHeads * shape.patches);
    this.clsSelfAttention = new Float32Array(shape.visionLayers * shape.visionHeads);
    this.answer = new AnswerSum(shape.layers, shape.patches);
  }

  /** @param cls [heads, 1 + tokens]; @param tokens as they entered the layer */
  addVisionLayer(layer: number, cls: Float32Array, tokens: VisualTokens): void {
    const { visionHeads, patches } = this.shape;
    for (let head = 0; head < visionHeads; head++) {
      const start = head * (tokens.count + 1);
      const place = layer * visionHeads + head;
      const row = this.clsAttention.subarray(place * patches, (place + 1) * patches);
      const sum = storeHalves(tokens.spread(cls.subarray(start + 1, start + 1 + tokens.count)), row);
      this.clsSelfAttention[place] = cls[start]!;
      this.noteSum(sum + cls[start]!);
    }
  }

  /** One tile of a larger image: each has a CLS of its own, so attention is the mean over tiles. @param cls [heads, 1 + tokens] */
  addVisionTile(layer: number, tile: number, tiles: number, cls: Float32Array): void {
    const { visionHeads, patches } = this.shape;
    const side = Math.sqrt(patches);
    const inner = side / tiles;
    const [top, left] = [Math.floor(tile / tiles) * inner, (tile % tiles) * inner];
    const share = 1 / tiles ** 2;
    for (let head = 0; head < visionHeads; head++) {
      const start = head * (inner * inner + 1);
      const place = layer * visionHeads + head;
      const row = cls.subarray(start + 1, start + 1 + inner * inner).map(value => value * share);
      const halves = new Uint16Array(row.length);
      storeHalves(row, halves);
      for (let y = 0; y < inner; y++) {
        const target = place * patches + (top + y) * side + left;
        this.clsAttention.set(halves.subarray(y * inner, (y + 1) * inner), target);
      }
      this.clsSelfAttention[place]! += cls[start]! * share;
    }
  }

  /** @param rollout [layers, patches]; there is none where patches merged */
  addRollout(rollout: Float32Array): void {
    this.rollout = rollout;
  }

  /** Room for the rows of one decoder step. @param columns text tokens so far */
  startRows(count: number, columns: number): RowWriter {
    const { layers, heads, visualTokens } = this.shape;
    const rows = Array.from({ length: count }, () => ({
      toImage: new Uint16Array(layers * heads * visualTokens),
      toText: new Uint16Array(layers * columns),
      columns,
      mass: new Float32Array(layers * heads * groups),
    }));
    // The last row of a step predicts a token of the answer, or its end.
    const means = new Float32Array(layers * this.shape.patches);
    return {
      addLayer: (layer, attention, keys) => {
        rows.forEach((row, index) => {
          this.addLayer(row, layer, keys.queries[index]!, attention, keys);
        });
        this.addMeans(means, layer, attention, keys);
      },
      finish: () => {
        this.rows.push(...rows);
        if (this.lastMeans) this.answer.add(this.lastMeans);
        this.lastMeans = means;
      },
    };
  }

  private addMeans(
    means: RowMeans,
    layer: number,
    { meanOverHeads }: RowAttention,
    { queries, queryCount, tokens, leading, firstVisual }: RecordedKeys,
  ): void {
    const { patches } = this.shape;
    const query = queries[queries.length - 1] ?? 0;
    const first = (query * meanOverHeads.length) / queryCount + firstVisual + leading;
    const toTokens = meanOverHeads.subarray(first, first + tokens.count);
    means.set(tokens.spread(toTokens), layer * patches);
  }

  /** Where the answer looked. @param ended whether its last row predicted the end. Call once, after the last row. */
  summarizeAnswer(ended: boolean): AttentionSummary | undefined {
    if (!ended && this.lastMeans) this.answer.add(this.lastMeans);
    return this.answer.summary();
  }

  private addLayer(
    row: RecordedRow,
    layer: number,
    query: number,
    { toVisual, meanOverHeads, mass }: RowAttention,
    { queryCount, tokens, leading, textColumns }: RecordedKeys,
  ): void {
    const { heads, visualTokens } = this.shape;
    const visual = leading + tokens.count;
    let imageShare = 0;
    for (let head = 0; head < heads; head++) {
      const from = head * queryCount + query;
      const place = (layer * heads + head) * visualTokens;
      const toTokens = toVisual.subarray(from * visual, (from + 1) * visual);
      const toImage = storeHalves(
        tokens.whole ? toTokens : tokens.spread(toTokens),
        row.toImage.subarray(place, place + visualTokens),
      );
      const masses = mass.subarray(from * groups, (from + 1) * groups);
      row.mass.set(masses, (layer * heads + head) * groups);
      let rest = 0;
      for (let group = 0; group < groups; group++) if (group !== imageGroup) rest += masses[group]!;
      this.noteSum(rest + masses[imageGroup]!);
      this.noteSum(rest + toImage);
      imageShare += masses[imageGroup]! / heads;
    }
    const keys = meanOverHeads.length / queryCount;
    const toText = new Float32Array(textColumns.length);
    for (let column = 0; column < toText.length; column++)
      toText[column] = meanOverHeads[query * keys + textColumns[column]!]!;
    const columns = row.toText.subarray(layer * row.columns, (layer + 1) * row.columns);
    this.noteSum(storeHalves(toText, columns) + imageShare);
  }

  private noteSum(sum: number): void {
    this.largestMiss = Math.max(this.largestMiss, Math.abs(sum - 1));
  }

  /** The largest amount by which a recorded row of probabilities misses 1. */
  get sumTolerance(): number {
    return this.largestMiss + summationSlack;
  }

  /** Attention of all finished rows, for a run of `tokens` text tokens. */
  tensors(tokens: number): TraceTensors {
    const { visionLayers, visionHeads, patches, layers, heads, visualTokens } = this.shape;
    const rows = this.rows.length;
    const toImage = new Uint16Array(rows * layers * heads * visualTokens);
    const toText = new Uint16Array(rows * layers * tokens);
    const mass = new Float32Array(rows * layers * heads * groups);
    this.rows.forEach((row, index) => {
      toImage.set(row.toImage, index * row.toImage.length);
      mass.set(row.mass, index * row.mass.length);
      for (let layer = 0; layer < layers; layer++) {
        const columns = row.toText.subarray(layer * row.columns, (layer + 1) * row.columns);
        toText.set(columns, (index * layers + layer) * tokens);
      }
    });
    return {
      'vision.cls_attention': {
        dtype: 'F16',
        shape: [visionLayers, visionHeads, patches],
        data: bytesOf(this.clsAttention),
      },
      'vision.cls_self_attention': {
        dtype: 'F32',
        shape: [visionLayers, visionHeads],
        data: bytesOf(this.clsSelfAttention),
      },
      ...(this.rollout && {
        'vision.rollout': { dtype: 'F32', shape: [visionLayers, patches], data: bytesOf(this.rollout) },
      }),
      'decoder.attention_to_image': {
        dtype: 'F16',
        shape: [rows, layers, heads, visualTokens],
        data: bytesOf(toImage),
      },
      'decoder.attention_to_text': { dtype: 'F16', shape: [rows, layers, tokens], data: bytesOf(toText) },
      'decoder.attention_mass': { dtype: 'F32', shape: [rows, layers, heads, groups], data: bytesOf(mass) },
    };
  }
}

/** Rows of one step, layer by layer; they count only once finished, so that an interrupted step leaves none. */
export interface RowWriter {
  addLayer(layer: number, attention: RowAttention, keys: RecordedKeys): void;
  finish(): void;
}

/** Which of an engine's rows and columns are what. */
export interface RecordedKeys {
  /** Index among the rows asked for of each row that is recorded. */
  readonly queries: ArrayLike<number>;
  /** Rows asked for. */
  readonly queryCount: number;
  readonly tokens: VisualTokens;
  /** Visual tokens before the first patch. */
  readonly leading: number;
  /** Key of the first visual token. */
  readonly firstVisual: number;
  /** Key of each text token so far. */
  readonly textColumns: Int32Array;
}

/** Bytes of the attention of the decoder in a trace of this many rows. */
export function attentionBytes({ layers, heads, visualTokens }: RecordedShape, rows: number): number {
  return rows * (layers * heads * (visualTokens * 2 + groups * 4) + layers * rows * 2);
}

/** Bytes that recording takes in memory for this many rows; the copy into one tensor, and that for rollout, included. */
export function recordingBytes(shape: RecordedShape, rows: number): number {
  return (
    2 * (attentionBytes(shape, rows) + (shape.tilePatches ? 0 : shape.visionLayers * (shape.patches + 1) ** 2 * 4))
  );
}
