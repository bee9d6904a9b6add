/**
 * Checkpoints as LLaVA's own repository saves them (haotian-liu/LLaVA: llava_arch.py, clip_encoder.py, multimodal_projector/builder.py),
 * the released FlexAttention weights among them: the language model's fields at the top of config.json, the vision tower by its name.
 */
import type { JsonObject } from '../checkpoint-file.ts';
import { architectureNames, parseEnds, parseFeatureLayers, refuseQuantized } from './config-fields.ts';
import { ConfigSection } from './config-section.ts';
import { parseDecoder } from './decoder-config.ts';
import type { DecoderConfig, ModelConfig } from './model-config.ts';
import { parseVision } from './vision-config.ts';

/** IMAGE_TOKEN_INDEX of the official code: no token of the vocabulary. */
const imageTokenId = -200;
/** DEFAULT_IMAGE_TOKEN of the official code; the prompt is tokenized in two parts, before and after it. */
export const imagePlaceholder = '<image>';

export interface LlavaLayout {
  readonly family: DecoderConfig['family'];
  /** As config.json has it, "openai/clip-vit-large-patch14-336". */
  readonly towerName: string;
}

/** The fields of a vision tower, and where they were read. */
export interface TowerConfig {
  readonly fields: JsonObject;
  /** For messages. */
  readonly source: string;
}

const families: Readonly<Record<string, DecoderConfig['family']>> = {
  LlavaLlamaForCausalLM: 'llama',
  LlavaMistralForCausalLM: 'mistral',
  LlavaQwenForCausalLM: 'qwen2',
  llava: 'llama',
  llava_llama: 'llama',
  llava_mistral: 'mistral',
  llava_qwen: 'qwen2',
};

/**
 * Undefined for a checkpoint in the layout of transformers.
 * @throws FoveaError `checkpoint-malformed`, or `architecture-unsupported` for what is not of the LLaVA-1.5 kind
 */
export function readLlavaLayout(config: ConfigSection): LlavaLayout | undefined {
  if (!['mm_vision_tower', 'mm_projector_type', 'mm_hidden_size'].some(key => config.has(key))) return undefined;
  const type = config.text('model_type', '');
  const [name = type] = architectureNames(config);
  const family = Object.hasOwn(families, name) ? families[name] : undefined;
  if (!family) {
    throw config.unsupported(`the model is a ${name}.`, `Supported in LLaVA's own layout: ${shown(families)}.`);
  }
  refuseQuantized(config);
  const projector = config.text('mm_projector_type', 'linear');
  if (projector !== 'mlp2x_gelu') {
    const supported = 'Supported: mlp2x_gelu, the two layers of LLaVA-1.5. Older models have one.';
    throw config.unsupported(`the projector is of the kind "${projector}".`, supported);
  }
  const shape = config.text('image_aspect_ratio', 'square');
  if (shape !== 'square' && shape !== 'pad') {
    const supported = 'Supported: pad and square, one image for each question, as LLaVA-1.5 has it.';
    throw config.unsupported(`images are cut up by "${shape}", as LLaVA-1.6 does.`, supported);
  }
  if (config.boolean('s2', false)) {
    throw config.unsupported('features are made at several scales (s2).', 'Use a model with one scale.');
  }
  if (config.boolean('mm_use_im_start_end', false)) {
    throw config.unsupported('tokens stand around the image (mm_use_im_start_end).', 'LLaVA-1.5 has none; use that.');
  }
  const towerName = config.text('mm_vision_tower', '');
  if (towerName === '') throw config.unexpected('mm_vision_tower', 'the name of the vision tower');
  return { family, towerName };
}

export interface LlavaConfigFiles {
  readonly config: ConfigSection;
  readonly generation: ConfigSection;
  readonly layout: LlavaLayout;
  readonly tower?: TowerConfig;
}

/** @throws FoveaError `checkpoint-malformed` or `architecture-unsupported` */
export function parseLlavaConfig(
  { config, generation, layout, tower }: LlavaConfigFiles,
  headStored: boolean,
): ModelConfig {
  const vision = parseVision(tower && new ConfigSection(tower.fields, tower.source), config);
  const decoder = parseDecoder(config, layout.family, !headStored);
  const width = config.size('mm_hidden_size', vision.hiddenSize);
  if (width !== vision.hiddenSize) {
    throw config.unexpected('mm_hidden_size', `the ${vision.hiddenSize} of the vision tower ${layout.towerName}`);
  }
  const features = config.text('mm_vision_select_feature', 'patch');
  if (features !== 'patch' && features !== 'cls_patch') {
    throw config.unexpected('mm_vision_select_feature', '"patch" or "cls_patch"');
  }
  return {
    layout: 'llava',
    architecture: architectureNames(config)[0] ?? 'LlavaLlamaForCausalLM',
    vision,
    projector: { activation: 'gelu', bias: true },
    featureLayers: parseFeatureLayers(config, 'mm_vision_select_layer', vision.layers),
    selectStrategy: features === 'patch' ? 'default' : 'full',
    padsImages: config.text('image_aspect_ratio', 'square') === 'pad',
    decoder,
    imageTokenId,
    ...parseEnds([generation, config], decoder.family),
  };
}

function shown(names: object): string {
  return Object.keys(names)
    .filter(name => name.endsWith('CausalLM'))
    .join(', ');
}
