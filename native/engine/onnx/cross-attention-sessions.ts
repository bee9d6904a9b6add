/** The sessions of gated cross-attention: loaded when a run wants them, and given back when another one's weights come. */
import { setImmediate } from 'node:timers/promises';
import type { CrossAttentionWeights } from '../../checkpoint/cross-attention-weights.ts';
import { FoveaError } from '../../errors.ts';
import {
  crossAttentionGraph,
  crossAttentionKeysGraph,
  crossAttentionMemoryGraph,
} from '../../graph/cross-attention.ts';
import type { Graph } from '../../graph/graph-builder.ts';
import type {
  CrossAttentionRequest,
  CrossAttentionResult,
  FetchedKeys,
  LoadProgress,
  VisualPlaces,
} from '../engine.ts';
import { HostTensor, requireSize } from './host-tensor.ts';
import { OnnxSession, type SessionSettings } from './onnx-session.ts';

interface LayerSessions {
  readonly keys: OnnxSession;
  readonly attention: OnnxSession;
}

export class CrossAttentionSessions {
  private constructor(
    private readonly weights: CrossAttentionWeights,
    private readonly hiddenSize: number,
    private readonly memory: Readonly<Record<VisualPlaces['kind'], OnnxSession>>,
    private readonly layers: ReadonlyMap<number, LayerSessions>,
  ) {}

  get id(): string {
    return this.weights.id;
  }

  /** @throws FoveaError, `cancelled` among others; what was loaded by then is given back */
  static async load(
    weights: CrossAttentionWeights,
    hiddenSize: number,
    settings: SessionSettings,
    progress?: LoadProgress,
    signal?: AbortSignal,
  ): Promise<CrossAttentionSessions> {
    const { description, keyValueNorm: norm, tileEmbedding, frameEmbedding } = weights;
    const total = 2 + 2 * weights.layers.size;
    const loaded: OnnxSession[] = [];
    const load = async (graph: Graph): Promise<OnnxSession> => {
      await setImmediate();
      if (signal?.aborted) throw new FoveaError('cancelled', 'Loading the cross-attention was cancelled.');
      const session = await OnnxSession.load(graph, settings);
      loaded.push(session);
      progress?.(loaded.length, total);
      return session;
    };
    try {
      const memory = {
        tile: await load(crossAttentionMemoryGraph(hiddenSize, description, { norm, embedding: tileEmbedding })),
        frame: await load(crossAttentionMemoryGraph(hiddenSize, description, { norm, embedding: frameEmbedding })),
      };
      const layers = new Map<number, LayerSessions>();
      for (const [layer, own] of weights.layers) {
        layers.set(layer, {
          keys: await load(crossAttentionKeysGraph(hiddenSize, description, own, layer)),
          attention: await load(crossAttentionGraph(hiddenSize, description, own, layer)),
        });
      }
      return new CrossAttentionSessions(weights, hiddenSize, memory, layers);
    } catch (error) {
      await Promise.all(loaded.map(session => session.release()));
      throw error;
    }
  }

  async place(features: HostTensor, { kind, places }: VisualPlaces): Promise<HostTensor> {
    requireSize('places', places.length, features.size(0));
    return (await this.memory[kind].run({ features, places: BigInt64Array.from(places, BigInt) }, ['memory'])).memory;
  }

  async project(layer: number, memory: HostTensor): Promise<FetchedKeys> {
    const tokens = memory.size(0);
    const { keyValueHeads, headSize } = this.weights.description;
    const width = keyValueHeads * headSize;
    const made = await this.layer(layer).keys.run({ memory }, ['keys', 'values']);
    const rows = ({ data }: HostTensor): HostTensor => new HostTensor(data, [tokens, width]);
    return { keys: rows(made.keys), values: rows(made.values) };
  }

  /** Rows before `firstRow` are copied; the session writes the others right behind them. */
  async attend(layer: number, hidden: HostTensor, request: CrossAttentionRequest): Promise<CrossAttentionResult> {
    const { firstRow, keys, values, traced = false, wantsQueries = false } = request;
    const { hiddenSize } = this;
    const rows = hidden.size(0) - firstRow;
    const start = firstRow * hiddenSize;
    const reading = new HostTensor(hidden.data.subarray(start), [rows, hiddenSize]);
    const output = HostTensor.zeros(hidden.shape);
    output.data.set(hidden.data.subarray(0, start));
    const made: Partial<Record<AttentionOutput, HostTensor>> = await this.layer(layer).attention.run(
      { hidden: reading, keys: this.byHead(HostTensor.of(keys)), values: this.byHead(HostTensor.of(values)) },
      [...(traced ? tracedOutputs : []), ...(wantsQueries ? (['queries'] as const) : [])],
      { hidden_out: new HostTensor(output.data.subarray(start), [rows, hiddenSize]) },
    );
    const read = (name: AttentionOutput): Float32Array => made[name]!.data;
    return {
      hidden: output,
      ...(traced && {
        probabilities: read('probabilities'),
        change: relativeNorms(read('update'), reading.data, rows),
      }),
      ...(wantsQueries && { queries: read('queries') }),
    };
  }

  async release(): Promise<void> {
    const sessions = [...this.layers.values()].flatMap(({ keys, attention }) => [keys, attention]);
    await Promise.all([...Object.values(this.memory), ...sessions].map(session => session.release()));
  }

  /** [tokens, key-value heads x head size] as [tokens, key-value heads, head size] */
  private byHead({ data }: HostTensor): HostTensor {
    const { keyValueHeads, headSize } = this.weights.description;
    return new HostTensor(data, [data.length / (keyValueHeads * headSize), keyValueHeads, headSize]);
  }

  private layer(layer: number): LayerSessions {
    const sessions = this.layers.get(layer);
    if (!sessions) throw new RangeError(`There is no cross-attention before decoder layer ${layer}.`);
    return sessions;
  }
}

type AttentionOutput = 'update' | 'probabilities' | 'queries';
const tracedOutputs: readonly AttentionOutput[] = ['update', 'probabilities'];

/** ‖update‖ / ‖hidden‖ of each row; 0 where there is nothing to compare with. */
function relativeNorms(update: Float32Array, hidden: Float32Array, rows: number): Float32Array {
  const width = hidden.length / rows;
  const norm = (values: Float32Array, row: number): number => {
    let sum = 0;
    for (let index = row * width; index < (row + 1) * width; index++) sum += values[index]! ** 2;
    return Math.sqrt(sum);
  };
  return Float32Array.from({ length: rows }, (_, row) => {
    const whole = norm(hidden, row);
    return whole > 0 ? norm(update, row) / whole : 0;
  });
}
