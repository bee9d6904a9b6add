/** What is to be computed: sizes with their inputs, from noise, a preset of the paper, or the user's images. */
import type { TrafficWorkload } from '../../trace/traffic/metadata.ts';
import { type Preset, type PresetCluster, presetRanks, presets } from '../../trace/traffic/presets.ts';
import { peakBytes } from '../../trace/traffic/residency.ts';
import type { Algorithm, AttentionShape, ElementType, Pass, Sharding } from '../../trace/traffic/schedule.ts';
import { buildSchedule } from '../../trace/traffic/schedules/build-schedule.ts';
import { type Sizes, splitEvenly } from '../../trace/traffic/sizes.ts';
import type { TrafficContent } from '../../trace/traffic/writer.ts';
import { availableMemory, requireMemory } from '../analysis/memory.ts';
import { FoveaError } from '../errors.ts';
import { noiseInputs } from './noise.ts';
import type { RankInputs } from './protocol.ts';

export interface Workload {
  readonly description: TrafficWorkload;
  /** Per rank; the same at every call. */
  readonly inputs: (sizes: Sizes, pass: Pass) => RankInputs[];
  readonly visible?: Int32Array | undefined;
  readonly tensors?: TrafficContent['tensors'];
}

export function sizesWorkload(
  shape: AttentionShape,
  sharding: Sharding,
  element: ElementType,
  seed: number,
  about: Partial<TrafficWorkload> = {},
): Workload {
  const total = (rows: readonly number[]): number => rows.reduce((sum, count) => sum + count, 0);
  const description: TrafficWorkload = {
    name: `${total(sharding.queryRows)} queries × ${total(sharding.keyRows)} keys`,
    source: 'sizes',
    description: `Normal noise from seed ${seed}`,
    shape,
    sharding,
    element,
    layers: 1,
    mask: 'none',
    seed,
    ...about,
  };
  return { description, inputs: (sizes, pass) => noiseInputs(sizes, pass, seed) };
}

export interface PresetChoice {
  readonly preset: Preset;
  readonly cluster: PresetCluster;
  /** Row of the table, from 0. */
  readonly size: number;
}

/** @param name as "llama3-v", "llama3-v:a30" or "llama3-v:a100:2", the last being the table's row from 1; @throws FoveaError `usage` */
export function findPreset(name: string): PresetChoice {
  const [model = '', cluster = 'a100', row = '1'] = name.toLowerCase().split(':');
  const preset = presets.find(candidate => candidate.name === model);
  if (!preset) {
    const names = presets.map(candidate => candidate.name).join(', ');
    throw new FoveaError(
      'usage',
      `There is no preset "${name}".`,
      `Presets: ${names}; then :a100 or :a30, then :1 to :3.`,
    );
  }
  const size = Number(row) - 1;
  if (!(cluster in presetRanks) || preset.sizes[cluster as PresetCluster][size] === undefined) {
    throw new FoveaError('usage', `The preset "${name}" has no such table row.`, 'For example: llama3-v:a30:2');
  }
  return { preset, cluster: cluster as PresetCluster, size };
}

/** @param scale divides text and visual tokens */
export function presetWorkload(
  { preset, cluster, size }: PresetChoice,
  ranks: number,
  element: ElementType,
  seed: number,
  scale: number,
): Workload {
  const { label, queries, keys } = preset.sizes[cluster][size]!;
  const sharding = {
    queryRows: splitEvenly(Math.max(1, Math.round(queries / scale)), ranks),
    keyRows: splitEvenly(Math.max(1, Math.round(keys / scale)), ranks),
  };
  const scaled = scale === 1 ? '' : `, tokens divided by ${scale}`;
  return sizesWorkload(preset.shape, sharding, element, seed, {
    name: `${preset.title}, ${label}${scaled}`,
    source: 'preset',
    description: `Sizes of LV-XAttn's table ${cluster === 'a100' ? 3 : 4}, row ${size + 1}; normal noise from seed ${seed}`,
    layers: preset.layers,
    ...(scale !== 1 && { scaledBy: scale }),
    ...(preset.unverified.length > 0 && { unverified: preset.unverified }),
  });
}

/** Bytes that embedded ranks need together: inputs here and there, and what each holds at most. */
export function embeddedMemory(algorithm: Algorithm, pass: Pass, sizes: Sizes): number {
  const { shape, sharding } = sizes;
  const inFloats: Sizes = { ...sizes, wire: { ...sizes.wire, element: 'F32' } };
  const { programs } = buildSchedule(algorithm, pass, inFloats);
  const held = programs.reduce((sum, program) => sum + peakBytes(program, inFloats, pass === 'backward').total, 0);
  const queries = sharding.queryRows.reduce((sum, rows) => sum + rows, 0) * shape.queryHeads;
  const keys = sharding.keyRows.reduce((sum, rows) => sum + rows, 0) * shape.keyValueHeads;
  const inputs = 4 * shape.headSize * (queries * (pass === 'backward' ? 2 : 1) + 2 * keys);
  return held + inputs;
}

/** @throws FoveaError `out-of-memory` */
export function requireEmbeddedMemory(algorithm: Algorithm, pass: Pass, sizes: Sizes): void {
  try {
    requireMemory(embeddedMemory(algorithm, pass, sizes), availableMemory(), 'Running these sizes here');
  } catch (error) {
    if (!(error instanceof FoveaError)) throw error;
    throw new FoveaError(
      error.code,
      error.message,
      'Choose smaller sizes, --scale auto for a preset, or --plan to predict only.',
    );
  }
}

/** The smallest power of two by which tokens have to be divided so that the run fits and ends in reasonable time. */
export function fittingScale(
  choice: PresetChoice,
  ranks: number,
  element: ElementType,
  fits: (workload: Workload) => boolean,
): number {
  let scale = 1;
  while (scale < 2 ** 20 && !fits(presetWorkload(choice, ranks, element, 0, scale))) scale *= 2;
  return scale;
}
