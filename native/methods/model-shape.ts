import type { CrossAttentionDescription } from '../checkpoint/cross-attention-weights.ts';
import type { HighResolutionDescription } from '../checkpoint/high-resolution-weights.ts';
import { gridSide, type ModelConfig } from '../checkpoint/model-config.ts';
import { inverseFrequencies } from '../engine/rotary-embedding.ts';
import type { ModelShape } from './method.ts';

export function modelShape(
  { vision, decoder, featureLayers }: ModelConfig,
  highResolution?: HighResolutionDescription,
  crossAttention?: CrossAttentionDescription,
): ModelShape {
  const side = gridSide(vision);
  return {
    grid: { rows: side, columns: side },
    vision: {
      layers: vision.layers,
      heads: vision.heads,
      hiddenSize: vision.hiddenSize,
      intermediateSize: vision.intermediateSize,
      featureLayers,
    },
    decoder: {
      layers: decoder.layers,
      heads: decoder.heads,
      keyValueHeads: decoder.keyValueHeads,
      headSize: decoder.headSize,
      hiddenSize: decoder.hiddenSize,
      intermediateSize: decoder.intermediateSize,
      ropeTheta: decoder.rope.theta,
      // "dynamic" changes them beyond these positions only.
      rotaryFrequencies: [...inverseFrequencies(decoder.rope, decoder.headSize, decoder.maxPositions)],
    },
    ...(highResolution && { highResolution }),
    ...(crossAttention && { crossAttention }),
  };
}
