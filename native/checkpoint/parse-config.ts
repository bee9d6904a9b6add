/** From the config files of a LLaVA checkpoint, in the spelling of any transformers version, to a `ModelConfig`. */
import type { JsonObject } from '../checkpoint-file.ts';
import { FoveaError } from '../errors.ts';
import { parseActivation } from './activation-name.ts';
import { ConfigSection } from './config-section.ts';
import { parseDecoder } from './decoder-config.ts';
import type { ModelConfig } from './model-config.ts';
import { parseVision } from './vision-config.ts';

export interface ConfigFiles {
  readonly config: JsonObject;
  readonly generation?: JsonObject | undefined;
}

const architecture = 'LlavaForConditionalGeneration';
const supported =
  'Fovea runs LLaVA models of transformers (model_type "llava") with a CLIP vision tower and a Llama, Mistral or ' +
  'Qwen2 language model, such as llava-hf/llava-1.5-7b-hf.';

/**
 * @param headStored whether the weights hold a language-model head; without one it is the transposed embedding
 * @throws FoveaError `checkpoint-malformed`, `checkpoint-missing` or `architecture-unsupported`
 */
export function parseModelConfig(files: ConfigFiles, headStored: boolean): ModelConfig {
  const config = new ConfigSection(files.config, 'config.json');
  const generation = new ConfigSection(files.generation ?? {}, 'generation_config.json');
  checkArchitecture(config);
  const vision = parseVision(config);
  const decoder = parseDecoder(config, !headStored);
  const text = config.section('text_config') ?? config.empty('text_config');
  const strategy = config.text('vision_feature_select_strategy', 'default');
  if (strategy !== 'default' && strategy !== 'full') {
    throw config.unexpected('vision_feature_select_strategy', '"default" or "full"');
  }
  return {
    architecture,
    vision,
    projector: {
      activation: parseActivation(config, 'projector_hidden_act', 'gelu'),
      bias: config.boolean('multimodal_projector_bias', true),
    },
    featureLayers: parseFeatureLayers(config, vision.layers),
    selectStrategy: strategy,
    decoder,
    imageTokenId: config.number('image_token_index', config.number('image_token_id', 32_000)),
    bosTokenId:
      firstOf([generation, config, text], 'bos_token_id')?.[0] ?? (decoder.family === 'qwen2' ? undefined : 1),
    endTokenIds: firstOf([generation, config, text], 'eos_token_id') ?? (decoder.family === 'qwen2' ? [] : [2]),
  };
}

function checkArchitecture(config: ConfigSection): void {
  const type = config.text('model_type', '');
  const architectures = config.raw('architectures');
  const names: unknown[] = Array.isArray(architectures) ? architectures : [];
  if (['mm_vision_tower', 'mm_projector_type', 'mm_hidden_size'].some(key => config.has(key))) {
    throw new FoveaError(
      'checkpoint-missing',
      "config.json is in the layout of LLaVA's own repository, whose weights lack the vision tower.",
      'Use the converted checkpoint of the same model from the llava-hf organisation, e.g. llava-hf/llava-1.5-7b-hf.',
    );
  }
  if (type !== 'llava') throw config.unsupported(`the model is a "${type}".`, supported);
  if (names.length > 0 && !names.includes(architecture)) {
    throw config.unsupported(`the architecture is ${names.map(String).join(', ')}.`, supported);
  }
  if (config.has('quantization_config')) {
    throw config.unsupported('the weights are quantized.', 'Use the checkpoint in float16, bfloat16 or float32.');
  }
}

/**
 * Indices into transformers' hidden states, of which the first is the embedding's output, to layers; so -2 is the
 * layer before the last one.
 */
function parseFeatureLayers(config: ConfigSection, layers: number): readonly number[] {
  const indices = config.integers('vision_feature_layer') ?? [-2];
  const featureLayers = indices.map(index => (index < 0 ? layers + index : index - 1));
  if (featureLayers.length === 0 || featureLayers.some(layer => layer < -1 || layer >= layers)) {
    throw config.unexpected('vision_feature_layer', `an index of the ${layers + 1} hidden states`);
  }
  return featureLayers;
}

function firstOf(sections: readonly ConfigSection[], key: string): readonly number[] | undefined {
  return sections.map(section => section.integers(key)).find(ids => ids && ids.length > 0);
}
