/** Runs of token methods run again from their description: the same tokens, numbers and counts, or a clear no. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import { methodRequestOf } from '../../native/methods/request-of-run.ts';
import { bundledModelFolder } from '../../native/models.ts';
import { reproduce } from '../../native/report/reproduce.ts';
import { analyzeLine } from '../../native/report/reproduction.ts';
import type { MethodRequest } from '../../native/rpc.ts';
import type { RunMetadata } from '../../trace/schema.ts';

const folder = await mkdtemp(path.join(os.tmpdir(), 'fovea-again-'));
const pipeline = new Pipeline();
after(async () => {
  await pipeline.release();
  await rm(folder, { recursive: true });
});

async function runOf(method: MethodRequest): Promise<RunMetadata> {
  const { metadata } = await pipeline.analyze(
    {
      imagePath: path.resolve('media/samples/scene-04.png'),
      question: 'What is in the center?',
      modelFolder: bundledModelFolder(),
      tracePath: path.join(folder, 'run.fovea'),
      maxNewTokens: 4,
      sampling: { mode: 'greedy' },
      method,
      device: 'cpu',
      threads: 1,
      progressToken: '',
    },
    { traced: false },
  );
  return metadata;
}

const options = {
  imagePath: undefined,
  modelFolder: undefined,
  signal: new AbortController().signal,
  progress: () => undefined,
};

test('a run whose thresholds were searched for runs again with those thresholds and agrees bit for bit', async () => {
  const before = await runOf({ name: 'mustdrop', budget: 192 });
  const again = await reproduce(before, options);
  assert.deepEqual([again.tokensAgree, again.numbersAgree, again.reductionAgrees], [true, true, true]);
  assert.equal(again.largestLogprobDifference, 0);
  assert.deepEqual(again.layersThatDiffer, []);
  const line = analyzeLine(before);
  assert.match(line, /--method=mustdrop /);
  assert.match(line, new RegExp(`--set=globalThreshold=${String(before.method.parameters['globalThreshold'])}`));
});

test('counts that differ are found, layer by layer', async () => {
  const before = await runOf({ name: 'fastv', budget: 192 });
  const other = { ...before, reduction: structuredClone(before.reduction!) };
  const layers = other.reduction.layers.map((layer, index) => (index === 3 ? { ...layer, entering: 1 } : layer));
  const again = await reproduce({ ...other, reduction: { ...other.reduction, layers } }, options);
  assert.deepEqual([again.reductionAgrees, again.layersThatDiffer], [false, [3]]);
});

test('an own method that was edited since is refused by name', async () => {
  const file = path.join(folder, 'mine.mjs');
  const text = "export default { name: 'mine', start: () => ({ beforeDecoder: () => ({ keep: [0, 1, 2] }) }) };";
  await writeFile(file, text);
  const before = await runOf({ name: file });
  assert.equal((await reproduce(before, options)).reductionAgrees, true);
  await writeFile(file, `${text}\n`);
  await assert.rejects(reproduce(before, options), { code: 'usage', message: /mine\.mjs is not the method that ran/ });
});

test('two methods that ran together are asked for together', () => {
  const method = {
    name: 'mustdrop',
    variant: 'code',
    parameters: { localThreshold: 0.01 },
    beside: { name: 'flexattention', title: 'FlexAttention', variant: 'paper', parameters: { count: 58 } },
  } as const;
  assert.deepEqual(methodRequestOf({ method }), {
    name: 'mustdrop+flexattention',
    variant: 'code',
    parameters: { localThreshold: 0.01, 'flexattention.count': 58, 'flexattention.variant': 'paper' },
  });
});
