/** What a run cost, as recorded or by formula. Pure. */
import { answerProbability } from '../../trace/answer-probability.ts';
import { decoderMacs, keyValueBytes, type LayerSize, type MacFormula } from '../../trace/costs.ts';
import { meanEntering, meanLeaving } from '../../trace/fates.ts';
import { readingMacs } from '../../trace/high-resolution-costs.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { duration } from '../format.ts';
import { bytes, macs } from '../pruning/quantities.ts';

/** Right for the gated MLP of Llama's layers. */
export const formula: MacFormula = 'F3';

interface LayerCounts {
  /** Visual tokens. */
  readonly entering: number;
  readonly leaving: number;
  /** Of prefill, text included. */
  readonly sequence: number;
  /** Visual entries of the cache in decode, and all of them at the end of the run. */
  readonly cached: number;
  readonly cacheLength: number;
}

/** Tokens per decoder layer; undefined where a method ran and the trace does not say what it did. */
export function layerCounts(run: RunMetadata): readonly LayerCounts[] | undefined {
  if (run.reduction) return run.reduction.layers;
  if (run.method.name !== 'none') return undefined;
  const { count } = run.visual;
  const sequence = run.promptTokens + count;
  const cacheLength = sequence + decodeSteps(run);
  return Array.from({ length: run.model.decoder.layers }, () => ({
    entering: count,
    leaving: count,
    sequence,
    cached: count,
    cacheLength,
  }));
}

/** The last token is never fed back. */
const decodeSteps = ({ reduction, tokens, promptTokens }: RunMetadata): number =>
  reduction?.decodeSteps ?? Math.max(0, tokens.length - promptTokens - 1);

function layerSize({ model }: RunMetadata): LayerSize | undefined {
  const { hiddenSize, intermediateSize } = model.decoder;
  return intermediateSize === undefined ? undefined : { hiddenSize, intermediateSize };
}

/** All decoder layers, by formula; undefined where the trace lacks what it needs. */
export function runMacs(run: RunMetadata): { readonly prefill: number; readonly decode: number } | undefined {
  const [layers, size, steps] = [layerCounts(run), layerSize(run), decodeSteps(run)];
  if (!layers || !size) return undefined;
  const [reading, layersOwn] = [readingMacs(run), decoderMacs(formula, layers, steps, size)];
  return { prefill: reading.prefill + layersOwn.prefill, decode: reading.decode + layersOwn.decode };
}

/** Bytes of the visual entries that decode keeps in all layers. */
export function visualCacheBytes(run: RunMetadata): number | undefined {
  const perPosition = keyValueBytes(run.model.decoder, elementBytes(run));
  return layerCounts(run)?.reduce((sum, { cached }) => sum + cached * perPosition, 0);
}

const elementBytes = ({ engine }: RunMetadata): number => (/16/.test(engine.arithmetic) ? 2 : 4);

export interface CostRow {
  readonly name: string;
  /** How it was found, for the reader. */
  readonly note: string;
  /** One a run. */
  readonly values: readonly string[];
}

export function costRows(runs: readonly RunMetadata[]): CostRow[] {
  const row = (
    name: string,
    note: string,
    value: (run: RunMetadata) => number | undefined,
    text: (n: number) => string,
  ): CostRow => ({
    name,
    note,
    values: runs.map(run => {
      const found = value(run);
      return found === undefined ? 'not recorded' : text(found);
    }),
  });
  const oneDecimal = (value: number): string => value.toFixed(1);
  const dtypes = [...new Set(runs.map(({ engine }) => engine.arithmetic))].join(', ');
  const macNote = formula;
  return [
    row('tokens entering, E_in', 'mean', run => mean(layerCounts(run), meanEntering), oneDecimal),
    row('tokens leaving, E_out', 'mean', run => mean(layerCounts(run), meanLeaving), oneDecimal),
    row('survivors', 'visual tokens', run => layerCounts(run)?.at(-1)?.leaving, String),
    row('prefill', macNote, run => runMacs(run)?.prefill, macs),
    row('decode', `${formula}, all steps`, run => runMacs(run)?.decode, macs),
    row('visual KV in decode', dtypes, visualCacheBytes, bytes),
    row('KV cache, allocated', 'text included', run => run.keyValueCacheBytes, bytes),
    ...(runs.some(({ crossAttention }) => crossAttention)
      ? [row('cross-attention KV', 'kept', ({ crossAttention }) => crossAttention?.cacheBytes ?? 0, bytes)]
      : []),
    ...(runs.some(({ highResolution }) => highResolution)
      ? [row('high-resolution KV', 'kept', ({ highResolution }) => highResolution?.cacheBytes ?? 0, bytes)]
      : []),
    row('vision', 'measured', ({ ms }) => ms.vision, duration),
    row('prefill', 'measured', ({ ms }) => ms.prefill, duration),
    row('decode', 'measured', ({ ms }) => ms.decode, duration),
    row('answer', 'tokens', ({ tokens, promptTokens }) => tokens.length - promptTokens, String),
    row('probability', 'per token, geometric mean', answerProbability, value => value.toFixed(2)),
  ];
}

const mean = <T>(layers: readonly T[] | undefined, of: (layers: readonly T[]) => number): number | undefined =>
  layers && of(layers);
