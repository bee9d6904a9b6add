/** From the config files of a LLaVA checkpoint, in the spelling of any transformers version or in LLaVA's own, to a `ModelConfig`. */
import type { JsonObject } from '../checkpoint-file.ts';
import { parseActivation } from './activation-name.ts';
import { ConfigSection } from './config-section.ts';
import { architectureNames, parseEnds, parseFeatureLayers, refuseQuantized } from './config-fields.ts';
import { parseDecoder } from './decoder-config.ts';
import { parseLlavaConfig, readLlavaLayout, type TowerConfig } from './llava-layout.ts';
import type { ModelConfig } from './model-config.ts';
import { parseVision } from './vision-config.ts';

export interface ConfigFiles {
  readonly config: JsonObject;
  readonly generation?: JsonObject | undefined;
  /** Of a checkpoint in LLaVA's own layout. */
  readonly tower?: TowerConfig | undefined;
}

const architecture = 'LlavaForConditionalGeneration';
const supported =
  'Fovea runs LLaVA models of transformers (model_type "llava") with a CLIP vision tower and a Llama, Mistral or ' +
  "Qwen2 language model, such as llava-hf/llava-1.5-7b-hf, and LLaVA-1.5 in the layout of LLaVA's own repository.";

/**
 * @param headStored whether the weights hold a language-model head; without one it is the transposed embedding
 * @throws FoveaError `checkpoint-malformed`, `checkpoint-missing` or `architecture-unsupported`
 */
export function parseModelConfig(files: ConfigFiles, headStored: boolean): ModelConfig {
  const config = new ConfigSection(files.config, 'config.json');
  const generation = new ConfigSection(files.generation ?? {}, 'generation_config.json');
  const layout = readLlavaLayout(config);
  if (layout) {
    return parseLlavaConfig({ config, generation, layout, ...(files.tower && { tower: files.tower }) }, headStored);
  }
  checkArchitecture(config);
  const vision = parseVision(config.section('vision_config'), config);
  const text = config.section('text_config') ?? config.empty('text_config');
  const decoder = parseDecoder(text, text.text('model_type', 'llama'), !headStored);
  const strategy = config.text('vision_feature_select_strategy', 'default');
  if (strategy !== 'default' && strategy !== 'full') {
    throw config.unexpected('vision_feature_select_strategy', '"default" or "full"');
  }
  return {
    layout: 'transformers',
    architecture,
    vision,
    projector: {
      activation: parseActivation(config, 'projector_hidden_act', 'gelu'),
      bias: config.boolean('multimodal_projector_bias', true),
    },
    featureLayers: parseFeatureLayers(config, 'vision_feature_layer', vision.layers),
    selectStrategy: strategy,
    padsImages: false,
    decoder,
    imageTokenId: config.number('image_token_index', config.number('image_token_id', 32_000)),
    ...parseEnds([generation, config, text], decoder.family),
  };
}

function checkArchitecture(config: ConfigSection): void {
  const type = config.text('model_type', '');
  const names = architectureNames(config);
  if (type !== 'llava') throw config.unsupported(`the model is a "${type}".`, supported);
  if (names.length > 0 && !names.includes(architecture)) {
    throw config.unsupported(`the architecture is ${names.join(', ')}.`, supported);
  }
  refuseQuantized(config);
}
