/** Whatever is wrong with a checkpoint, the error has the right code, names the culprit and says what to do. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { openCheckpoint } from '../../native/checkpoint/checkpoint.ts';
import { FoveaError, type FoveaErrorCode } from '../../native/errors.ts';
import { CheckpointFolder } from '../fixtures/checkpoint-folder.ts';

interface Case {
  readonly variant?: string;
  readonly damage: (folder: CheckpointFolder) => unknown;
  readonly code: FoveaErrorCode;
  readonly message: RegExp;
  readonly hint?: RegExp;
}

const queries = 'language_model.model.layers.0.self_attn.q_proj.weight';

const cases: Readonly<Record<string, Case>> = {
  'no config.json': {
    damage: folder => folder.remove('config.json'),
    code: 'checkpoint-missing',
    message: /no config\.json/,
  },
  'config.json cut short': {
    damage: folder => folder.write('config.json', '{"model_type": "lla'),
    code: 'checkpoint-malformed',
    message: /config\.json.*JSON/,
  },
  'config.json holding a list': {
    damage: folder => folder.write('config.json', '[]'),
    code: 'checkpoint-malformed',
    message: /config\.json/,
  },
  'a size that is a text': {
    damage: folder => folder.section('text_config', { hidden_size: 'large' }),
    code: 'checkpoint-malformed',
    message: /config\.json: text_config: hidden_size is "large"/,
  },
  'a section that is a number': {
    damage: folder => folder.config({ vision_config: 3 }),
    code: 'checkpoint-malformed',
    message: /vision_config is 3/,
  },
  'heads that do not divide the width': {
    damage: folder => folder.section('vision_config', { num_attention_heads: 7 }),
    code: 'checkpoint-malformed',
    message: /num_attention_heads is 7/,
  },
  'key-value heads that do not divide the heads': {
    damage: folder => folder.section('text_config', { num_key_value_heads: 3 }),
    code: 'checkpoint-malformed',
    message: /num_key_value_heads is 3/,
  },
  'a feature layer that does not exist': {
    damage: folder => folder.config({ vision_feature_layer: [-2, 9] }),
    code: 'checkpoint-malformed',
    message: /vision_feature_layer is \[-2,9\]/,
  },
  'an oblong image size': {
    damage: folder => folder.section('vision_config', { image_size: [28, 42] }),
    code: 'checkpoint-malformed',
    message: /image_size/,
  },
  'a rotary embedding without its factor': {
    damage: folder => folder.section('text_config', { rope_parameters: { rope_type: 'linear' } }),
    code: 'checkpoint-malformed',
    message: /factor is missing/,
  },
  'another multimodal architecture': {
    damage: folder => folder.config({ model_type: 'llava_next', architectures: ['LlavaNextForConditionalGeneration'] }),
    code: 'architecture-unsupported',
    message: /llava_next/,
    hint: /CLIP vision tower.*Llama, Mistral or Qwen2/,
  },
  'another vision tower': {
    damage: folder => folder.section('vision_config', { model_type: 'siglip_vision_model' }),
    code: 'architecture-unsupported',
    message: /siglip_vision_model/,
    hint: /clip_vision_model/,
  },
  'another language model': {
    damage: folder => folder.section('text_config', { model_type: 'gemma' }),
    code: 'architecture-unsupported',
    message: /gemma/,
    hint: /llama, mistral, qwen2/,
  },
  'an unknown activation function': {
    damage: folder => folder.section('text_config', { hidden_act: 'mish' }),
    code: 'architecture-unsupported',
    message: /mish/,
    hint: /silu/,
  },
  'a rotary embedding of another kind': {
    damage: folder => folder.section('text_config', { rope_parameters: { rope_type: 'longrope', factor: 4 } }),
    code: 'architecture-unsupported',
    message: /longrope/,
    hint: /default, linear, dynamic, llama3, yarn/,
  },
  'quantized weights': {
    damage: folder => folder.config({ quantization_config: { quant_method: 'awq' } }),
    code: 'architecture-unsupported',
    message: /quantized/,
  },
  'no weights': {
    damage: folder => folder.remove('model.safetensors'),
    code: 'checkpoint-missing',
    message: /no weights/,
  },
  'only PyTorch weights': {
    damage: folder => folder.remove('model.safetensors').write('pytorch_model-00001-of-00002.bin', 'PK'),
    code: 'checkpoint-missing',
    message: /pytorch_model-00001-of-00002\.bin/,
    hint: /python3 ".*native.torch.to_safetensors\.py"/,
  },
  'a Git LFS pointer': {
    damage: folder =>
      folder.write('model.safetensors', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 90856\n'),
    code: 'checkpoint-missing',
    message: /model\.safetensors is a Git LFS pointer/,
    hint: /git lfs pull/,
  },
  'an empty weight file': {
    damage: folder => folder.write('model.safetensors', ''),
    code: 'checkpoint-malformed',
    message: /model\.safetensors.*0 bytes/,
  },
  'a header longer than the file': {
    damage: folder => folder.write('model.safetensors', Buffer.alloc(64, 0x7f)),
    code: 'checkpoint-malformed',
    message: /model\.safetensors.*header/,
  },
  'a header that is no JSON': {
    damage: folder => folder.weights('{"a": ', new Uint8Array()),
    code: 'checkpoint-malformed',
    message: /model\.safetensors.*JSON/,
  },
  'a weight file cut short': {
    damage: folder =>
      folder.write('model.safetensors', readFileSync(folder.file('model.safetensors')).subarray(0, 60_000)),
    code: 'checkpoint-malformed',
    message: /model\.safetensors.*Tensor ".*cut short/,
  },
  'bytes behind the last tensor': {
    damage: folder => {
      const bytes = readFileSync(folder.file('model.safetensors'));
      return folder.write('model.safetensors', Buffer.concat([bytes, Buffer.alloc(10)]));
    },
    code: 'checkpoint-malformed',
    message: /model\.safetensors.*10 bytes/,
  },
  'offsets outside the file': {
    damage: folder =>
      folder.header(header => {
        const [first, end] = header[queries]!.data_offsets;
        header[queries]!.data_offsets = [first + 10_000_000, end + 10_000_000];
      }),
    code: 'checkpoint-malformed',
    message: /model\.safetensors.*Tensor "/,
  },
  'a hole between tensors': {
    damage: folder =>
      folder.header(header => {
        header[queries] = undefined as never;
      }),
    code: 'checkpoint-malformed',
    message: /model\.safetensors.*gap/,
  },
  'tensors that overlap': {
    damage: folder =>
      folder.header(header => {
        header['second'] = header[queries]!;
      }),
    code: 'checkpoint-malformed',
    message: /overlaps/,
  },
  'an unknown data type': {
    damage: folder =>
      folder.header(header => {
        header[queries]!.dtype = 'F12';
      }),
    code: 'checkpoint-malformed',
    message: /model\.safetensors.*q_proj.*F12/,
  },
  'a weight of whole numbers': {
    damage: folder =>
      folder.header(header => {
        header[queries]!.dtype = 'I16';
      }),
    code: 'checkpoint-malformed',
    message: /q_proj.*I16.*model\.safetensors/,
  },
  'a shape that does not fit the bytes': {
    damage: folder =>
      folder.header(header => {
        header[queries]!.shape = [32, 31];
      }),
    code: 'checkpoint-malformed',
    message: /q_proj.*1984/,
  },
  'a negative size': {
    damage: folder =>
      folder.header(header => {
        header[queries]!.shape = [-32, -32];
      }),
    code: 'checkpoint-malformed',
    message: /q_proj.*\[-32,-32\]/,
  },
  'a tensor named twice': {
    damage: folder => {
      const bytes = readFileSync(folder.file('model.safetensors'));
      const end = 8 + Number(bytes.readBigUInt64LE());
      const text = bytes.subarray(8, end).toString().trimEnd();
      const entry = /"language_model\.lm_head\.weight":\{[^}]*\}/.exec(text)![0];
      return folder.weights(`${text.slice(0, -1)},${entry}}`, bytes.subarray(end));
    },
    code: 'checkpoint-malformed',
    message: /"language_model\.lm_head\.weight" is in the header twice/,
  },
  'a tensor missing': {
    damage: folder =>
      folder.header(header => {
        header['renamed'] = header[queries]!;
        header[queries] = undefined as never;
      }),
    code: 'checkpoint-malformed',
    message: /lack the tensor "language_model\.model\.layers\.0\.self_attn\.q_proj\.weight"/,
  },
  'no vision tower at all': {
    damage: folder =>
      folder.header(header => {
        const name = Object.keys(header).find(key => key.endsWith('class_embedding'))!;
        header['renamed'] = header[name]!;
        header[name] = undefined as never;
      }),
    code: 'checkpoint-malformed',
    message: /vision_tower.*class_embedding/,
  },
  'a weight of another shape': {
    damage: folder =>
      folder.header(header => {
        header[queries]!.shape = [16, 64];
      }),
    code: 'shape-mismatch',
    message: /q_proj\.weight" has the shape \[16, 64\], but config\.json makes it \[32, 32\]/,
  },
  'a config of a larger model': {
    damage: folder => folder.section('text_config', { vocab_size: 100 }),
    code: 'shape-mismatch',
    message: /embed_tokens\.weight" has the shape \[96, 32\].*\[100, 32\]; 1 more disagree/,
  },
  'a shard missing': {
    variant: 'f32-sharded',
    damage: folder => folder.remove('model-00003-of-00007.safetensors'),
    code: 'checkpoint-missing',
    message: /model-00003-of-00007\.safetensors is missing/,
  },
  'an index that is no map': {
    variant: 'f32-sharded',
    damage: folder => folder.write('model.safetensors.index.json', '{"weight_map": []}'),
    code: 'checkpoint-malformed',
    message: /index\.json.*weight_map/,
  },
  'an index that leaves the folder': {
    variant: 'f32-sharded',
    damage: folder => folder.write('model.safetensors.index.json', '{"weight_map": {"a": "../secret.safetensors"}}'),
    code: 'checkpoint-malformed',
    message: /"a" outside the folder, in \.\.\/secret\.safetensors/,
  },
  'an index with an absolute path': {
    variant: 'f32-sharded',
    damage: folder => folder.write('model.safetensors.index.json', '{"weight_map": {"a": "/etc/secret.safetensors"}}'),
    code: 'checkpoint-malformed',
    message: /outside the folder/,
  },
  'an index with a path of Windows': {
    variant: 'f32-sharded',
    damage: folder => folder.write('model.safetensors.index.json', '{"weight_map": {"a": "C:\\\\secret.safetensors"}}'),
    code: 'checkpoint-malformed',
    message: /outside the folder/,
  },
  'an index with a tensor that its shard lacks': {
    variant: 'f32-sharded',
    damage: folder => {
      const index = folder.readJson('model.safetensors.index.json') as { weight_map: Record<string, string> };
      index.weight_map['extra.weight'] = 'model-00001-of-00007.safetensors';
      return folder.write('model.safetensors.index.json', JSON.stringify(index));
    },
    code: 'checkpoint-malformed',
    message: /"extra\.weight" is in model-00001-of-00007\.safetensors, which lacks it/,
  },
};

for (const [name, { variant, damage, code, message, hint = /\S/ }] of Object.entries(cases)) {
  test(`${name}: ${code}, named, with advice`, async t => {
    const folder = CheckpointFolder.copy(t, variant);
    await openCheckpoint(folder.path);
    damage(folder);
    await assertFoveaError(openCheckpoint(folder.path), code, message, hint);
  });
}

test('a folder that does not exist, or is a file: checkpoint-missing', async t => {
  const folder = CheckpointFolder.copy(t);
  await assertFoveaError(openCheckpoint(folder.file('nowhere')), 'checkpoint-missing', /nowhere/, /config\.json/);
  await assertFoveaError(openCheckpoint(folder.file('config.json')), 'checkpoint-missing', /is a file/, /config\.json/);
});

async function assertFoveaError(
  attempt: Promise<unknown>,
  code: FoveaErrorCode,
  message: RegExp,
  hint: RegExp,
): Promise<void> {
  await assert.rejects(attempt, error => {
    assert.ok(error instanceof FoveaError, `not a FoveaError: ${String(error)}`);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.match(error.hint, hint);
    return true;
  });
}
