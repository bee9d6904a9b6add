import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseModelConfig } from '../../native/checkpoint/parse-config.ts';
import type { ModelConfig } from '../../native/checkpoint/model-config.ts';
import type { JsonObject } from '../../native/checkpoint-file.ts';

const parse = (config: JsonObject, generation?: JsonObject): ModelConfig =>
  parseModelConfig({ config: { model_type: 'llava', ...config }, generation }, true);
const rope = (text: JsonObject): ModelConfig['decoder']['rope'] => parse({ text_config: text }).decoder.rope;

test('the sparse config of llava-1.5-7b-hf gives the sizes of Vicuna 7B and CLIP ViT-L/14-336', () => {
  const config = parse({
    architectures: ['LlavaForConditionalGeneration'],
    image_token_index: 32000,
    projector_hidden_act: 'gelu',
    text_config: {
      _name_or_path: 'lmsys/vicuna-7b-v1.5',
      architectures: ['LlamaForCausalLM'],
      max_position_embeddings: 4096,
      model_type: 'llama',
      rms_norm_eps: 1e-5,
      torch_dtype: 'float16',
      vocab_size: 32064,
    },
    vision_config: {
      hidden_size: 1024,
      image_size: 336,
      intermediate_size: 4096,
      model_type: 'clip_vision_model',
      num_attention_heads: 16,
      num_hidden_layers: 24,
      patch_size: 14,
      projection_dim: 768,
      vocab_size: 32000,
    },
    vision_feature_layer: -2,
    vision_feature_select_strategy: 'default',
    tie_word_embeddings: false,
  });
  assert.deepEqual(config, {
    layout: 'transformers',
    architecture: 'LlavaForConditionalGeneration',
    vision: {
      hiddenSize: 1024,
      intermediateSize: 4096,
      layers: 24,
      heads: 16,
      imageSize: 336,
      patchSize: 14,
      normEpsilon: 1e-5,
      activation: 'quick_gelu',
    },
    projector: { activation: 'gelu', bias: true },
    featureLayers: [22],
    selectStrategy: 'default',
    padsImages: false,
    decoder: {
      family: 'llama',
      hiddenSize: 4096,
      intermediateSize: 11008,
      layers: 32,
      heads: 32,
      keyValueHeads: 32,
      headSize: 128,
      vocabularySize: 32064,
      maxPositions: 4096,
      normEpsilon: 1e-5,
      activation: 'silu',
      rope: { kind: 'default', theta: 10000 },
      queryKeyValueBias: false,
      outputBias: false,
      mlpBias: false,
      tiedHead: false,
    },
    imageTokenId: 32000,
    bosTokenId: 1,
    endTokenIds: [2],
  });
});

test('without a vision_config the tower is that of LlavaConfig; with an empty one that of CLIPVisionConfig', () => {
  assert.deepEqual([parse({}).vision.hiddenSize, parse({}).vision.patchSize, parse({}).vision.layers], [1024, 14, 24]);
  const { vision } = parse({ vision_config: {} });
  assert.deepEqual([vision.hiddenSize, vision.patchSize, vision.layers, vision.imageSize], [768, 32, 12, 224]);
});

test('absent sizes take the defaults of each language model; null key-value heads mean one per head', () => {
  const mistral = parse({ text_config: { model_type: 'mistral', sliding_window: null } }).decoder;
  assert.deepEqual([mistral.keyValueHeads, mistral.intermediateSize, mistral.maxPositions], [8, 14336, 131072]);
  const qwen2 = parse({ text_config: { model_type: 'qwen2' } }).decoder;
  assert.deepEqual([qwen2.keyValueHeads, qwen2.intermediateSize, qwen2.vocabularySize], [32, 22016, 151936]);
  const all = { model_type: 'mistral', sliding_window: null, num_key_value_heads: null };
  assert.equal(parse({ text_config: all }).decoder.keyValueHeads, 32);
});

test('biases: Llama by attention_bias and mlp_bias, Qwen2 always on queries, keys and values, Mistral never', () => {
  const biases = (text_config: JsonObject): boolean[] => {
    const { queryKeyValueBias, outputBias, mlpBias } = parse({ text_config }).decoder;
    return [queryKeyValueBias, outputBias, mlpBias];
  };
  const asked = { attention_bias: true, mlp_bias: true, sliding_window: null };
  assert.deepEqual(biases({ model_type: 'llama' }), [false, false, false]);
  assert.deepEqual(biases({ model_type: 'llama', ...asked }), [true, true, true]);
  assert.deepEqual(biases({ model_type: 'qwen2', ...asked }), [true, false, false]);
  assert.deepEqual(biases({ model_type: 'mistral', ...asked }), [false, false, false]);
});

test('feature layers index the hidden states, whose first is the embedding', () => {
  const vision_config = { num_hidden_layers: 8 };
  const layers = (vision_feature_layer: unknown): readonly number[] =>
    parse({ vision_config, vision_feature_layer }).featureLayers;
  assert.deepEqual(layers(-2), [6]);
  assert.deepEqual(layers(-1), [7]);
  assert.deepEqual(layers(8), [7]);
  assert.deepEqual(layers([0, 3, -9]), [-1, 2, -1]);
});

test('a sliding window bounds the sequence where it is active, and only there', () => {
  const longest = (fields: JsonObject): number =>
    parse({ text_config: { max_position_embeddings: 1000, ...fields } }).decoder.maxPositions;
  assert.equal(longest({ model_type: 'mistral', sliding_window: 64 }), 64);
  assert.equal(longest({ model_type: 'mistral', sliding_window: null }), 1000);
  assert.equal(longest({ model_type: 'mistral' }), 1000, 'the default window of 4096 is longer');
  assert.equal(longest({ model_type: 'llama', sliding_window: 64 }), 1000);
  assert.equal(longest({ model_type: 'qwen2', sliding_window: 10 }), 1000);
  const active = { model_type: 'qwen2', use_sliding_window: true, sliding_window: 10, num_hidden_layers: 4 };
  assert.equal(longest({ ...active, max_window_layers: 4 }), 1000);
  assert.equal(longest({ ...active, max_window_layers: 3 }), 10);
  assert.equal(longest({ ...active, max_window_layers: 3, layer_types: ['full_attention'] }), 1000);
});

test('rope_scaling beside rope_theta and rope_parameters say the same', () => {
  const scaling = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
  const old = rope({ rope_theta: 5e5, rope_scaling: { rope_type: 'llama3', ...scaling } });
  assert.deepEqual(old, rope({ rope_parameters: { rope_theta: 5e5, rope_type: 'llama3', ...scaling } }));
  assert.deepEqual(old, {
    kind: 'llama3',
    theta: 5e5,
    factor: 8,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalMaxPositions: 8192,
  });
  assert.deepEqual(rope({ rope_scaling: { type: 'linear', factor: 2 } }), { kind: 'linear', theta: 10000, factor: 2 });
  assert.deepEqual(rope({ rope_scaling: null, rope_theta: 1e6 }), { kind: 'default', theta: 1e6 });
  assert.deepEqual(rope({ rope_parameters: { full_attention: { rope_type: 'default', rope_theta: 7 } } }), {
    kind: 'default',
    theta: 7,
  });
});

test('YaRN: the attention factor is given, or follows from the factor, or from both scales', () => {
  const factorOf = (fields: JsonObject): number => {
    const yarn = rope({ rope_parameters: { rope_type: 'yarn', factor: 4, ...fields } });
    return yarn.kind === 'yarn' ? yarn.attentionFactor : NaN;
  };
  assert.equal(factorOf({ attention_factor: 0.7 }), 0.7);
  assert.equal(factorOf({}), 0.1 * Math.log(4) + 1);
  assert.equal(factorOf({ mscale: 1, mscale_all_dim: 1 }), 1);
  assert.equal(factorOf({ factor: 0.5 }), 1);
});

test('end tokens: generation_config.json first, then config.json, its text_config, and the family', () => {
  const text_config = { eos_token_id: 7 };
  assert.deepEqual(parse({ eos_token_id: 5, text_config }, { eos_token_id: [3, 4] }).endTokenIds, [3, 4]);
  assert.deepEqual(parse({ eos_token_id: 5, text_config }, { eos_token_id: null }).endTokenIds, [5]);
  assert.deepEqual(parse({ text_config }).endTokenIds, [7]);
  assert.deepEqual(parse({}).endTokenIds, [2]);
  assert.deepEqual(parse({ text_config: { model_type: 'qwen2' } }).endTokenIds, []);
});

test('the image token is found under either name', () => {
  assert.equal(parse({ image_token_index: 4 }).imageTokenId, 4);
  assert.equal(parse({ image_token_id: 5 }).imageTokenId, 5);
});
