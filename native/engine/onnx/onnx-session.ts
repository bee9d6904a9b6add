import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Graph } from '../../graph/graph-builder.ts';
import type { Device } from '../../rpc.ts';
import { HostTensor } from './host-tensor.ts';
import { runtimeError } from './runtime-errors.ts';

export interface SessionSettings {
  readonly device: Device;
  readonly threads: number;
}

/** float32 of any shape, or a list of int64. */
export type SessionInput = HostTensor | BigInt64Array;

/** A graph loaded with its weights. */
export class OnnxSession {
  private constructor(
    private readonly name: string,
    private readonly session: InferenceSession,
    private readonly device: Device,
  ) {}

  /** @throws FoveaError `out-of-memory` or `device-unavailable` */
  static async load(graph: Graph, settings: SessionSettings): Promise<OnnxSession> {
    try {
      const session = await InferenceSession.create(graph.bytes, sessionOptions(graph, settings));
      return new OnnxSession(graph.name, session, settings.device);
    } catch (error) {
      throw runtimeError(error, `loading ${graph.name}`, settings.device);
    }
  }

  /**
   * Blocks the event loop. Outputs of the graph that are not named are dropped.
   * @param wanted outputs that are handed out. ONNX Runtime hands out a copy even of those that have memory, so that giving
   * them some costs twice as much, and twice as much for the collector to look after.
   * @param filled outputs that are written into this memory, because it lies inside of something larger
   * @throws FoveaError `out-of-memory` or `device-unavailable`
   */
  async run<Name extends string>(
    inputs: Readonly<Record<string, SessionInput>>,
    wanted: readonly Name[],
    filled: Readonly<Record<string, HostTensor>> = {},
  ): Promise<Readonly<Record<Name, HostTensor>>> {
    const fetched = Object.fromEntries(wanted.map(name => [name, null]));
    try {
      const feeds = mapValues(inputs, runtimeTensor);
      const results = await this.session.run(feeds, { ...fetched, ...mapValues(filled, runtimeTensor) });
      const outputs = wanted.map(name => [name, hostTensor(results[name]!)] as const);
      return Object.fromEntries(outputs) as Record<Name, HostTensor>;
    } catch (error) {
      throw runtimeError(error, `running ${this.name}`, this.device);
    }
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}

function sessionOptions(graph: Graph, { device, threads }: SessionSettings): InferenceSession.SessionOptions {
  const weightFolder = graph.weightFolder && { model_external_initializers_file_folder_path: graph.weightFolder };
  return {
    executionProviders: [device],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    // Sessions run one at a time, so an arena each would hold the largest layer's scratch memory once per layer.
    enableCpuMemArena: false,
    logSeverityLevel: 3,
    extra: {
      session: {
        ...weightFolder,
        // Threads of a session that has finished would otherwise spin against those of the next one.
        intra_op: { allow_spinning: '0' },
      },
    },
  };
}

function runtimeTensor(value: SessionInput): Tensor {
  return value instanceof HostTensor
    ? new Tensor('float32', value.data, value.shape)
    : new Tensor('int64', value, [value.length]);
}

function hostTensor({ data, dims }: Tensor): HostTensor {
  if (data instanceof Float32Array) return new HostTensor(data, dims);
  throw new TypeError('An output is not float32.');
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, convert: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, convert(value)]));
}
