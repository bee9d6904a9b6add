import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { fateNames, noReason, noToken, type Stage, type TokenReduction } from '../../trace/fates.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { bytesOf, type TraceTensor } from '../../trace/writer.ts';
import { output, picture } from './panel-fixture.ts';
import { root } from './panel-rig.ts';
import { smallShape, writeSyntheticTrace, type SyntheticShape } from './synthetic-trace.ts';

/** Runs of the bundled model from the real pipeline; made once. */
export const realRuns = {
  whole: `${output}/compare-none.fovea`,
  topK: `${output}/compare-cls-top-k.fovea`,
  random: `${output}/compare-random.fovea`,
  question: `${output}/compare-question.fovea`,
} as const;

const describing = 'Describe this picture.';

export async function makeRealRuns(): Promise<void> {
  for (const [out, question, ...more] of [
    [realRuns.whole, describing],
    [realRuns.topK, describing, '--method', 'cls-top-k', '--budget', '128'],
    [realRuns.random, describing, '--method', 'random', '--budget', '128'],
    [realRuns.question, 'How many moose are there?'],
  ] as const) {
    if (existsSync(out)) continue;
    const args = ['analyze', picture, '--question', question, '--out', out, ...more];
    await promisify(execFile)(process.execPath, ['--import', 'tsx', 'native/cli/main.ts', ...args], { cwd: root });
  }
}

/** What one stage of a made-up method does; patches by their index. */
export interface MadeStage {
  readonly place: Stage['place'];
  /** Of patches that are still there; each becomes one token with the first of its group. */
  readonly merge?: readonly (readonly number[])[];
  readonly drop?: (patch: number) => boolean;
  /** Score of a patch against this cut-off; what is under goes. */
  readonly score?: { readonly cutoff: number; readonly of: (patch: number) => number };
}

/** Metadata and tensors of a made-up method on the small shape, worked out here and not by the code under test. */
function madeReduction(
  stages: readonly MadeStage[],
  shape: Pick<SyntheticShape, 'layers' | 'visionLayers' | 'grid'> = smallShape,
): { reduction: TokenReduction; tensors: Partial<Record<string, TraceTensor>> } {
  const patches = shape.grid.rows * shape.grid.columns;
  /** For each patch the first patch of its group, or −1. */
  let group = Array.from({ length: patches }, (_, patch) => patch);
  const rows = { fate: [] as number[], reason: [] as number[], key: [] as number[], token: [] as number[] };
  const weight: number[] = [];
  const scores: number[] = [];
  const described: Stage[] = [];
  const entering: number[][] = [];
  stages.forEach(({ place, merge = [], drop, score }, index) => {
    const before = new Set(group.filter(one => one >= 0)).size;
    const next = [...group];
    const fate = group.map(one => fateNames.indexOf(one < 0 ? 'absent' : 'kept'));
    for (const members of merge)
      for (const member of members) {
        next[member] = members[0]!;
        fate[member] = fateNames.indexOf('merged');
      }
    const goes = (patch: number): boolean =>
      next[patch]! >= 0 && ((drop?.(patch) ?? false) || (score !== undefined && score.of(patch) < score.cutoff));
    for (let patch = 0; patch < patches; patch++)
      if (goes(patch)) {
        next[patch] = noToken;
        fate[patch] = fateNames.indexOf('dropped');
      }
    const tokens = [...new Set(next.filter(one => one >= 0))];
    rows.fate.push(...fate);
    rows.reason.push(...fate.map(() => noReason));
    rows.key.push(...fate.map(() => 0));
    rows.token.push(...next.map(one => tokens.indexOf(one)));
    weight.push(...next.map(one => (one < 0 ? 0 : 1 / next.filter(other => other === one).length)));
    if (score) scores.push(...group.map((one, patch) => (one < 0 ? NaN : score.of(patch))));
    described.push({
      id: `stage-${index}`,
      title: `Stage ${index}`,
      place,
      entering: before,
      leaving: tokens.length,
      scores: score
        ? [
            {
              name: 'score',
              title: 'made score',
              unit: 'share',
              cutoff: { value: score.cutoff, above: 'stays', inclusive: true, rule: 'threshold' },
            },
          ]
        : [],
      reasons: [],
      notes: [],
    });
    group = next;
    entering.push(next);
  });
  const tokensAfter = (test: (stage: Stage) => boolean): number => {
    const at = described.findLastIndex(test);
    return at < 0 ? patches : described[at]!.leaving;
  };
  const layers = Array.from({ length: shape.layers }, (_, layer) => {
    const counts = (last: number): number =>
      tokensAfter(({ place }) => place.tower === 'vision' || (place.tower === 'decoder' && place.layer <= last));
    const [inside, after] = [counts(layer - 1), counts(layer)];
    return {
      entering: inside,
      leaving: after,
      sequence: inside + 9,
      cached: inside,
      cacheLength: inside + 13,
      cacheBytes: (inside + 13) * 192,
      lastKeyPosition: inside + 8,
      queryPosition: inside + 9,
      attentionRead: false,
      prefillMs: 1.5,
    };
  });
  const shaped = (dtype: TraceTensor['dtype'], values: Parameters<typeof bytesOf>[0]): TraceTensor => ({
    dtype,
    shape: [stages.length, patches],
    data: bytesOf(values),
  });
  return {
    reduction: {
      stages: described,
      visionTokens: Array.from({ length: shape.visionLayers }, () => patches + 1),
      layers,
      visualTokens: patches,
      decodeSteps: 4,
      decodePositions: 'continued',
    },
    tensors: {
      'fates.fate': shaped('U8', Uint8Array.from(rows.fate)),
      'fates.reason': shaped('U8', Uint8Array.from(rows.reason)),
      'fates.key': shaped('U8', Uint8Array.from(rows.key)),
      'fates.token': shaped('I32', Int32Array.from(rows.token)),
      'fates.weight': shaped('F32', Float32Array.from(weight)),
      ...(scores.length > 0 && {
        'fates.scores': {
          dtype: 'F32' as const,
          shape: [scores.length / patches, patches],
          data: bytesOf(Float32Array.from(scores)),
        },
      }),
    },
  };
}

/** A synthetic run of a made-up method. */
export async function writeReduced(
  path: string,
  title: string,
  stages: readonly MadeStage[],
  shape: SyntheticShape = smallShape,
): Promise<RunMetadata> {
  const { reduction, tensors } = madeReduction(stages, shape);
  const metadata: Partial<RunMetadata> = {
    id: title,
    method: { name: title.toLowerCase(), title, parameters: { stages: stages.length } },
    reduction,
    ...shape.metadata,
  };
  return writeSyntheticTrace(path, { ...shape, metadata, tensors }, picture);
}
