import { parseActivation } from './activation-name.ts';
import type { ConfigSection } from './config-section.ts';
import type { VisionConfig } from './model-config.ts';

/** transformers' CLIPVisionConfig */
const clipDefaults = { hidden: 768, intermediate: 3072, layers: 12, heads: 12, image: 224, patch: 32 };
/** What LlavaConfig takes when it has no vision_config at all: CLIP ViT-L/14 at 336 pixels. */
const llavaDefaults = { hidden: 1024, intermediate: 4096, layers: 24, heads: 16, image: 336, patch: 14 };

/**
 * @param given the fields of the vision tower
 * @param config what they would have been in, were they there
 * @throws FoveaError `checkpoint-malformed` or `architecture-unsupported`
 */
export function parseVision(given: ConfigSection | undefined, config: ConfigSection): VisionConfig {
  const vision = given ?? config.empty('vision_config');
  const defaults = given ? clipDefaults : llavaDefaults;
  const type = vision.text('model_type', 'clip_vision_model');
  if (type !== 'clip_vision_model') {
    throw vision.unsupported(`the vision tower is a "${type}".`, 'Supported vision towers: clip_vision_model.');
  }
  const channels = vision.size('num_channels', 3);
  if (channels !== 3)
    throw vision.unsupported(`the vision tower takes ${channels} channels.`, 'Images have 3 channels.');
  const parsed: VisionConfig = {
    hiddenSize: vision.size('hidden_size', defaults.hidden),
    intermediateSize: vision.size('intermediate_size', defaults.intermediate),
    layers: vision.size('num_hidden_layers', defaults.layers),
    heads: vision.size('num_attention_heads', defaults.heads),
    imageSize: vision.squareSide('image_size', defaults.image),
    patchSize: vision.squareSide('patch_size', defaults.patch),
    normEpsilon: vision.positive('layer_norm_eps', 1e-5),
    activation: parseActivation(vision, 'hidden_act', 'quick_gelu'),
  };
  if (parsed.hiddenSize % parsed.heads !== 0) {
    throw vision.unexpected('num_attention_heads', `a divisor of hidden_size ${parsed.hiddenSize}`);
  }
  if (parsed.patchSize > parsed.imageSize) {
    throw vision.unexpected('patch_size', `a size up to image_size ${parsed.imageSize}`);
  }
  return parsed;
}
