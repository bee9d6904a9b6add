/** Keeps what each layer selected at each step, in the trace's own layout. */
import { storeHalves } from '../../trace/half.ts';
import { highResolutionGroups } from '../../trace/high-resolution.ts';
import { bytesOf, type TraceTensors } from '../../trace/writer.ts';
import type { SelectionSteps } from '../methods/high-resolution/selection.ts';

export interface RecordedSelection {
  /** [patches], before padding is suppressed */
  readonly attention: Float32Array;
  readonly steps: SelectionSteps;
  /** High-resolution tokens selected for the next layer. */
  readonly selected: number;
  /** [heads, groups] */
  readonly mass: Float32Array;
  /** [tokens], mean over heads; absent where the layer attended to none */
  readonly tokenAttention?: Float32Array;
  readonly change: number;
}

export interface SelectionShape {
  readonly layers: number;
  readonly patches: number;
  readonly cells: number;
  readonly heads: number;
  readonly tokens: number;
}

interface StoredSelection extends Omit<RecordedSelection, 'tokenAttention'> {
  /** [tokens], half precision */
  readonly halves?: Uint16Array;
}

const groups = highResolutionGroups.length;

export class HighResolutionRecorder {
  private readonly steps: StoredSelection[][] = [];
  private current: StoredSelection[] = [];
  /** The largest amount by which a recorded row misses its group's mass. */
  largestMiss = 0;

  constructor(private readonly shape: SelectionShape) {}

  add({ tokenAttention, ...selection }: RecordedSelection): void {
    if (!tokenAttention) {
      this.current.push(selection);
      return;
    }
    const halves = new Uint16Array(tokenAttention.length);
    const stored = storeHalves(tokenAttention, halves);
    const heads = selection.mass.length / groups;
    let share = 0;
    for (let head = 0; head < heads; head++) share += selection.mass[head * groups]! / heads;
    this.largestMiss = Math.max(this.largestMiss, Math.abs(stored - share));
    this.current.push({ ...selection, halves });
  }

  /** What was added counts from here on; an interrupted step leaves nothing. */
  finishStep(): void {
    this.steps.push(this.current);
    this.current = [];
  }

  tensors(): TraceTensors {
    const { layers, patches, cells, heads, tokens } = this.shape;
    const steps = this.steps.length;
    const all = this.steps.flat();
    const floats = (size: number, of: (selection: StoredSelection) => ArrayLike<number>): Uint8Array => {
      const values = new Float32Array(all.length * size);
      all.forEach((selection, index) => {
        values.set(of(selection), index * size);
      });
      return bytesOf(values);
    };
    const flags = (size: number, of: (selection: StoredSelection) => Uint8Array): Uint8Array => {
      const values = new Uint8Array(all.length * size);
      all.forEach((selection, index) => {
        values.set(of(selection), index * size);
      });
      return values;
    };
    const halves = new Uint16Array(all.length * tokens);
    all.forEach((selection, index) => {
      if (selection.halves) halves.set(selection.halves, index * tokens);
    });
    const perPatch = [steps, layers, patches];
    return {
      'high_resolution.attention': {
        dtype: 'F32',
        shape: perPatch,
        data: floats(patches, ({ attention }) => attention),
      },
      'high_resolution.range': {
        dtype: 'F32',
        shape: [steps, layers, 2],
        data: floats(2, ({ steps: { smallest, largest } }) => [smallest, largest]),
      },
      'high_resolution.normalised': {
        dtype: 'F32',
        shape: perPatch,
        data: floats(patches, selection => selection.steps.normalised),
      },
      'high_resolution.binarised': {
        dtype: 'U8',
        shape: perPatch,
        data: flags(patches, selection => selection.steps.binarised),
      },
      'high_resolution.cells': {
        dtype: 'U8',
        shape: [steps, layers, cells],
        data: flags(cells, selection => selection.steps.cells),
      },
      'high_resolution.selected': {
        dtype: 'I32',
        shape: [steps, layers],
        data: bytesOf(Int32Array.from(all, ({ selected }) => selected)),
      },
      'high_resolution.mass': {
        dtype: 'F32',
        shape: [steps, layers, heads, groups],
        data: floats(heads * groups, ({ mass }) => mass),
      },
      'high_resolution.token_attention': { dtype: 'F16', shape: [steps, layers, tokens], data: bytesOf(halves) },
      'high_resolution.change': { dtype: 'F32', shape: [steps, layers], data: floats(1, ({ change }) => [change]) },
    };
  }
}
