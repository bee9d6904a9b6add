import { parseActivation } from './activation-name.ts';
import type { ConfigSection } from './config-section.ts';
import type { DecoderConfig } from './model-config.ts';
import { parseRope } from './rope-config.ts';

type Family = DecoderConfig['family'];

/** Defaults of transformers' LlamaConfig, MistralConfig and Qwen2Config where they differ. */
const familyDefaults = {
  llama: { vocabulary: 32_000, intermediate: 11_008, keyValueHeads: undefined, maxPositions: 2048 },
  mistral: { vocabulary: 32_000, intermediate: 14_336, keyValueHeads: 8, maxPositions: 131_072 },
  qwen2: { vocabulary: 151_936, intermediate: 22_016, keyValueHeads: 32, maxPositions: 32_768 },
} as const satisfies Record<Family, object>;

/**
 * @param text the fields of the language model
 * @throws FoveaError `checkpoint-malformed` or `architecture-unsupported`
 */
export function parseDecoder(text: ConfigSection, family: string, tiedHead: boolean): DecoderConfig {
  if (!isFamily(family)) {
    const supported = `Supported language models: ${Object.keys(familyDefaults).join(', ')}.`;
    throw text.unsupported(`the language model is a "${family}".`, supported);
  }
  const defaults = familyDefaults[family];
  const hiddenSize = text.size('hidden_size', 4096);
  const heads = text.size('num_attention_heads', 32);
  // A null in the file means one key-value head per query head; only an absent key takes the family's default.
  const keyValueDefault = text.isNull('num_key_value_heads') ? heads : (defaults.keyValueHeads ?? heads);
  const keyValueHeads = text.size('num_key_value_heads', keyValueDefault);
  const headSize = text.size('head_dim', Math.floor(hiddenSize / heads));
  const maxPositions = text.size('max_position_embeddings', defaults.maxPositions);
  if (heads % keyValueHeads !== 0) throw text.unexpected('num_key_value_heads', `a divisor of the ${heads} heads`);
  if (headSize % 2 !== 0) throw text.unexpected('head_dim', 'an even number');
  const attentionBias = family === 'llama' && text.boolean('attention_bias', false);
  return {
    family,
    hiddenSize,
    intermediateSize: text.size('intermediate_size', defaults.intermediate),
    layers: text.size('num_hidden_layers', 32),
    heads,
    keyValueHeads,
    headSize,
    vocabularySize: text.size('vocab_size', defaults.vocabulary),
    maxPositions: Math.min(maxPositions, slidingWindow(text, family)),
    normEpsilon: text.positive('rms_norm_eps', 1e-6),
    activation: parseActivation(text, 'hidden_act', 'silu'),
    rope: parseRope(text, maxPositions),
    queryKeyValueBias: attentionBias || family === 'qwen2',
    outputBias: attentionBias,
    mlpBias: family === 'llama' && text.boolean('mlp_bias', false),
    tiedHead,
  };
}

function isFamily(name: string): name is Family {
  return Object.hasOwn(familyDefaults, name);
}

/**
 * Positions that a layer looks back at most. Sequences up to that length are the same with full attention, so the
 * window is simply the longest sequence. Which layers slide differs by family; one suffices.
 */
function slidingWindow(text: ConfigSection, family: Family): number {
  if (family === 'llama') return Infinity;
  if (family === 'qwen2') {
    if (!text.boolean('use_sliding_window', false)) return Infinity;
    const layerTypes = text.raw('layer_types');
    const firstSliding = text.number('max_window_layers', 28);
    const slides = Array.isArray(layerTypes)
      ? layerTypes.includes('sliding_attention')
      : firstSliding < text.size('num_hidden_layers', 32);
    if (!slides) return Infinity;
  }
  return text.isNull('sliding_window') ? Infinity : text.size('sliding_window', 4096);
}
