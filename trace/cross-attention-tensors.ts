/** The tensors that hold where rows looked in a long visual input; `cross-attention.ts` says what they mean. */
import type { TensorSpec } from './tensor-spec.ts';

export const crossAttentionTensorSpecs = {
  'cross_attention.to_tokens': {
    dtypes: ['F16'],
    axes: ['crossRows', 'crossLayers', 'crossMaps', 'crossTokens'],
    required: false,
    probability: true,
    unit: 'probability',
    meaning: 'Cross-attention of a text row to every token of the long visual input, by head or their mean; sums to 1',
  },
  'cross_attention.frame_share': {
    dtypes: ['F32'],
    axes: ['crossRows', 'crossLayers', 'crossHeads', 'frames'],
    required: false,
    probability: true,
    unit: 'probability',
    meaning: 'Cross-attention of a text row to every frame, by head, summed before rounding; sums to 1',
  },
  'cross_attention.change': {
    dtypes: ['F32'],
    axes: ['crossRows', 'crossLayers'],
    required: false,
    probability: false,
    unit: 'relative L2 norm',
    meaning: 'Length of what cross-attention added to a row, gate included, over the length of the row before',
  },
  'cross_attention.pictures': {
    dtypes: ['U8'],
    axes: ['bytes'],
    required: false,
    probability: false,
    unit: 'encoded images',
    meaning: 'The frames as the vision tower saw them, one after another; places and sizes in crossAttention.frames',
  },
} as const satisfies Record<string, TensorSpec>;
