/** Finds every weight under the names that any transformers version gives it. */
import { gridSide, type DecoderConfig, type ModelConfig, type VisionConfig } from './model-config.ts';
import type {
  ClipLayerWeights,
  DecoderLayerWeights,
  ModelWeights,
  PatchEmbeddingWeights,
  ProjectorWeights,
} from './model-weights.ts';
import { WeightFinder } from './weight-finder.ts';
import type { Weight, WeightIndex } from './weight-index.ts';

/** What the vision tower's own names come after in LLaVA's own layout. */
export const llavaTowerPrefix = 'model.vision_tower.vision_tower.';
const towerAnchor = 'embeddings.class_embedding';

/** Beginnings of names: of the llava-hf checkpoints on the hub first, then of newer transformers, then of LLaVA's own repository. */
const prefixes = {
  vision: [
    'vision_tower.vision_model.',
    'model.vision_tower.vision_model.',
    'model.vision_tower.',
    'vision_tower.',
    `${llavaTowerPrefix}vision_model.`,
    llavaTowerPrefix,
  ],
  projector: ['multi_modal_projector.', 'model.multi_modal_projector.', 'model.mm_projector.'],
  decoder: [
    'language_model.model.',
    'model.language_model.model.',
    'model.language_model.',
    'language_model.',
    'model.',
  ],
  head: ['language_model.', '', 'model.language_model.', 'model.'],
} as const;

/** Without a stored head the language model's head is its embedding, as transformers ties them. */
export function hasStoredHead(index: WeightIndex): boolean {
  return prefixes.head.some(prefix => index.has(`${prefix}lm_head.weight`));
}

/** Whether the vision tower of a checkpoint in LLaVA's own layout is among its weights. */
export function hasStoredTower(index: WeightIndex): boolean {
  return prefixes.vision.some(prefix => index.has(`${prefix}${towerAnchor}`));
}

export interface FoundWeights {
  readonly model: ModelWeights;
  /** The same, each once. */
  readonly used: readonly Weight[];
}

/**
 * All weights, their shapes compared with the config, so that a wrong checkpoint fails before anything loads.
 * @throws FoveaError `checkpoint-malformed` or `shape-mismatch` naming the tensor
 */
export function findModelWeights(index: WeightIndex, config: ModelConfig): FoundWeights {
  const { vision, decoder } = config;
  const finder = new WeightFinder(index);
  const visionTower = finder.below(prefixes.vision, towerAnchor);
  const languageModel = finder.below(prefixes.decoder, 'layers.0.input_layernorm.weight');
  const embeddingShape = [decoder.vocabularySize, decoder.hiddenSize];
  const embedding = languageModel.tensor('embed_tokens.weight', embeddingShape);
  const model: ModelWeights = {
    patchEmbedding: patchEmbedding(visionTower, vision),
    visionLayers: range(vision.layers).map(layer => clipLayer(visionTower.at(`encoder.layers.${layer}.`), vision)),
    projector: projector(finder, config),
    tokenEmbedding: embedding,
    decoderLayers: range(decoder.layers).map(layer => decoderLayer(languageModel.at(`layers.${layer}.`), decoder)),
    head: {
      norm: languageModel.tensor('norm.weight', [decoder.hiddenSize]),
      head: decoder.tiedHead
        ? embedding
        : finder.below(prefixes.head, 'lm_head.weight').tensor('lm_head.weight', embeddingShape),
    },
  };
  finder.throwMismatches();
  return { model, used: finder.used };
}

function patchEmbedding(tower: WeightFinder, vision: VisionConfig): PatchEmbeddingWeights {
  const { hiddenSize, patchSize } = vision;
  const positions = gridSide(vision) ** 2 + 1;
  return {
    patches: tower.tensor('embeddings.patch_embedding.weight', [hiddenSize, 3, patchSize, patchSize]),
    cls: tower.tensor('embeddings.class_embedding', [hiddenSize]),
    positions: tower.tensor('embeddings.position_embedding.weight', [positions, hiddenSize]),
    norm: tower.norm('pre_layrnorm', hiddenSize),
  };
}

function clipLayer(layer: WeightFinder, { hiddenSize, intermediateSize }: VisionConfig): ClipLayerWeights {
  return {
    attentionNorm: layer.norm('layer_norm1', hiddenSize),
    query: layer.linear('self_attn.q_proj', hiddenSize, hiddenSize, true),
    key: layer.linear('self_attn.k_proj', hiddenSize, hiddenSize, true),
    value: layer.linear('self_attn.v_proj', hiddenSize, hiddenSize, true),
    output: layer.linear('self_attn.out_proj', hiddenSize, hiddenSize, true),
    mlpNorm: layer.norm('layer_norm2', hiddenSize),
    up: layer.linear('mlp.fc1', intermediateSize, hiddenSize, true),
    down: layer.linear('mlp.fc2', hiddenSize, intermediateSize, true),
  };
}

function projector(finder: WeightFinder, config: ModelConfig): ProjectorWeights {
  const { vision, decoder, featureLayers } = config;
  const inputs = vision.hiddenSize * featureLayers.length;
  const [first, second] = config.layout === 'llava' ? ['0', '2'] : ['linear_1', 'linear_2'];
  const weights = finder.below(prefixes.projector, `${first}.weight`);
  return {
    first: weights.linear(first, decoder.hiddenSize, inputs, config.projector.bias),
    second: weights.linear(second, decoder.hiddenSize, decoder.hiddenSize, config.projector.bias),
  };
}

function decoderLayer(layer: WeightFinder, decoder: DecoderConfig): DecoderLayerWeights {
  const { hiddenSize, intermediateSize, queryKeyValueBias, outputBias, mlpBias } = decoder;
  const queries = decoder.heads * decoder.headSize;
  const keys = decoder.keyValueHeads * decoder.headSize;
  return {
    attentionNorm: layer.tensor('input_layernorm.weight', [hiddenSize]),
    query: layer.linear('self_attn.q_proj', queries, hiddenSize, queryKeyValueBias),
    key: layer.linear('self_attn.k_proj', keys, hiddenSize, queryKeyValueBias),
    value: layer.linear('self_attn.v_proj', keys, hiddenSize, queryKeyValueBias),
    output: layer.linear('self_attn.o_proj', hiddenSize, queries, outputBias),
    mlpNorm: layer.tensor('post_attention_layernorm.weight', [hiddenSize]),
    gate: layer.linear('mlp.gate_proj', intermediateSize, hiddenSize, mlpBias),
    up: layer.linear('mlp.up_proj', intermediateSize, hiddenSize, mlpBias),
    down: layer.linear('mlp.down_proj', hiddenSize, intermediateSize, mlpBias),
  };
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}
