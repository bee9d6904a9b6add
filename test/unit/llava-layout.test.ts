/** LLaVA's own checkpoint layout beside transformers', with the same numbers: the same pixels, tokens and logits; and what is refused. */
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { type Analysis, Pipeline } from '../../native/analysis/pipeline.ts';
import { openCheckpoint } from '../../native/checkpoint/checkpoint.ts';
import { parseModelConfig } from '../../native/checkpoint/parse-config.ts';
import { FoveaError, type FoveaErrorCode } from '../../native/errors.ts';
import { shapeOf } from '../../native/planning/known-shapes.ts';
import type { MethodRequest } from '../../native/rpc.ts';
import type { CheckpointFolder } from '../fixtures/checkpoint-folder.ts';
import { inLlavaLayout, type TowerPlace, withReleasedProjections } from '../fixtures/llava-layout.ts';

const folder = await mkdtemp(path.join(os.tmpdir(), 'fovea-llava-'));
const pipeline = new Pipeline();
after(async () => {
  await pipeline.release();
  await rm(folder, { recursive: true });
});

interface Answer {
  readonly analysis: Analysis;
  readonly logits: readonly Float32Array[];
}

async function answer(
  model: CheckpointFolder,
  method?: MethodRequest,
  visionTower?: string,
  imagePath = path.resolve('media/samples/scene-03.png'),
): Promise<Answer> {
  const logits: Float32Array[] = [];
  const analysis = await pipeline.analyze(
    {
      imagePath,
      question: 'What is it?',
      modelFolder: model.path,
      ...(visionTower !== undefined && { visionTower }),
      tracePath: path.join(folder, 'run.fovea'),
      maxNewTokens: 4,
      sampling: { mode: 'greedy' },
      ...(method && { method }),
      device: 'cpu',
      threads: 1,
      progressToken: '',
    },
    {
      observer: step => {
        logits.push(step.slice());
      },
    },
  );
  return { analysis, logits };
}

function assertSameBits(actual: Answer, expected: Answer): void {
  assert.ok(expected.logits.length > 0);
  assert.deepEqual(actual.logits, expected.logits);
  const tokens = ({ analysis }: Answer) =>
    analysis.metadata.tokens.map(({ id, text, role, position }) => ({ id, text, role, position }));
  assert.deepEqual(tokens(actual), tokens(expected));
}

const flexattention: MethodRequest = { name: 'flexattention', parameters: { cells: 2 } };

for (const place of ['inside', 'in the folder', 'beside', 'elsewhere'] satisfies TowerPlace[]) {
  test(`the tower ${place}: the same logits, bit for bit, as the same numbers in transformers' layout`, async t => {
    const reference = withReleasedProjections(t);
    const own = inLlavaLayout(t, reference, place);
    const tower = place === 'elsewhere' ? own.file('elsewhere/tower') : undefined;
    assertSameBits(await answer(own, undefined, tower), await answer(reference));
    const [released, expected] = [await answer(own, flexattention, tower), await answer(reference, flexattention)];
    assertSameBits(released, expected);
    const { highResolution } = released.analysis.metadata;
    assert.equal(highResolution!.weights.kind, 'released');
    assert.deepEqual(highResolution!.rule, { kind: 'threshold', threshold: 48 });
    assert.deepEqual(highResolution!.grid, { rows: 12, columns: 12 });
    assert.ok(highResolution!.weights.distances!.every(({ keys, values }) => keys > 0 && values > 0));
  });
}

test('released weights see the large image scaled down, as their code has it; that can be undone, to the plain model bit by bit', async t => {
  const own = inLlavaLayout(t, withReleasedProjections(t), 'inside');
  const plain = await answer(own);
  const nothing = (low: object): MethodRequest => ({
    name: 'flexattention',
    parameters: { cells: 2, source: 'none', ...low },
  });
  const scaled = await answer(own, nothing({}));
  assert.equal(scaled.analysis.metadata.highResolution!.lowResolution, 'scaled');
  assert.notDeepEqual(scaled.logits, plain.logits);
  const resized = await answer(own, nothing({ low: 'resized' }));
  assert.equal(resized.analysis.metadata.highResolution!.lowResolution, 'resized');
  assert.match(resized.analysis.metadata.highResolution!.notes.join(), /trained otherwise: .*low scaled/);
  assertSameBits(resized, plain);
});

test('a picture that is not square is padded where image_aspect_ratio says so', async t => {
  const reference = withReleasedProjections(t);
  const own = inLlavaLayout(t, reference, 'inside');
  const wide = path.resolve('test/golden/variants/images/wide.png');
  const processor = { size: { shortest_edge: 28 }, crop_size: { height: 28, width: 28 } };
  reference.write('preprocessor_config.json', JSON.stringify({ ...processor, do_pad: true }));
  const padded = await answer(own, undefined, undefined, wide);
  assertSameBits(padded, await answer(reference, undefined, undefined, wide));
  reference.write('preprocessor_config.json', JSON.stringify(processor));
  assert.notDeepEqual(padded.logits, (await answer(reference, undefined, undefined, wide)).logits);
  own.config({ image_aspect_ratio: 'square' });
  assertSameBits(await answer(own, undefined, undefined, wide), await answer(reference, undefined, undefined, wide));
});

test("without a template the prompt is the one that LLaVA's own code writes, with <s> once", async t => {
  const own = inLlavaLayout(t, withReleasedProjections(t), 'inside').remove('chat_template.jinja');
  own.config({ max_position_embeddings: 512 });
  const { metadata } = (await answer(own)).analysis;
  const text =
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the human's questions. USER: <image>\nWhat is it? ASSISTANT:";
  assert.equal(metadata.prompt.text, text);
  assert.match(metadata.prompt.templateSource, /llava_v1/);
  const prompt = metadata.tokens.slice(0, metadata.promptTokens);
  // One token a letter, behind <s>.
  const asked = text.replace('<image>', '').indexOf('What') + 1;
  assert.deepEqual(
    prompt.map(({ role }) => role),
    prompt.map((_, index) =>
      index === 0 ? 'bos' : index >= asked && index < asked + 'What is it?'.length ? 'question' : 'system',
    ),
  );
  const before = text.indexOf('<image>') + 1;
  assert.deepEqual(
    prompt.map(({ position }) => position),
    prompt.map((_, index) => (index < before ? index : index + 16)),
  );
});

test('LLaVA-1.5-7B as it was released: sizes of the tower by its name, of the rest by config.json', () => {
  const config = {
    architectures: ['LlavaLlamaForCausalLM'],
    hidden_size: 4096,
    image_aspect_ratio: 'pad',
    intermediate_size: 11008,
    max_position_embeddings: 4096,
    mm_hidden_size: 1024,
    mm_projector_type: 'mlp2x_gelu',
    mm_vision_select_feature: 'patch',
    mm_vision_select_layer: -2,
    mm_vision_tower: 'openai/clip-vit-large-patch14-336',
    model_type: 'llava',
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 32,
    rms_norm_eps: 1e-5,
    rope_scaling: null,
    vocab_size: 32000,
  };
  const { vision, decoder, featureLayers, layout, padsImages } = parseModelConfig({ config }, true);
  assert.deepEqual([vision.layers, vision.hiddenSize, vision.imageSize, vision.patchSize], [24, 1024, 336, 14]);
  assert.deepEqual([decoder.layers, decoder.heads, decoder.headSize, decoder.vocabularySize], [32, 32, 128, 32000]);
  assert.deepEqual([featureLayers, layout, padsImages], [[22], 'llava', true]);
});

interface Refusal {
  readonly damage: (folder: CheckpointFolder) => unknown;
  readonly place?: TowerPlace;
  readonly tower?: string;
  readonly code: FoveaErrorCode;
  readonly message: RegExp;
  readonly hint?: RegExp;
}

const refusals: Readonly<Record<string, Refusal>> = {
  'no tower anywhere': {
    place: 'elsewhere',
    damage: () => undefined,
    code: 'checkpoint-missing',
    message: /lack the vision tower openai\/clip-little-patch7-28/,
    hint: /--vision-tower.*fovea\.model\.visionTower/,
  },
  'a tower whose sizes are known and whose weights are nowhere': {
    place: 'elsewhere',
    damage: folder => folder.config({ mm_vision_tower: 'openai/clip-vit-large-patch14-336', mm_hidden_size: 1024 }),
    code: 'checkpoint-missing',
    message: /lack the vision tower openai\/clip-vit-large-patch14-336/,
    hint: /hf download openai\/clip-vit-large-patch14-336/,
  },
  'a named tower folder that is none': {
    damage: folder => {
      mkdirSync(folder.file('empty'));
    },
    tower: 'empty',
    code: 'checkpoint-missing',
    message: /named as the vision tower/,
  },
  'a tower name that is a path': {
    place: 'elsewhere',
    damage: folder => folder.config({ mm_vision_tower: `${folder.path}/elsewhere/tower` }),
    code: 'checkpoint-missing',
    message: /lack the vision tower/,
  },
  'a tower name that is the folder itself': {
    place: 'elsewhere',
    damage: folder => folder.config({ mm_vision_tower: `${folder.path}/.` }),
    code: 'checkpoint-missing',
    message: /lack the vision tower/,
  },
  'a tower name that is the name of the folder': {
    place: 'elsewhere',
    damage: folder => folder.config({ mm_vision_tower: path.basename(folder.path) }),
    code: 'checkpoint-missing',
    message: /lack the vision tower/,
  },
  'no tower name': {
    damage: folder => folder.config({ mm_vision_tower: undefined }),
    code: 'checkpoint-malformed',
    message: /mm_vision_tower is missing/,
  },
  'a tower of another kind': {
    place: 'in the folder',
    damage: folder => folder.write('clip-little-patch7-28/config.json', '{"model_type": "siglip_vision_model"}'),
    code: 'architecture-unsupported',
    message: /siglip_vision_model/,
    hint: /clip_vision_model/,
  },
  'a tower of another width': {
    damage: folder => folder.config({ mm_hidden_size: 32 }),
    code: 'checkpoint-malformed',
    message: /mm_hidden_size is 32 where the 24 of the vision tower/,
  },
  'a tower that is pickled': {
    place: 'in the folder',
    damage: folder => {
      rmSync(folder.file('clip-little-patch7-28/model.safetensors'));
      writeFileSync(folder.file('clip-little-patch7-28/pytorch_model.bin'), 'PK');
    },
    code: 'checkpoint-missing',
    message: /clip-little-patch7-28 are PyTorch pickles \(pytorch_model\.bin\)/,
    hint: /python3 ".*to_safetensors\.py" ".*clip-little-patch7-28"/,
  },
  'pickled weights': {
    damage: folder => folder.remove('model.safetensors.index.json').write('pytorch_model-00001-of-00002.bin', 'PK'),
    code: 'checkpoint-missing',
    message: /PyTorch pickles/,
    hint: /python3 ".*to_safetensors\.py"/,
  },
  'a LoRA adapter': {
    damage: folder => folder.remove('model.safetensors.index.json').write('adapter_config.json', '{}'),
    code: 'checkpoint-missing',
    message: /LoRA adapter/,
    hint: /merge_lora_weights/,
  },
  'LLaVA-1.6': {
    damage: folder => folder.config({ image_aspect_ratio: 'anyres' }),
    code: 'architecture-unsupported',
    message: /anyres/,
    hint: /LLaVA-1\.5/,
  },
  'a projector of one layer': {
    damage: folder => folder.config({ mm_projector_type: 'linear' }),
    code: 'architecture-unsupported',
    message: /"linear"/,
    hint: /mlp2x_gelu/,
  },
  'a projector of three layers': {
    damage: folder => folder.config({ mm_projector_type: 'mlp3x_gelu' }),
    code: 'architecture-unsupported',
    message: /mlp3x_gelu/,
  },
  'another language model': {
    damage: folder => folder.config({ architectures: ['LlavaMptForCausalLM'] }),
    code: 'architecture-unsupported',
    message: /LlavaMptForCausalLM/,
    hint: /LlavaLlamaForCausalLM, LlavaMistralForCausalLM/,
  },
  'several scales': {
    damage: folder => folder.config({ s2: true }),
    code: 'architecture-unsupported',
    message: /several scales/,
  },
  'tokens around the image': {
    damage: folder => folder.config({ mm_use_im_start_end: true }),
    code: 'architecture-unsupported',
    message: /mm_use_im_start_end/,
  },
  'quantized weights': {
    damage: folder => folder.config({ quantization_config: { quant_method: 'awq' } }),
    code: 'architecture-unsupported',
    message: /quantized/,
  },
  'features of another kind': {
    damage: folder => folder.config({ mm_vision_select_feature: 'cls' }),
    code: 'checkpoint-malformed',
    message: /mm_vision_select_feature is "cls"/,
  },
  'weights of another size': {
    damage: folder => folder.config({ intermediate_size: 64 }),
    code: 'shape-mismatch',
    message: /"model\.layers\.0\.mlp\.gate_proj\.weight" has the shape \[48, 32\].*\[64, 32\]/,
  },
};

for (const [name, { damage, place = 'inside', tower, code, message, hint = /\S/ }] of Object.entries(refusals)) {
  test(`${name}: ${code}, with advice`, async t => {
    const own = inLlavaLayout(t, withReleasedProjections(t), place);
    if (place !== 'elsewhere') await openCheckpoint(own.path);
    damage(own);
    await assertRefused(openCheckpoint(own.path, tower && own.file(tower)), code, message, hint);
  });
}

test('a tokenizer.model alone is refused with the command that makes a tokenizer.json of it', async t => {
  const own = inLlavaLayout(t, withReleasedProjections(t), 'inside')
    .remove('tokenizer.json')
    .write('tokenizer.model', '');
  await assertRefused(
    answer(own),
    'checkpoint-missing',
    /only tokenizer\.model/,
    /LlamaTokenizerFast.*save_pretrained/,
  );
});

test('projections of the wrong shape are named when FlexAttention asks for them, and only then', async t => {
  const own = inLlavaLayout(t, withReleasedProjections(t), 'inside');
  for (const shard of ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']) {
    own.header(header => {
      const entry = header['model.layers.1.self_attn.k_proj_hd.weight'];
      if (entry) entry.shape = [32, 16];
    }, shard);
  }
  assert.equal((await answer(own)).analysis.state, 'complete');
  await assertRefused(answer(own, flexattention), 'shape-mismatch', /k_proj_hd.*\[32, 16\].*\[16, 32\]/, /\S/);
});

test('sizes of images that the tower does not take, or that are no whole number of tiles, are named', async t => {
  const own = inLlavaLayout(t, withReleasedProjections(t), 'inside');
  const extra = own.readJson('config.json')['extra'] as object;
  for (const [change, message] of [
    [{ lowres_size: '14' }, /lowres_size is 14 where the 28 pixels/],
    [{ highres_size: '70' }, /highres_size is 70 where a multiple of lowres_size/],
    [{ highres_size: 'large' }, /highres_size is "large"/],
  ] as const) {
    own.config({ extra: { ...extra, ...change } });
    await assertRefused(answer(own, flexattention), 'checkpoint-malformed', message, /\S/);
  }
});

test('a plan takes the tower of such a config by its name, or from beside it', async t => {
  const own = inLlavaLayout(t, withReleasedProjections(t), 'in the folder');
  const { shape } = await shapeOf(own.file('config.json'));
  assert.deepEqual([shape.vision.layers, shape.vision.hiddenSize, shape.grid.rows], [3, 24, 4]);
  own.config({ mm_vision_tower: 'openai/clip-vit-large-patch14-336', mm_hidden_size: 1024 });
  assert.deepEqual((await shapeOf(own.file('config.json'))).shape.grid, { rows: 24, columns: 24 });
});

test('the tower is found in the cache of Hugging Face that the checkpoint lies in', async t => {
  const cache = path.join(folder, 'hub');
  const own = inLlavaLayout(t, withReleasedProjections(t), 'in the folder').moved(
    t,
    cache,
    'models--senfu--little/snapshots/0123abcd',
  );
  const snapshots = path.join(cache, 'models--openai--clip-little-patch7-28/snapshots');
  mkdirSync(snapshots, { recursive: true });
  renameSync(own.file('clip-little-patch7-28'), path.join(snapshots, '4567cdef'));
  assert.equal((await openCheckpoint(own.path)).towerFolder, path.join(snapshots, '4567cdef'));
});

test('the digest follows the tower, too', async t => {
  const own = inLlavaLayout(t, withReleasedProjections(t), 'in the folder');
  const { digest } = await openCheckpoint(own.path);
  assert.equal((await openCheckpoint(own.path)).digest, digest);
  const config = own.readJson('clip-little-patch7-28/config.json');
  own.write('clip-little-patch7-28/config.json', JSON.stringify({ ...config, note: 'changed' }));
  assert.notEqual((await openCheckpoint(own.path)).digest, digest);
});

async function assertRefused(
  attempt: Promise<unknown>,
  code: FoveaErrorCode,
  message: RegExp,
  hint: RegExp,
): Promise<void> {
  await assert.rejects(attempt, error => {
    assert.ok(error instanceof FoveaError, `not a FoveaError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.match(error.hint, hint);
    return true;
  });
}
