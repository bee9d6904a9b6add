/** Patch embedding of images larger than the vision tower was trained for: its positions are interpolated bicubically. */
import { gridSide, type VisionConfig } from '../../checkpoint/model-config.ts';
import type { PatchEmbeddingWeights } from '../../checkpoint/model-weights.ts';
import { readWeight } from '../../checkpoint/read-weight.ts';
import { enlargedPatchEmbeddingGraph } from '../../graph/enlarged-patch-embedding.ts';
import { resizeBicubic } from '../high-resolution-rotary.ts';
import { HostTensor } from './host-tensor.ts';
import { OnnxSession, type SessionSettings } from './onnx-session.ts';

export class EnlargedEmbedding {
  private constructor(
    private readonly session: OnnxSession,
    private readonly vision: VisionConfig,
    /** [1 + patches, hidden] of the size that was trained */
    private readonly trained: Float32Array,
  ) {}

  static async load(
    vision: VisionConfig,
    weights: PatchEmbeddingWeights,
    settings: SessionSettings,
  ): Promise<EnlargedEmbedding> {
    const session = await OnnxSession.load(enlargedPatchEmbeddingGraph(vision, weights), settings);
    return new EnlargedEmbedding(session, vision, await readWeight(weights.positions));
  }

  /** @param pixels [3, side, side] @returns [1 + patches, hidden] */
  async run(pixels: Float32Array): Promise<HostTensor> {
    const { hiddenSize, patchSize } = this.vision;
    const side = Math.round(Math.sqrt(pixels.length / 3));
    const patches = Math.floor(side / patchSize);
    const positions = HostTensor.zeros([1 + patches ** 2, hiddenSize]);
    const trained = gridSide(this.vision);
    const resized = resizeBicubic(
      this.trained.subarray(hiddenSize),
      hiddenSize,
      { rows: trained, columns: trained },
      { rows: patches, columns: patches },
    );
    positions.data.set(this.trained.subarray(0, hiddenSize));
    positions.data.set(resized, hiddenSize);
    const inputs = { pixels: new HostTensor(pixels, [1, 3, side, side]), positions };
    return (await this.session.run(inputs, ['hidden_out'])).hidden_out;
  }

  release(): Promise<void> {
    return this.session.release();
  }
}
