/** From what the user picked to the job that ranks run. */
import { jobSchedules, type JobVariant, type RanksJob } from '../../trace/traffic/job.ts';
import type { TrafficWorkload } from '../../trace/traffic/metadata.ts';
import type { AttentionShape, ElementType, Pass } from '../../trace/traffic/schedule.ts';
import { defaultWire, splitEvenly } from '../../trace/traffic/sizes.ts';

export interface WorkloadSizes {
  readonly name: string;
  readonly queries: number;
  readonly keys: number;
  readonly shape: AttentionShape;
  readonly element: ElementType;
}

const sizesPattern = /^(\d+)\s*[x×]\s*(\d+)(?:\s*,\s*(\d+)\s*\/\s*(\d+)\s*\/\s*(\d+))?$/;

/** "512 x 8192" or "512 x 8192, 32/8/128": queries × keys, query heads / key-value heads / head size. */
export function parseSizes(text: string, element: ElementType): WorkloadSizes | undefined {
  const match = sizesPattern.exec(text.trim());
  if (!match) return undefined;
  const number = (group: number, otherwise: number): number => Number(match[group] ?? otherwise);
  const [queries, keys] = [number(1, 0), number(2, 0)];
  const [queryHeads, keyValueHeads, headSize] = [number(3, 8), number(4, 2), number(5, 64)];
  const sizes = [queries, keys, queryHeads, keyValueHeads, headSize];
  if (sizes.some(size => !Number.isSafeInteger(size) || size < 1) || queryHeads % keyValueHeads !== 0) return undefined;
  return {
    name: `${queries} queries × ${keys} keys`,
    queries,
    keys,
    shape: { queryHeads, keyValueHeads, headSize },
    element,
  };
}

/** LV-XAttn, ring attention as it is, and ring attention with repeated heads, as LV-XAttn's authors compare with. */
export function makeJob(sizes: WorkloadSizes, ranks: number, passes: readonly Pass[]): RanksJob {
  const { name, queries, keys, shape, element } = sizes;
  const sharding = { queryRows: splitEvenly(queries, ranks), keyRows: splitEvenly(keys, ranks) };
  const wire = { ...defaultWire, element };
  const variants: JobVariant[] = [
    // Of 16 bits a fused kernel makes the gradients, which needs O of every block; in float32 D alone is fewer bytes.
    {
      algorithm: 'lv-xattn',
      wire: { ...wire, backward: element === 'F32' ? 'delta' : 'official', gradient: 'float32' },
      passes,
    },
    { algorithm: 'ring', wire, passes },
  ];
  if (shape.queryHeads !== shape.keyValueHeads)
    variants.push({ algorithm: 'ring', wire: { ...wire, repeatKeyValueHeads: true }, passes });
  const workload: TrafficWorkload = {
    name,
    source: 'sizes',
    description: 'Seeded normal noise',
    shape,
    sharding,
    element,
    layers: 1,
    mask: 'none',
  };
  return { workload, schedules: jobSchedules({ shape, sharding }, variants) };
}
