/** Adds up what a trace claims to be probabilities, row by row, so that a large trace is never in memory as a whole. */
import { highResolutionGroups } from '../../trace/high-resolution.ts';
import type { TraceReader } from '../../trace/reader.ts';
import { massGroups, type TensorName, tensorNames, type TensorSpec, tensorSpecs } from '../../trace/schema.ts';
import { readFloats } from './trace-values.ts';

export interface TensorRange {
  readonly min: number;
  readonly max: number;
  /** Values that are no numbers or infinite. */
  readonly notFinite: number;
}

export interface SumCheck {
  readonly name: string;
  /** Largest amount by which a row misses its sum. */
  readonly largestMiss: number;
  readonly tolerance: number;
  readonly rows: number;
  readonly passed: boolean;
}

export interface TraceNumbers {
  readonly ranges: ReadonlyMap<TensorName, TensorRange>;
  readonly checks: readonly SumCheck[];
  /** Whether all sums hold and all values are what their unit allows. */
  readonly ok: boolean;
}

/** Of tensors that no sum is checked of, so that a large one is never in memory as a whole. */
const valuesAtOnce = 1_000_000;

/** @throws TraceError, errors of the file system */
export async function checkTrace(trace: TraceReader): Promise<TraceNumbers> {
  const tolerance = trace.metadata.attention.sumTolerance;
  const ranges = new RangeCollector();
  const checks = [
    ...(await checkVision(trace, ranges, tolerance)),
    ...(await checkDecoder(trace, ranges, tolerance)),
    ...(await checkHighResolution(trace, tolerance)),
    ...(await checkCrossAttention(trace, ranges, tolerance)),
  ];
  for (const name of presentTensors(trace)) {
    if (ranges.all.has(name)) continue;
    const [length = 0, ...rest] = trace.tensors[name]!.shape;
    const rows = Math.max(1, Math.floor(valuesAtOnce / rest.reduce((product, size) => product * size, 1)));
    for (let row = 0; row < length; row += rows) {
      ranges.add(name, await readFloats(trace, name, [[row, Math.min(length, row + rows)]]));
    }
  }
  const legal = [...ranges.all].every(([name, { min, max, notFinite }]) => {
    const spec: TensorSpec = tensorSpecs[name];
    const finite = notFinite === 0 || spec.maybeNaN === true;
    return finite && (!spec.probability || (min >= 0 && max <= 1 + tolerance));
  });
  return { ranges: ranges.all, checks, ok: legal && checks.every(check => check.passed) };
}

async function checkVision(trace: TraceReader, ranges: RangeCollector, tolerance: number): Promise<SumCheck[]> {
  const patches = await readFloats(trace, 'vision.cls_attention');
  const self = await readFloats(trace, 'vision.cls_self_attention');
  ranges.add('vision.cls_attention', patches);
  ranges.add('vision.cls_self_attention', self);
  const perRow = patches.length / self.length;
  const check = new SumCollector('CLS to all patches and itself = 1', tolerance);
  self.forEach((own, row) => {
    check.add(sum(patches, row * perRow, perRow) + own, 1);
  });
  return [check.result];
}

async function checkDecoder(trace: TraceReader, ranges: RangeCollector, tolerance: number): Promise<SumCheck[]> {
  const { layers, heads } = trace.metadata.model.decoder;
  const { count } = trace.metadata.visual;
  const tokens = trace.metadata.tokens.length;
  const groups = massGroups.length;
  const image = massGroups.indexOf('image');
  const masses = new SumCollector('groups of a row = 1', tolerance);
  const visual = new SumCollector('a row to all visual tokens = its image group', tolerance);
  const text = new SumCollector('a row to all text tokens = the other groups', tolerance);
  const rows = trace.tensors['decoder.attention_mass']?.shape[0] ?? 0;
  for (let row = 0; row < rows; row++) {
    const toImage = await readRow(trace, 'decoder.attention_to_image', row);
    const toText = await readRow(trace, 'decoder.attention_to_text', row);
    const mass = await readRow(trace, 'decoder.attention_mass', row);
    ranges.add('decoder.attention_to_image', toImage);
    ranges.add('decoder.attention_to_text', toText);
    ranges.add('decoder.attention_mass', mass);
    for (let layer = 0; layer < layers; layer++) {
      let imageShare = 0;
      for (let head = layer * heads; head < (layer + 1) * heads; head++) {
        const share = mass[head * groups + image]!;
        masses.add(sum(mass, head * groups, groups), 1);
        visual.add(sum(toImage, head * count, count), share);
        imageShare += share / heads;
      }
      text.add(sum(toText, layer * tokens, tokens) + imageShare, 1);
    }
  }
  return [masses.result, visual.result, text.result];
}

async function checkHighResolution(trace: TraceReader, tolerance: number): Promise<SumCheck[]> {
  const steps = trace.tensors['high_resolution.mass']?.shape[0] ?? 0;
  if (steps === 0) return [];
  const { heads } = trace.metadata.model.decoder;
  const groups = highResolutionGroups.length;
  const masses = new SumCollector('groups with high resolution = 1', tolerance);
  const fetched = new SumCollector('a row to all high-resolution tokens = their group', tolerance);
  for (let step = 0; step < steps; step++) {
    const mass = await readRow(trace, 'high_resolution.mass', step);
    const toTokens = await readRow(trace, 'high_resolution.token_attention', step);
    const layers = mass.length / heads / groups;
    const tokens = toTokens.length / layers;
    for (let layer = 0; layer < layers; layer++) {
      let share = 0;
      for (let head = layer * heads; head < (layer + 1) * heads; head++) {
        masses.add(sum(mass, head * groups, groups), 1);
        share += mass[head * groups]! / heads;
      }
      fetched.add(sum(toTokens, layer * tokens, tokens), share);
    }
  }
  return [masses.result, fetched.result];
}

async function checkCrossAttention(trace: TraceReader, ranges: RangeCollector, tolerance: number): Promise<SumCheck[]> {
  const { crossAttention } = trace.metadata;
  const shape = trace.tensors['cross_attention.to_tokens']?.shape;
  if (!crossAttention || !shape) return [];
  const [rows = 0, layers = 0, maps = 0, tokens = 0] = shape;
  const { heads, frames } = crossAttention;
  const whole = new SumCollector('a row to the whole long input = 1', tolerance);
  const shares = new SumCollector('shares of all frames = 1', tolerance);
  const byFrame = new SumCollector('a row to the tokens of a frame = its share', tolerance);
  const perFrame = tokens / Math.max(1, frames.length);
  for (let row = 0; row < rows; row++) {
    const toTokens = await readRow(trace, 'cross_attention.to_tokens', row);
    ranges.add('cross_attention.to_tokens', toTokens);
    for (let map = 0; map < layers * maps; map++) whole.add(sum(toTokens, map * tokens, tokens), 1);
    if (frames.length === 0 || maps !== 1) continue;
    const share = await readRow(trace, 'cross_attention.frame_share', row);
    for (let map = 0; map < layers * heads; map++) shares.add(sum(share, map * frames.length, frames.length), 1);
    for (let layer = 0; layer < layers; layer++) {
      for (let frame = 0; frame < frames.length; frame++) {
        let mean = 0;
        for (let head = 0; head < heads; head++) mean += share[(layer * heads + head) * frames.length + frame]! / heads;
        byFrame.add(sum(toTokens, layer * tokens + frame * perFrame, perFrame), mean);
      }
    }
  }
  return frames.length === 0 ? [whole.result] : [whole.result, shares.result, byFrame.result];
}

class SumCollector {
  private largestMiss = 0;
  private rows = 0;

  constructor(
    private readonly name: string,
    private readonly tolerance: number,
  ) {}

  add(actual: number, expected: number): void {
    const miss = Math.abs(actual - expected);
    if (!(miss <= this.largestMiss)) this.largestMiss = miss;
    this.rows++;
  }

  get result(): SumCheck {
    const { name, largestMiss, tolerance, rows } = this;
    return { name, largestMiss, tolerance, rows, passed: largestMiss <= tolerance };
  }
}

class RangeCollector {
  readonly all = new Map<TensorName, TensorRange>();

  add(name: TensorName, values: Float32Array): void {
    let { min, max, notFinite } = this.all.get(name) ?? { min: Infinity, max: -Infinity, notFinite: 0 };
    for (const value of values) {
      if (!Number.isFinite(value)) notFinite++;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    this.all.set(name, { min, max, notFinite });
  }
}

function sum(values: Float32Array, start: number, length: number): number {
  let total = 0;
  for (let index = start; index < start + length; index++) total += values[index]!;
  return total;
}

function readRow(trace: TraceReader, name: TensorName, row: number): Promise<Float32Array> {
  return readFloats(trace, name, [[row, row + 1]]);
}

/** Tensors that the file has, in the schema's order. */
export function presentTensors(trace: TraceReader): TensorName[] {
  return tensorNames.filter(name => trace.tensors[name] !== undefined);
}
