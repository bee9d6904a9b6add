/** MustDrop in the decoder: the filter in prefill, and what the cache keeps for decode. */
import { FoveaError } from '../../errors.ts';
import type { CachePlan, DecoderView, MethodSetup, PrefillView, TokenPlan, VisualToken } from '../method.ts';
import { judge, textAttention, verdictReasons, verdicts } from './dual-attention-filter.ts';
import type { MustDropParameters } from './parameters.ts';

/** @throws FoveaError `usage` if nothing stays */
export function filterPlan(
  { attention = new Float32Array(), rows, tokens, layer }: DecoderView,
  keyIds: ReadonlySet<number>,
  parameters: MustDropParameters,
  { text }: MethodSetup,
): TokenPlan {
  const { globalThreshold, localThreshold } = parameters;
  const scores = textAttention(attention, rows, tokens.length);
  const verdict = judge(scores, parameters, token => keyIds.has(tokens[token]!.id));
  const kept = tokens.flatMap((_, token) => (verdict[token] === verdicts.dropped ? [] : [token]));
  if (kept.length === 0) {
    throw new FoveaError(
      'usage',
      `With these thresholds MustDrop drops every visual token after decoder layer ${layer}.`,
      `Lower globalThreshold (${globalThreshold}) or localThreshold (${localThreshold}), or raise keyShare above 0.`,
    );
  }
  return {
    id: `filter-${layer}`,
    title: 'Dual-attention filter',
    tokens: kept.map(member => ({ members: [member] })),
    scores: [
      {
        name: 'globalShare',
        title: "share of the text's attention to the image",
        unit: 'share',
        values: scores.globalScore.map(score => (scores.total > 0 ? score / scores.total : 0)),
        cutoff: { value: globalThreshold, above: 'stays', inclusive: true, rule: 'threshold' },
      },
      {
        name: 'localMaximum',
        title: 'most attention from one text token, mean of heads',
        unit: 'probability',
        values: scores.localMaximum,
        cutoff: { value: localThreshold, above: 'stays', inclusive: true, rule: 'threshold' },
      },
      {
        name: 'localText',
        title: 'the text token that attends most',
        unit: 'textToken',
        values: scores.localText.map(index => text.before + index),
      },
    ],
    reasons: verdictReasons,
    reasonOf: verdict,
    rescued: tokens.flatMap((_, token) => (verdict[token] === verdicts.rescued ? [token] : [])),
    raters: Array.from({ length: rows }, (_, row) => row),
    notes: [
      'A token goes only if both scores are below their cut-offs and it is not in the key set.',
      ...(layer === parameters.layers[0]
        ? ['The official code reads attention in every layer from this one on; here only the filtered layers do.']
        : []),
    ],
  };
}

/** @returns undefined where no layer's cache is trimmed */
export function cachePlan(
  { tokens }: PrefillView,
  keyIds: ReadonlySet<number>,
  { layers, decodePositions }: MustDropParameters,
  { variant }: MethodSetup,
): CachePlan | undefined {
  const [first] = layers;
  if (first === undefined) return undefined;
  const inKeySet = (token: VisualToken): boolean => keyIds.has(token.id);
  const kept = tokens.flatMap((token, index) => (variant === 'code' || inKeySet(token) ? [index] : []));
  const positions =
    decodePositions === 'continued'
      ? 'New tokens go on from the position of the last prompt token.'
      : "New tokens take each layer's cache length as position: keys that were stored before a filter keep higher ones, so a query can stand before text that it follows.";
  return {
    id: 'decode-cache',
    title: variant === 'code' ? 'Decode cache: survivors of all filters' : 'Decode cache: key set only',
    fromLayer: first,
    kept,
    reasons: ['in the key set', 'survived all filters', 'survived all filters, but is not in the key set'],
    reasonOf: Uint8Array.from(tokens, token => (inKeySet(token) ? 0 : variant === 'code' ? 1 : 2)),
    notes: [
      variant === 'code'
        ? 'The publication keeps the key set only; the code keeps all survivors.'
        : 'The code keeps all survivors; the publication keeps the key set only, and does not say which positions new tokens take.',
      first === 0 ? 'All layers are trimmed.' : `Layers before ${first} keep all they have.`,
      positions,
    ],
  };
}
