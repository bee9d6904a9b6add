/** Runs that read high-resolution tokens, of any size, with numbers at random: for what the bundled model does not give. */
import { highResolutionGroups, selectedTokens, type HighResolution } from '../../trace/high-resolution.ts';
import { toHalf } from '../../trace/half.ts';
import type { TensorName } from '../../trace/schema.ts';
import { bytesOf, type TraceTensor } from '../../trace/writer.ts';

interface Size {
  readonly steps: number;
  readonly heads: number;
  readonly patches: number;
}

/** Layers 1 to the last attend; each selects for the next. */
export function describedSelection(layers: number, change: Partial<HighResolution> = {}): HighResolution {
  return {
    variant: 'code',
    source: 'attention',
    rule: { kind: 'count', count: 20 },
    pooling: 'none',
    rows: 'last',
    map: 'joint',
    rotary: 'fractional',
    grid: { rows: 72, columns: 72 },
    cells: { rows: 24, columns: 24 },
    tiles: { rows: 3, columns: 3, side: 336 },
    crop: { x: 0, y: 0, width: 1008, height: 1008 },
    margin: { rows: 0, columns: 0 },
    layers: Array.from({ length: layers }, (_, layer) => layer),
    attending: Array.from({ length: layers - 1 }, (_, layer) => layer + 1),
    weights: { kind: 'bundled', source: 'synthetic.safetensors' },
    ms: { encode: 1500, project: 1700, reprojectStep: 30 },
    cacheBytes: 1_000_000,
    meanSelected: 180,
    notes: ['A note of the run.'],
    ...change,
  };
}

function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Cells drift from step to step and layer to layer, so that every overlap is another one. */
export function selectionTensors(
  described: HighResolution,
  { steps, heads, patches }: Size,
): Partial<Record<TensorName, TraceTensor>> {
  const random = randomNumbers(11);
  const { layers, attending, grid, cells } = described;
  const [tokens, cellCount] = [grid.rows * grid.columns, cells.rows * cells.columns];
  const groups = highResolutionGroups.length;
  const all = steps * layers.length;
  const attention = new Float32Array(all * patches).map(() => random() * 0.01);
  const range = new Float32Array(all * 2);
  const normalised = new Float32Array(all * patches);
  const binarised = new Uint8Array(all * patches);
  const chosen = new Uint8Array(all * cellCount);
  const selected = new Int32Array(all);
  const mass = new Float32Array(all * heads * groups);
  const read = new Uint16Array(all * tokens);
  const change = new Float32Array(all);
  for (let index = 0; index < all; index++) {
    const [step, layer] = [Math.floor(index / layers.length), layers[index % layers.length]!];
    const row = attention.subarray(index * patches, (index + 1) * patches);
    const [least, most] = [row.reduce((a, b) => Math.min(a, b)), row.reduce((a, b) => Math.max(a, b))];
    range.set([least, most], index * 2);
    normalised.set(
      row.map(value => (value - least) / (most - least)),
      index * patches,
    );
    const order = Array.from(row.keys()).sort((a, b) => row[b]! - row[a]!);
    for (const patch of order.slice(0, 20)) binarised[index * patches + patch] = 1;
    const own = chosen.subarray(index * cellCount, (index + 1) * cellCount);
    for (let i = 0; i < 20; i++) own[(step * 3 + layer * 5 + i * (1 + (i % 3))) % cellCount] = 1;
    const mask = selectedTokens(own, described);
    selected[index] = mask.reduce((sum, one) => sum + one, 0);
    const reads = attending.includes(layer);
    const share = reads ? 0.02 + 0.3 * random() : 0;
    for (let head = 0; head < heads; head++) {
      const rest = Array.from({ length: groups - 1 }, () => random());
      const sum = rest.reduce((a, b) => a + b);
      mass.set([share, ...rest.map(one => (one / sum) * (1 - share))], (index * heads + head) * groups);
    }
    if (!reads) continue;
    change[index] = share * 2;
    const before = chosen.subarray((index - 1) * cellCount, index * cellCount);
    const readable = selectedTokens(before, described);
    const count = readable.reduce((total, one) => total + one, 0);
    read.set(
      toHalf(Float32Array.from(readable, (one, token) => (one * share * (0.5 + (token % 2))) / count)),
      index * tokens,
    );
  }
  const floats = (data: Float32Array, ...shape: number[]): TraceTensor => ({
    dtype: 'F32',
    shape,
    data: bytesOf(data),
  });
  const flags = (data: Uint8Array, ...shape: number[]): TraceTensor => ({ dtype: 'U8', shape, data });
  const depth = layers.length;
  return {
    'high_resolution.attention': floats(attention, steps, depth, patches),
    'high_resolution.range': floats(range, steps, depth, 2),
    'high_resolution.normalised': floats(normalised, steps, depth, patches),
    'high_resolution.binarised': flags(binarised, steps, depth, patches),
    'high_resolution.cells': flags(chosen, steps, depth, cellCount),
    'high_resolution.selected': { dtype: 'I32', shape: [steps, depth], data: bytesOf(selected) },
    'high_resolution.mass': floats(mass, steps, depth, heads, groups),
    'high_resolution.token_attention': { dtype: 'F16', shape: [steps, depth, tokens], data: bytesOf(read) },
    'high_resolution.change': floats(change, steps, depth),
  };
}
