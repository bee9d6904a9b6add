import type { ConfigSection } from './config-section.ts';
import type { RopeConfig } from './model-config.ts';

const supportedKinds = 'Supported kinds of rotary embedding: default, linear, dynamic, llama3, yarn.';
const defaultTheta = 10_000;

/**
 * `rope_scaling` beside `rope_theta` (transformers 4) or `rope_parameters` (transformers 5), with the defaults of
 * transformers' modeling_rope_utils.py.
 * @throws FoveaError `checkpoint-malformed` or `architecture-unsupported`
 */
export function parseRope(text: ConfigSection, maxPositions: number): RopeConfig {
  const given = text.section('rope_scaling') ?? text.section('rope_parameters');
  // A config with one entry per layer type; the supported families have full attention only.
  const rope = given?.section('full_attention') ?? given;
  const theta = rope?.has('rope_theta')
    ? rope.positive('rope_theta', defaultTheta)
    : text.positive('rope_theta', defaultTheta);
  for (const section of [rope, text]) {
    if (section && section.number('partial_rotary_factor', 1) !== 1) {
      throw section.unsupported('partial_rotary_factor is not 1.', 'Only whole heads can be rotated.');
    }
  }
  if (!rope) return { kind: 'default', theta };
  const kind = rope.text('rope_type', rope.text('type', 'default'));
  switch (kind) {
    case 'default':
      return { kind, theta };
    case 'linear':
      return { kind, theta, factor: requiredFactor(rope, 'factor') };
    case 'dynamic':
      return { kind, theta, factor: requiredFactor(rope, 'factor'), maxPositions };
    case 'llama3':
      return {
        kind,
        theta,
        factor: requiredFactor(rope, 'factor'),
        lowFrequencyFactor: requiredFactor(rope, 'low_freq_factor'),
        highFrequencyFactor: requiredFactor(rope, 'high_freq_factor'),
        originalMaxPositions: originalMaxPositions(text, rope, maxPositions),
      };
    case 'yarn':
      return parseYarn(text, rope, theta, maxPositions);
    default:
      throw rope.unsupported(`the rotary embedding is of kind "${kind}".`, supportedKinds);
  }
}

function parseYarn(text: ConfigSection, rope: ConfigSection, theta: number, maxPositions: number): RopeConfig {
  const original = originalMaxPositions(text, rope, maxPositions);
  const factor = rope.positive('factor', maxPositions / original);
  return {
    kind: 'yarn',
    theta,
    factor,
    originalMaxPositions: original,
    betaFast: rope.number('beta_fast', 32) || 32,
    betaSlow: rope.number('beta_slow', 1) || 1,
    attentionFactor: rope.number('attention_factor', yarnAttentionFactor(rope, factor)),
    truncate: rope.boolean('truncate', true),
  };
}

/** YaRN's temperature, folded into cos and sin (https://huggingface.co/papers/2309.00071, section 3.4). */
function yarnAttentionFactor(rope: ConfigSection, factor: number): number {
  const temperature = (scale: number): number => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
  const scale = rope.number('mscale', 0);
  const scaleOfAll = rope.number('mscale_all_dim', 0);
  return scale && scaleOfAll ? temperature(scale) / temperature(scaleOfAll) : temperature(1);
}

function originalMaxPositions(text: ConfigSection, rope: ConfigSection, maxPositions: number): number {
  const key = 'original_max_position_embeddings';
  return text.has(key) ? text.size(key, maxPositions) : rope.size(key, maxPositions);
}

function requiredFactor(rope: ConfigSection, key: string): number {
  // NaN stands for absence: it is refused like any other value that is no number.
  return rope.positive(key, NaN);
}
