import { stepCount, type HighResolution } from '../../trace/high-resolution.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { count } from '../format.ts';

export const highResolutionViewId = 'high-resolution';

const sourceWords: Readonly<Record<Exclude<HighResolution['source'], 'attention'>, string>> = {
  random: 'control: cells chosen at random',
  centre: 'control: cells at the centre',
  all: 'control: all cells',
  frozen: 'control: each layer keeps what it selected at the first step',
  none: 'control: nothing is selected',
};

/** The method that fetched the tokens, as the trace names it. */
export function detailTitle({
  method,
  highResolution,
}: Pick<RunMetadata, 'method' | 'highResolution'>): string | undefined {
  return highResolution && (method.beside?.title ?? method.title ?? method.name);
}

/** Why a run has nothing to show of high-resolution tokens; undefined where it has. */
export function detailMissing(run: RunMetadata): string | undefined {
  if (run.crossAttention)
    return 'This run selected no high-resolution tokens: text read all of its long input through cross-attention.';
  if (!run.highResolution)
    return 'This run read the image in low resolution only. A method that fetches high-resolution tokens fills this view.';
  return stepCount(run) > 0 ? undefined : 'This run was cancelled before its first selection.';
}

/** By which rule patches are taken. */
function ruleWords({ rule }: HighResolution, patches: number): string {
  return rule.kind === 'count'
    ? `strongest ${count(rule.count)} of ${count(patches)} patches`
    : `patches above ${rule.threshold} of 255`;
}

export function weightWords({ weights }: HighResolution): string {
  if (weights.kind === 'copied') return 'untrained HR projections: copies of the decoder’s own';
  const { kind, source, distances = [] } = weights;
  const mean = (of: 'keys' | 'values'): string =>
    (distances.reduce((sum, one) => sum + one[of], 0) / distances.length).toFixed(2);
  const far =
    distances.length > 0
      ? `; from the decoder’s own projections: keys ${mean('keys')}, values ${mean('values')} (relative Frobenius norm, mean)`
      : '';
  return `${kind} weights, ${source}${far}`;
}

/** Variant, rule, map, rotary form: everything that decides how tokens are selected and read. */
export function settingWords(described: HighResolution, patches: number): string {
  const { variant, source, rows, map, rotary, pooling, cells, lowResolution } = described;
  return [
    `variant: ${variant}`,
    ...(source === 'attention' ? [] : [sourceWords[source]]),
    `rule: ${ruleWords(described, patches)}`,
    ...(pooling === 'none' ? [] : [`pooled to ${cells.rows} × ${cells.columns} cells`]),
    `read by ${rows === 'last' ? 'the last query of each step' : 'every query'}`,
    `selected by a softmax ${map === 'joint' ? 'with' : 'without'} HR keys`,
    ...(lowResolution === 'scaled' ? ['low resolution: the large image scaled down'] : []),
    `rotary: ${rotary === 'fractional' ? 'fractional positions' : 'interpolated cos and sin'}`,
  ].join(' · ');
}
