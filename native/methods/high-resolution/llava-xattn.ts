/**
 * FlexAttention's rival LLaVA-XAttn (arXiv 2407.20228, section 4.1): the long visual input stays outside the sequence, and text rows read
 * it through gated cross-attention. How the authors built theirs is not published, so layers and form are those of the model's weights.
 */
import { crossAttentionFiles } from '../../checkpoint/cross-attention-weights.ts';
import { FoveaError } from '../../errors.ts';
import type { MethodSetup, ParameterSpec, TokenMethod } from '../method.ts';
import type { CrossAttentionPlan } from './cross-attention-plan.ts';

/** Where no weights say how many frames there is a place for. */
const usualFrames = 64;
const inputs = ['auto', 'image', 'frames'] as const;

const parameters: readonly ParameterSpec[] = [
  {
    name: 'input',
    title: 'Long input',
    kind: 'choice',
    choices: inputs,
    meaning:
      'What is read: all frames where there are several, else the image in high resolution; or always one of the two.',
    default: () => 'auto',
  },
  {
    name: 'frames',
    title: 'Most frames',
    kind: 'integer',
    least: 1,
    meaning: 'Of more frames, so many are read, spread evenly.',
    default: ({ crossAttention }) => crossAttention?.mostFrames ?? usualFrames,
    source: 'the weights, which have a place for each frame',
  },
  {
    name: 'layers',
    title: 'Reading layers',
    kind: 'layers',
    least: 0,
    meaning: 'Decoder layers before which text rows read the long input: all that the weights have, or some of them.',
    default: ({ crossAttention }) => crossAttention?.layers ?? [],
    source: 'the weights',
  },
];

export const llavaXAttn: TokenMethod = {
  name: 'llava-xattn',
  title: 'LLaVA-XAttn',
  summary:
    'Text reads a high-resolution image, or up to 64 frames, through gated cross-attention. Needs its own weights.',
  source: 'arXiv 2407.20228; the weights’ own form in detail',
  variants: ['code'],
  parameters,
  readsCrossAttention: true,
  refusesHighResolution:
    'its cross-attention reads all high-resolution tokens already, and was not trained beside fetched keys.',
  refusesBeside:
    'its cross-attention was trained with all tokens of the low-resolution image in the sequence; beside a method that drops or merges some it is not defined.',
  start: setup => ({ crossAttention: planOf(setup) }),
};

/** @throws FoveaError `usage` or `architecture-unsupported` */
function planOf({ shape, parameters: chosen }: MethodSetup): CrossAttentionPlan {
  const weights = shape.crossAttention;
  if (!weights) {
    const { description, weights: file } = crossAttentionFiles;
    throw new FoveaError(
      'architecture-unsupported',
      `LLaVA-XAttn needs cross-attention weights, and this model has none (${description} and ${file}).`,
      'Choose a model that has them, or FlexAttention, whose costs are compared with LLaVA-XAttn’s by formula.',
    );
  }
  const layers = [...new Set(chosen['layers'] as readonly number[])].sort((a, b) => a - b);
  const missing = layers.filter(layer => !weights.layers.includes(layer));
  if (layers.length === 0 || missing.length > 0) {
    throw new FoveaError(
      'usage',
      missing.length > 0
        ? `There is no cross-attention before decoder layer ${missing.join(', ')}.`
        : 'No decoder layer is to read the long input.',
      `Layers that have it: ${weights.layers.join(', ')}.`,
    );
  }
  const mostFrames = Number(chosen['frames']);
  if (mostFrames > weights.mostFrames) {
    throw new FoveaError(
      'usage',
      `The weights have places for ${weights.mostFrames} frames, not for ${mostFrames}.`,
      `Choose 1 to ${weights.mostFrames}; of more frames, so many are read, spread evenly.`,
    );
  }
  const fewer = weights.layers.length - layers.length;
  return {
    input: inputs.find(input => input === chosen['input']) ?? 'auto',
    mostFrames,
    layers,
    tiles: weights.tiles,
    notes: fewer > 0 ? [`${fewer} of ${weights.layers.length} trained cross-attention layers were left out.`] : [],
  };
}
