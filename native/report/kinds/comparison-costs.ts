/** What runs cost, side by side. */
import { answerProbability } from '../../../trace/answer-probability.ts';
import { keyValueBytes, macFormulaText, prefillMacs } from '../../../trace/costs.ts';
import { meanEntering, meanLeaving } from '../../../trace/fates.ts';
import type { RunMetadata } from '../../../trace/schema.ts';
import { count, duration, megabytes } from '../numbers.ts';

export interface Quantity {
  readonly name: string;
  /** Of JSON and CSV: with its unit. */
  readonly key: string;
  /** undefined where the trace does not say. */
  readonly of: (run: RunMetadata) => number | undefined;
  readonly words: (value: number) => string;
}

const decimal = (value: number): string => value.toFixed(1);

/** Of the decoder's layers in prefill, over all tokens, by F3. */
function decoderPrefillMacs({ reduction, model, visual, promptTokens }: RunMetadata): number | undefined {
  const { hiddenSize, intermediateSize, layers } = model.decoder;
  if (intermediateSize === undefined) return undefined;
  const sequences = reduction?.layers.map(({ sequence }) => sequence);
  return (sequences ?? Array<number>(layers).fill(visual.count + promptTokens)).reduce(
    (sum, tokens) => sum + prefillMacs('F3', tokens, { hiddenSize, intermediateSize }),
    0,
  );
}

/** Visual keys and values that decode reads, as float32 of the engine. */
function visualCacheBytes({ reduction, model, visual }: RunMetadata): number {
  const cached = reduction?.layers.map(layer => layer.cached) ?? Array<number>(model.decoder.layers).fill(visual.count);
  return cached.reduce((sum, entries) => sum + entries, 0) * keyValueBytes(model.decoder, 4);
}

export const quantities: readonly Quantity[] = [
  {
    name: 'visual tokens entering, mean of layers (E_in)',
    key: 'meanEntering',
    of: ({ reduction, visual }) => (reduction ? meanEntering(reduction.layers) : visual.count),
    words: decimal,
  },
  {
    name: 'visual tokens leaving, mean of layers (E_out)',
    key: 'meanLeaving',
    of: ({ reduction, visual }) => (reduction ? meanLeaving(reduction.layers) : visual.count),
    words: decimal,
  },
  {
    name: `decoder prefill, GMAC by F3 = ${macFormulaText.F3}`,
    key: 'prefillMacs',
    of: decoderPrefillMacs,
    words: value => (value / 1e9).toFixed(2),
  },
  {
    name: 'visual keys and values in decode, float32',
    key: 'visualCacheBytes',
    of: visualCacheBytes,
    words: value => megabytes(value),
  },
  {
    name: 'key-value cache at the end, as allocated',
    key: 'keyValueCacheBytes',
    of: run => run.keyValueCacheBytes,
    words: megabytes,
  },
  { name: 'vision, measured', key: 'visionMilliseconds', of: ({ ms }) => ms.vision, words: duration },
  { name: 'prefill, measured', key: 'prefillMilliseconds', of: ({ ms }) => ms.prefill, words: duration },
  { name: 'decode, measured', key: 'decodeMilliseconds', of: ({ ms }) => ms.decode, words: duration },
  {
    name: 'total without loading, measured',
    key: 'totalMillisecondsWithoutLoad',
    of: ({ ms }) => ms.total - ms.load,
    words: duration,
  },
  { name: 'generated tokens', key: 'generatedTokens', of: run => run.tokens.length - run.promptTokens, words: count },
  {
    name: 'probability per generated token, geometric mean',
    key: 'geometricMeanTokenProbability',
    of: answerProbability,
    words: value => value.toFixed(2),
  },
];
