/** Collects what a trace keeps of a run's attention, in the trace's own layout and precision. */
import { storeHalves } from '../../trace/half.ts';
import { massGroups } from '../../trace/schema.ts';
import { bytesOf, type TraceTensors } from '../../trace/writer.ts';
import type { RowAttention } from '../engine/engine.ts';
import { attentionRollout } from './rollout.ts';

export interface RecordedShape {
  readonly visionLayers: number;
  readonly visionHeads: number;
  readonly patches: number;
  readonly layers: number;
  readonly heads: number;
  readonly visualTokens: number;
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

/** Sums are taken in another order by whoever checks them. */
const summationSlack = 1e-6;
const groups = massGroups.length;
const imageGroup = massGroups.indexOf('image');

export class TraceRecorder {
  private readonly clsAttention: Uint16Array;
  private readonly clsSelfAttention: Float32Array;
  private meanAttention: Float32Array[] = [];
  private rollout: Float32Array | undefined;
  private readonly rows: RecordedRow[] = [];
  private largestMiss = 0;

  constructor(private readonly shape: RecordedShape) {
    this.clsAttention = new Uint16Array(shape.visionLayers * shape.visionHeads * shape.patches);
    this.clsSelfAttention = new Float32Array(shape.visionLayers * shape.visionHeads);
  }

  /** @param cls [heads, 1 + patches]; @param mean [1 + patches, 1 + patches] */
  addVisionLayer(layer: number, cls: Float32Array, mean: Float32Array): void {
    const { visionHeads, patches } = this.shape;
    for (let head = 0; head < visionHeads; head++) {
      const start = head * (patches + 1);
      const place = layer * visionHeads + head;
      const row = this.clsAttention.subarray(place * patches, (place + 1) * patches);
      const sum = storeHalves(cls.subarray(start + 1, start + 1 + patches), row);
      this.clsSelfAttention[place] = cls[start]!;
      this.noteSum(sum + cls[start]!);
    }
    this.meanAttention[layer] = mean;
  }

  /** Follows attention through all vision layers, after which their full maps are let go. */
  finishVision(): void {
    this.rollout = attentionRollout(this.meanAttention, this.shape.patches);
    this.meanAttention = [];
  }

  /** Room for the rows of one decoder step; `textPositions` are the sequence positions of all text tokens so far. */
  startRows(count: number, textPositions: readonly number[]): RowWriter {
    const { layers, heads, visualTokens } = this.shape;
    const columns = textPositions.length;
    const rows = Array.from({ length: count }, () => ({
      toImage: new Uint16Array(layers * heads * visualTokens),
      toText: new Uint16Array(layers * columns),
      columns,
      mass: new Float32Array(layers * heads * groups),
    }));
    return {
      addLayer: (layer, attention) => {
        rows.forEach((row, index) => {
          this.addLayer(row, layer, index, count, attention, textPositions);
        });
      },
      finish: () => {
        this.rows.push(...rows);
      },
    };
  }

  private addLayer(
    row: RecordedRow,
    layer: number,
    index: number,
    count: number,
    { toVisual, meanOverHeads, mass }: RowAttention,
    textPositions: readonly number[],
  ): void {
    const { heads, visualTokens } = this.shape;
    let imageShare = 0;
    for (let head = 0; head < heads; head++) {
      const from = head * count + index;
      const place = (layer * heads + head) * visualTokens;
      const toImage = storeHalves(
        toVisual.subarray(from * visualTokens, (from + 1) * visualTokens),
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
    const keys = meanOverHeads.length / count;
    const toText = Float32Array.from(textPositions, position => meanOverHeads[index * keys + position]!);
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
  addLayer(layer: number, attention: RowAttention): void;
  finish(): void;
}

/** Bytes of the attention of the decoder in a trace of this many rows. */
export function attentionBytes({ layers, heads, visualTokens }: RecordedShape, rows: number): number {
  return rows * (layers * heads * (visualTokens * 2 + groups * 4) + layers * rows * 2);
}

/** Bytes that recording takes in memory for this many rows; the copy into one tensor, and that for rollout, included. */
export function recordingBytes(shape: RecordedShape, rows: number): number {
  return 2 * (attentionBytes(shape, rows) + shape.visionLayers * (shape.patches + 1) ** 2 * 4);
}
