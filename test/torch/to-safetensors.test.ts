/** The script that an error about pickled weights names: what torch saved is what Fovea reads. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readWeight } from '../../native/checkpoint/read-weight.ts';
import { readWeightFiles } from '../../native/checkpoint/weight-files.ts';
import { isWeight, type WeightIndex } from '../../native/checkpoint/weight-index.ts';
import { findPython } from './python.mjs';

const script = fileURLToPath(new URL('../../native/torch/to_safetensors.py', import.meta.url));
const python = findPython()!;

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-pickled-'));
  t.after(() => {
    rmSync(folder, { recursive: true });
  });
  return folder;
}

function run(args: readonly string[], cwd?: string): string {
  const { status, stderr } = spawnSync(python, args, { encoding: 'utf8', ...(cwd && { cwd }) });
  return status === 0 ? '' : stderr;
}

async function values(index: WeightIndex, name: string): Promise<number[]> {
  const tensor = index.get(name)!;
  assert.ok(isWeight(tensor));
  return [...(await readWeight(tensor))];
}

test('shards become safetensors with an index: every precision, shape and stride', async t => {
  const folder = folderOf(t);
  const save = `import torch
a = torch.arange(6, dtype=torch.float32).reshape(2, 3)
torch.save({'plain': a, 'turned': a.t(), 'half': a.half(), 'part': a[1]}, 'pytorch_model-00001-of-00002.bin')
torch.save({'brain': a.bfloat16() / 3, 'one': torch.tensor(7.0)}, 'pytorch_model-00002-of-00002.bin')`;
  assert.equal(run(['-c', save], folder), '');
  assert.equal(run([script, folder]), '');
  const { index } = await readWeightFiles(folder);
  assert.deepEqual([...index.keys()].sort(), ['brain', 'half', 'one', 'part', 'plain', 'turned']);
  assert.deepEqual(index.get('turned')!.shape, [3, 2]);
  assert.deepEqual(index.get('one')!.shape, []);
  assert.deepEqual(await values(index, 'plain'), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(await values(index, 'turned'), [0, 3, 1, 4, 2, 5]);
  assert.deepEqual(await values(index, 'half'), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(await values(index, 'part'), [3, 4, 5]);
  assert.equal(index.get('brain')!.dtype, 'BF16');
  assert.deepEqual((await values(index, 'brain')).slice(0, 4), [0, 0.333984375, 0.66796875, 1]);
  assert.ok(readdirSync(folder).every(name => !name.endsWith('.part')));
});

test('a single file needs no index; what is no tensor is refused, not run', async t => {
  const [single, hostile] = [folderOf(t), folderOf(t)];
  assert.equal(run(['-c', `import torch; torch.save({'a': torch.ones(2)}, 'pytorch_model.bin')`], single), '');
  assert.equal(run([script, single]), '');
  assert.deepEqual(await values((await readWeightFiles(single)).index, 'a'), [1, 1]);

  const attack = `import os, torch
class Attack:
    def __reduce__(self): return os.mkdir, ('ran',)
torch.save({'a': Attack()}, 'pytorch_model.bin')`;
  assert.equal(run(['-c', attack], hostile), '');
  assert.match(run([script, hostile], hostile), /weights.only|Unsupported/i);
  assert.deepEqual(readdirSync(hostile), ['pytorch_model.bin']);
});

test('a folder without pickled weights is told', t => {
  assert.match(run([script, folderOf(t)]), /There is no pytorch_model\*\.bin/);
});
