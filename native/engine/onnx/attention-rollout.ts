/** Follows attention through the layers of the vision tower (`graph/attention-rollout.ts`). */
import { attentionRolloutGraph } from '../../graph/attention-rollout.ts';
import { HostTensor } from './host-tensor.ts';
import { OnnxSession, type SessionSettings } from './onnx-session.ts';

export class AttentionRollout {
  private constructor(
    private readonly session: OnnxSession,
    readonly layers: number,
  ) {}

  static async load(layers: number, settings: SessionSettings): Promise<AttentionRollout> {
    return new AttentionRollout(await OnnxSession.load(attentionRolloutGraph(layers), settings), layers);
  }

  /** @param attention per layer [1 + patches, 1 + patches] @returns [layers, patches] */
  async run(attention: readonly Float32Array[]): Promise<Float32Array> {
    const tokens = Math.sqrt(attention[0]!.length);
    const cls = HostTensor.zeros([1, tokens]);
    cls.data[0] = 1;
    const maps = attention.map((map, layer) => [`attention_${layer}`, new HostTensor(map, [tokens, tokens])] as const);
    const { rollout } = await this.session.run({ cls, ...Object.fromEntries(maps) }, ['rollout']);
    return rollout.data;
  }

  release(): Promise<void> {
    return this.session.release();
  }
}
