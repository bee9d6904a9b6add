/** The jobs of the ranks' benchmark: presets of table 3 with the paper's tokens per rank, and small ones for a smoke test. */
import { jobSchedules, type JobVariant, type RanksJob } from '../../trace/traffic/job.ts';
import { presetRanks, presets } from '../../trace/traffic/presets.ts';
import {
  type Algorithm,
  type AttentionShape,
  type ElementType,
  passes,
  type Sharding,
} from '../../trace/traffic/schedule.ts';
import { defaultWire, splitEvenly } from '../../trace/traffic/sizes.ts';

/** Of those that every machine without Node can run: python3 -m fovea_ranks.bench. */
export const committedRanks = 2;
export const benchPresets = ['llama3-v', 'mplug-owl3-7b', 'openflamingo-9b'];
const benchRows = [1, 2, 3];

interface JobFile {
  /** As fovea_ranks/bench.py looks for it. */
  readonly name: string;
  readonly job: RanksJob;
}

/** One row of table 3 with as many text and visual tokens per rank as there, divided by `scale`. */
function presetJob(name: string, row: number, ranks: number, element: ElementType, scale: number): RanksJob {
  const preset = presets.find(known => known.name === name);
  const size = preset?.sizes.a100[row - 1];
  if (!preset || !size) throw new Error(`There is no row ${row} of a preset "${name}".`);
  const share = (tokens: number): number[] =>
    splitEvenly(Math.max(ranks, Math.round((tokens * ranks) / presetRanks.a100 / scale)), ranks);
  const sharding = { queryRows: share(size.queries), keyRows: share(size.keys) };
  const { shape, layers, unverified, title } = preset;
  return {
    workload: {
      name: `${title}, ${size.label}, ${ranks} of 16 ranks${scale === 1 ? '' : `, tokens divided by ${scale}`}`,
      source: 'preset' as const,
      description: 'Seeded normal noise',
      shape,
      sharding,
      element,
      layers,
      mask: 'none' as const,
      ...(scale !== 1 && { scaledBy: scale }),
      ...(unverified.length > 0 && { unverified }),
    },
    // The other rows answer how the ratio goes with the sizes; rivals beside the ring are compared once.
    schedules: jobSchedules({ shape, sharding }, variants(shape, ranks, element, row === 1)),
  };
}

function variants(shape: AttentionShape, ranks: number, element: ElementType, all: boolean): JobVariant[] {
  const wire = { ...defaultWire, element };
  const plain = (algorithm: Algorithm): JobVariant => ({ algorithm, wire, passes });
  const grouped = shape.queryHeads !== shape.keyValueHeads;
  const fitsUlysses = shape.queryHeads % ranks === 0 && shape.keyValueHeads % ranks === 0;
  return [
    plain('lv-xattn'),
    plain('ring'),
    ...(grouped ? [{ ...plain('ring'), wire: { ...wire, repeatKeyValueHeads: true } }] : []),
    ...(all ? [plain('all-gather'), ...(fitsUlysses ? [plain('ulysses')] : []), plain('pass-q')] : []),
  ];
}

/** Small, but with every algorithm, kernel and kind of tensor; "large" is one block of Llama 3-V's size. */
function smokeJob(kind: 'plain' | 'masked' | 'large', ranks: number): RanksJob {
  const shape = { queryHeads: 32, keyValueHeads: 8, headSize: 128 };
  const rows = kind === 'large' ? 128 : 48;
  const keys = kind === 'large' ? 153_696 : 1600;
  const sharding: Sharding = {
    queryRows: splitEvenly(rows * ranks, ranks),
    keyRows: splitEvenly(keys * ranks + (kind === 'large' ? 0 : 1), ranks),
  };
  const element = kind === 'masked' ? 'F16' : 'BF16';
  const mask = kind === 'masked' ? ('staircase' as const) : ('none' as const);
  return {
    workload: {
      name: `smoke test, ${kind}`,
      source: 'sizes',
      description: 'Seeded normal noise',
      shape,
      sharding,
      element,
      layers: 1,
      mask,
    },
    schedules: jobSchedules({ shape, sharding }, variants(shape, ranks, element, kind !== 'large')),
    ...(kind === 'masked' && { visible: movingWindow(rows * ranks, keys * ranks + 1) }),
  };
}

/** Every eighth row sees nothing. */
function movingWindow(rows: number, keys: number): [number, number][] {
  return Array.from({ length: rows }, (_, row) => {
    const first = Math.floor((row / rows) * keys * 0.75);
    return row % 8 === 7 ? [0, 0] : [first, Math.min(keys, first + Math.ceil(keys / 4))];
  });
}

export function presetJobs(
  ranks: number,
  names = benchPresets,
  rows = benchRows,
  scale = 1,
  element: ElementType = 'BF16',
): JobFile[] {
  return names.flatMap(name =>
    rows.map(row => ({ name: `${name}-${row}.ranks-${ranks}.json`, job: presetJob(name, row, ranks, element, scale) })),
  );
}

export function smokeJobs(): JobFile[] {
  return [
    ...[1, 2].flatMap(ranks =>
      (['plain', 'masked'] as const).map(kind => ({
        name: `smoke-${kind}.ranks-${ranks}.json`,
        job: smokeJob(kind, ranks),
      })),
    ),
    { name: 'smoke-large.ranks-1.json', job: smokeJob('large', 1) },
  ];
}
