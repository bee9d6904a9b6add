/** Fields that checkpoints of every layout have. */
import type { ConfigSection } from './config-section.ts';
import type { DecoderConfig, ModelConfig } from './model-config.ts';

export function architectureNames(config: ConfigSection): readonly string[] {
  const architectures = config.raw('architectures');
  return Array.isArray(architectures) ? architectures.map(String) : [];
}

/** @throws FoveaError `architecture-unsupported` */
export function refuseQuantized(config: ConfigSection): void {
  if (config.has('quantization_config')) {
    throw config.unsupported('the weights are quantized.', 'Use the checkpoint in float16, bfloat16 or float32.');
  }
}

/**
 * Indices into transformers' hidden states, of which the first is the embedding's output, to layers; so -2 is the
 * layer before the last one.
 */
export function parseFeatureLayers(config: ConfigSection, key: string, layers: number): readonly number[] {
  const indices = config.integers(key) ?? [-2];
  const featureLayers = indices.map(index => (index < 0 ? layers + index : index - 1));
  if (featureLayers.length === 0 || featureLayers.some(layer => layer < -1 || layer >= layers)) {
    throw config.unexpected(key, `an index of the ${layers + 1} hidden states`);
  }
  return featureLayers;
}

/** Ids that begin and end a text, of the first section that names any. */
export function parseEnds(
  sections: readonly ConfigSection[],
  family: DecoderConfig['family'],
): Pick<ModelConfig, 'bosTokenId' | 'endTokenIds'> {
  const isQwen = family === 'qwen2';
  return {
    bosTokenId: firstOf(sections, 'bos_token_id')?.[0] ?? (isQwen ? undefined : 1),
    endTokenIds: firstOf(sections, 'eos_token_id') ?? (isQwen ? [] : [2]),
  };
}

function firstOf(sections: readonly ConfigSection[], key: string): readonly number[] | undefined {
  return sections.map(section => section.integers(key)).find(ids => ids && ids.length > 0);
}
