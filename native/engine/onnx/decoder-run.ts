import type { DecoderConfig } from '../../checkpoint/model-config.ts';
import type { AttentionQuery, DecoderLayerResult, DecoderStep, KeyValueCache } from '../engine.ts';
import { HostCache } from '../host-cache.ts';
import { HostTensor, requireSize } from './host-tensor.ts';
import type { OnnxSession, SessionInput } from './onnx-session.ts';
import type { StepTables } from './step-tables.ts';

export interface DecoderRun {
  readonly decoder: DecoderConfig;
  readonly layer: number;
  /** [tokens, hidden] */
  readonly hidden: HostTensor;
  readonly step: DecoderStep;
  readonly tables: StepTables;
}

/** Runs one layer: reads its filled cache in place, and lets the session write the new rows right behind it. */
export async function runDecoderLayer(session: OnnxSession, run: DecoderRun): Promise<DecoderLayerResult> {
  const { decoder, layer, hidden, step, tables } = run;
  const { positions } = step;
  const tokens = hidden.size(0);
  requireSize('positions', positions.length, tokens);
  const cache = hostCache(step.cache);
  const added = cache.reserve(layer, tokens);
  const past = cache.filled(layer);
  const keys = cache.length(layer) + tokens;
  const cacheRows = (data: Float32Array, rows: number): HostTensor =>
    new HostTensor(data, [rows, decoder.keyValueHeads, decoder.headSize]);
  const { cos, sin } = tables.rotary(step);
  const rotaryShape = [tokens, 1, decoder.headSize / 2];
  const outputs: Partial<Record<LayerOutput, HostTensor>> = await session.run(
    {
      hidden,
      cos: new HostTensor(cos, rotaryShape),
      sin: new HostTensor(sin, rotaryShape),
      mask: new HostTensor(tables.mask(tokens, keys - tokens), [tokens, keys]),
      past_keys: cacheRows(past.keys, keys - tokens),
      past_values: cacheRows(past.values, keys - tokens),
      ...fetchInputs(step, decoder, tables),
      ...traceInputs(step.attention, keys),
    },
    ['hidden_out', ...(step.fetch ? fetchOutputs : []), ...(step.attention ? traceOutputs : [])],
    { new_keys: cacheRows(added.keys, tokens), new_values: cacheRows(added.values, tokens) },
  );
  cache.commit(layer, positions);
  const read = (name: LayerOutput): Float32Array => outputs[name]!.data;
  return {
    hidden: outputs.hidden_out!,
    ...(step.attention && {
      attention: { toVisual: read('to_visual'), meanOverHeads: read('mean_over_heads'), mass: read('mass') },
    }),
    ...(step.fetch && {
      fetched: {
        probabilities: read('fetching_probabilities'),
        plainContext: read('plain_context'),
        context: read('fetching_context'),
      },
    }),
  };
}

function hostCache(cache: KeyValueCache): HostCache {
  if (cache instanceof HostCache) return cache;
  throw new TypeError('This cache belongs to another engine.');
}

/** Without a query no rows are asked for, and the graph traces nothing. */
function traceInputs(query: AttentionQuery | undefined, keys: number): Record<string, SessionInput> {
  const { rows, visual, groups, groupCount } = query ?? noTrace;
  requireSize('group memberships', groups.length, query ? keys * groupCount : 0);
  return {
    rows: BigInt64Array.from(rows, BigInt),
    visual_start: BigInt64Array.of(BigInt(visual.first)),
    visual_end: BigInt64Array.of(BigInt(visual.first + visual.count)),
    groups: new HostTensor(groups, [keys, groupCount]),
  };
}

const noTrace: AttentionQuery = {
  rows: new Int32Array(),
  visual: { first: 0, count: 0 },
  groups: new Float32Array(),
  groupCount: 0,
};

/** Without rows that fetch, one key that nobody reads stands in, since shapes are inferred from it. */
function fetchInputs(
  { fetch, sequenceLength }: DecoderStep,
  { keyValueHeads, headSize }: DecoderConfig,
  tables: StepTables,
): Record<string, SessionInput> {
  const rows = fetch?.rows ?? new Int32Array();
  const keyShape = (size: number): number[] => [size / (keyValueHeads * headSize), keyValueHeads, headSize];
  const keys = fetch ? HostTensor.of(fetch.keys).data : new Float32Array(keyValueHeads * headSize);
  const values = fetch ? HostTensor.of(fetch.values).data : keys;
  const { cos, sin } = fetch ? tables.fetching(fetch.positions, sequenceLength) : noRotary;
  const rotaryShape = [rows.length, 1, headSize / 2];
  return {
    fetching_rows: BigInt64Array.from(rows, BigInt),
    fetching_cos: new HostTensor(cos, rotaryShape),
    fetching_sin: new HostTensor(sin, rotaryShape),
    fetched_keys: new HostTensor(keys, keyShape(keys.length)),
    fetched_values: new HostTensor(values, keyShape(values.length)),
  };
}

const noRotary = { cos: new Float32Array(), sin: new Float32Array() };

const fetchOutputs = ['fetching_probabilities', 'plain_context', 'fetching_context'] as const;
const traceOutputs = ['to_visual', 'mean_over_heads', 'mass'] as const;
type LayerOutput = 'hidden_out' | (typeof fetchOutputs)[number] | (typeof traceOutputs)[number];
