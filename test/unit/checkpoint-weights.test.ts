import assert from 'node:assert/strict';
import { mkdirSync, renameSync, symlinkSync } from 'node:fs';
import { sep } from 'node:path';
import { test } from 'node:test';
import { openCheckpoint } from '../../native/checkpoint/checkpoint.ts';
import { CheckpointFolder } from '../fixtures/checkpoint-folder.ts';

const spellings: Readonly<Record<string, (name: string) => string>> = {
  'transformers 5, as in memory': name =>
    name
      .replace(/^language_model\.lm_head/, 'lm_head')
      .replace(/^language_model\.model/, 'model.language_model')
      .replace(/^vision_tower\.vision_model/, 'model.vision_tower')
      .replace(/^multi_modal_projector/, 'model.multi_modal_projector'),
  'with the inner vision_model': name =>
    name
      .replace(/^language_model\.lm_head/, 'lm_head')
      .replace(/^language_model\.model/, 'model.language_model')
      .replace(/^(vision_tower|multi_modal_projector)/, 'model.$1'),
};

for (const [generation, respell] of Object.entries(spellings)) {
  test(`the weights are found under the names of ${generation}`, async t => {
    const folder = CheckpointFolder.copy(t);
    const before = await openCheckpoint(folder.path);
    folder.header(header => {
      for (const [name, entry] of Object.entries(header)) {
        header[name] = undefined as never;
        header[respell(name)] = entry;
      }
    });
    const after = await openCheckpoint(folder.path);
    const respelled = new Set([...before.weights.keys()].map(respell));
    assert.deepEqual(new Set(after.weights.keys()), respelled);
    assert.equal(after.parameters, before.parameters);
    assert.equal(after.model.head.head.name, 'lm_head.weight');
    assert.equal(
      after.model.decoderLayers[1]?.query.weight.name,
      'model.language_model.layers.1.self_attn.q_proj.weight',
    );
    assert.notEqual(after.digest, before.digest);
  });
}

test('offsets point behind the header, and every weight of the model is counted once', async t => {
  const folder = CheckpointFolder.copy(t);
  const { weights, model, parameters, storedPrecision, requiredBytes } = await openCheckpoint(folder.path);
  const query = model.decoderLayers[0]!.query.weight;
  assert.equal(weights.get(query.name), query);
  assert.deepEqual([query.shape, query.bytes, query.file], [[32, 32], 2048, folder.file('model.safetensors')]);
  const used = [...weights.values()].filter(({ name }) => !name.includes('post_layernorm'));
  assert.equal(
    parameters,
    used.reduce((sum, { bytes }) => sum + bytes / 2, 0),
  );
  assert.equal(storedPrecision, 'F16');
  // All in four bytes, but for the embedding, which stays in its file.
  assert.equal(requiredBytes, parameters * 4 - 96 * 32 * 2);
});

test('without a stored head the embedding is the head; with one, whatever the config says, it is used', async t => {
  const tied = await openCheckpoint(CheckpointFolder.copy(t, 'tied-head').path);
  assert.ok(tied.config.decoder.tiedHead);
  assert.equal(tied.model.head.head, tied.model.tokenEmbedding);
  const stored = CheckpointFolder.copy(t).config({ tie_word_embeddings: true });
  const { config, model } = await openCheckpoint(stored.path);
  assert.equal(config.decoder.tiedHead, false);
  assert.notEqual(model.head.head, model.tokenEmbedding);
});

test('the digest follows config and headers, not the name of the folder', async t => {
  const [first, second] = [CheckpointFolder.copy(t), CheckpointFolder.copy(t)];
  const digest = async (folder: CheckpointFolder): Promise<string> => (await openCheckpoint(folder.path)).digest;
  assert.match(await digest(first), /^[0-9a-f]{64}$/);
  assert.equal(await digest(first), await digest(second));
  assert.notEqual(await digest(second.section('text_config', { rms_norm_eps: 1e-5 })), await digest(first));
});

test('shards are put together, in any mixture of precisions', async t => {
  const folder = CheckpointFolder.copy(t, 'f32-sharded');
  const { model, weights, storedPrecision } = await openCheckpoint(folder.path);
  assert.equal(storedPrecision, 'F32');
  assert.ok(new Set([...weights.values()].map(weight => weight.file)).size > 1);
  assert.equal(model.visionLayers.length, 3);
});

test(
  'symbolic links, as in the Hugging Face cache, lead to the real files',
  { skip: process.platform === 'win32' },
  async t => {
    const folder = CheckpointFolder.copy(t);
    mkdirSync(folder.file('blobs'));
    renameSync(folder.file('model.safetensors'), folder.file('blobs/0123abcd'));
    symlinkSync('blobs/0123abcd', folder.file('model.safetensors'));
    const { model } = await openCheckpoint(folder.path);
    assert.ok(model.tokenEmbedding.file.endsWith(`blobs${sep}0123abcd`));
  },
);
