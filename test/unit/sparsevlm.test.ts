/** SparseVLM's token counts as published, and both versions on the bundled model. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import { sparseVlm2 } from '../../native/methods/sparsevlm/sparsevlm-2.ts';
import { sparseVlm } from '../../native/methods/sparsevlm/sparsevlm.ts';
import type { TokenMethod } from '../../native/methods/method.ts';
import { TokenReducer } from '../../native/methods/token-reducer.ts';
import { bundledModelFolder } from '../../native/models.ts';
import { planMethod } from '../../native/planning/plan.ts';
import type { MethodRequest } from '../../native/rpc.ts';
import { openTraceFile } from '../../trace/file.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { llava7b, setupFor } from '../fixtures/method-setup.ts';

const folder = await mkdtemp(path.join(os.tmpdir(), 'fovea-sparsevlm-'));
const pipeline = new Pipeline();
after(async () => {
  await pipeline.release();
  await rm(folder, { recursive: true });
});

function run(method: MethodRequest | undefined, logits?: Float32Array[]): Promise<RunMetadata> {
  return pipeline
    .analyze(
      {
        imagePath: path.resolve('media/samples/scene-04.png'),
        question: 'What is in the center?',
        modelFolder: bundledModelFolder(),
        tracePath: path.join(folder, 'run.fovea'),
        maxNewTokens: 4,
        sampling: { mode: 'greedy' },
        ...(method && { method }),
        device: 'cpu',
        threads: 1,
        progressToken: '',
      },
      { traced: logits === undefined, ...(logits && { observer: values => logits.push(values.slice()) }) },
    )
    .then(({ metadata }) => metadata);
}

const planned = (method: TokenMethod, budget: number) => planMethod(llava7b, { name: method.name, budget }, 92, 'F3');

test('the counts, means and key-value bytes of the specification for LLaVA-1.5-7B, version 1.5', async () => {
  const rows = [
    [192, 309, 204, 113, 192.03, 206.5, 108.3],
    [128, 312, 117, 39, 128.62, 145.41, 76.2],
    [96, 249, 55, 27, 96.94, 114.09, 59.8],
    [64, 82, 32, 18, 64.81, 82.25, 43.1],
  ] as const;
  for (const [budget, first, second, third, eOut, eIn, megabytes] of rows) {
    const plan = await planned(sparseVlm, budget);
    const { leaving } = plan.visualTokensPerLayer;
    assert.deepEqual([leaving[2], leaving[6], leaving[15], leaving[31]], [first, second, third, third]);
    assert.ok(Math.abs(plan.eOut - eOut) < 0.0051, `E_out ${plan.eOut}`);
    assert.ok(Math.abs(plan.eIn - eIn) < 0.0051, `E_in ${plan.eIn}`);
    assert.ok(Math.abs(plan.visualKvBytes / 1e6 - megabytes) < 0.051, `${plan.visualKvBytes} bytes`);
    assert.match(plan.notes.join(' '), /Published table/);
  }
});

test('the means of the specification for LLaVA-1.5-7B, version 2.0', async () => {
  const rows = [
    [192, 192.4, 206.8],
    [128, 128, 144.1],
    [96, 96.8, 113.9],
    [64, 64.4, 81.8],
  ] as const;
  for (const [budget, eOut, eIn] of rows) {
    const plan = await planned(sparseVlm2, budget);
    assert.ok(Math.abs(plan.eOut - eOut) < 0.051 && Math.abs(plan.eIn - eIn) < 0.051, `${plan.eOut} ${plan.eIn}`);
  }
});

test('every other budget and depth gets counts that meet it exactly', async () => {
  const bundled = { ...llava7b, decoder: { ...llava7b.decoder, layers: 12, heads: 6 } };
  for (const [shape, budgets] of [
    [bundled, [64, 96, 128, 192, 300]],
    [llava7b, [100, 150, 250, 400]],
    [{ ...llava7b, decoder: { ...llava7b.decoder, layers: 40 } }, [64, 128, 192]],
  ] as const) {
    for (const method of [sparseVlm, sparseVlm2]) {
      for (const budget of budgets) {
        assert.equal((await planMethod(shape, { name: method.name, budget }, 92, 'F3')).eOut, budget);
      }
    }
  }
  await assert.rejects(() => planMethod(bundled, { name: 'sparsevlm', budget: 40 }, 92, 'F3'), {
    code: 'budget-impossible',
    hint: /52/,
  });
});

test('an empty list of layers prunes nothing: logits are bit-equal to no method', async () => {
  const plain: Float32Array[] = [];
  await run(undefined, plain);
  for (const name of ['sparsevlm', 'sparsevlm-2']) {
    const logits: Float32Array[] = [];
    await run({ name, parameters: { layers: '' } }, logits);
    assert.deepEqual(logits, plain, name);
  }
});

test('version 1.5 puts clusters behind the kept tokens, counts positions anew, and leaves no gap between key and query', async () => {
  const { reduction, method, tokens } = await run({ name: 'sparsevlm', budget: 64 });
  assert.equal(method.budget!.reached, 64);
  const [raters, first] = reduction!.stages;
  assert.ok(raters!.raters!.length > 0);
  const [relevance] = raters!.textScores!;
  assert.ok(Math.abs(relevance!.values.reduce((sum, value) => sum + value, 0) - 1) < 1e-6);
  const chosen = relevance!.values.flatMap((value, index) =>
    value > relevance!.cutoff!.value ? [relevance!.first + index] : [],
  );
  assert.deepEqual(raters!.raters, chosen);
  assert.ok(chosen.every(index => tokens[index]!.role !== 'generated'));
  for (const { lastKeyPosition, queryPosition, sequence, cacheLength } of reduction!.layers) {
    assert.equal(lastKeyPosition, sequence - 1);
    assert.equal(queryPosition, sequence);
    assert.equal(cacheLength, sequence + reduction!.decodeSteps);
  }
  const trace = await openTraceFile(path.join(folder, 'run.fovea'));
  const slice = async (name: 'fates.fate' | 'fates.token' | 'fates.reason'): Promise<number[]> => {
    const { data } = await trace.slice(name, [[1, 2]]);
    return name === 'fates.token' ? Array.from(new Int32Array(data.slice().buffer)) : Array.from(data);
  };
  const [fate, token, reason] = [await slice('fates.fate'), await slice('fates.token'), await slice('fates.reason')];
  await trace.close();
  const kept = token.filter((_, patch) => reason[patch] === 0);
  assert.deepEqual(
    kept,
    kept.map((_, index) => index),
  );
  const clustered = token.filter((_, patch) => reason[patch] === 1 || reason[patch] === 2);
  assert.deepEqual(
    [...new Set(clustered)].sort((a, b) => a - b),
    Array.from({ length: first!.leaving - kept.length }, (_, index) => kept.length + index),
  );
  assert.ok(fate.every((value, patch) => (value === 2) === (reason[patch] === 3)));
});

test('version 2.0 recycles nothing and keeps positions', async () => {
  const { reduction } = await run({ name: 'sparsevlm-2', budget: 128 });
  const [, first] = reduction!.stages;
  assert.match(first!.notes.join(' '), /^Heads \d, \d, \d of 6/);
  for (const { lastKeyPosition, queryPosition } of reduction!.layers) {
    assert.equal(lastKeyPosition, 587);
    assert.equal(queryPosition, 588);
  }
  const trace = await openTraceFile(path.join(folder, 'run.fovea'));
  const { data } = await trace.slice('fates.fate', [[1, 2]]);
  await trace.close();
  assert.equal(data.filter(fate => fate === 0).length, first!.leaving);
  assert.equal(data.filter(fate => fate === 1).length, 0);
});

test('by the publication the rank decides, a budget finds lambda, and clusters become sums', async () => {
  const { method, reduction } = await run({ name: 'sparsevlm', variant: 'paper', budget: 128 });
  const lambda = Number(method.parameters['lambda']);
  assert.ok(lambda > 0 && lambda < 1);
  assert.ok(method.budget!.reached <= 128 && method.budget!.reached > 126, `reached ${method.budget!.reached}`);
  const [, first] = reduction!.stages;
  const [, rank = '', dropped = ''] = /^Rank (\d+) .* = (\d+) go/.exec(first!.notes[0]!)!;
  assert.equal(Number(dropped), Math.floor(lambda * (576 - Number(rank))));
  assert.ok(Number(rank) <= reduction!.stages[0]!.raters!.length);
  await assert.rejects(run({ name: 'sparsevlm', variant: 'paper', budget: 20 }), {
    code: 'budget-impossible',
    hint: /deletion to table/,
  });
  const reducer = TokenReducer.of('x', { beforeDecoder: () => sum }, setupFor(sparseVlm));
  const sum = { id: 'sum', title: 'Sum', tokens: [{ members: [4, 9], scale: 2 }, { members: [0] }] };
  const reduced = await reducer.beforeDecoder({ visual: new Float32Array(), text: new Float32Array() });
  assert.deepEqual(reduced!.groups, [{ members: [4, 9], weights: [1, 1] }, { members: [0] }]);
  assert.deepEqual(reducer.tokens.list[0]!.weights, [0.5, 0.5]);
});

test('lists that do not go together, missing layers and budgets next to what they set are refused with a way out', async () => {
  const rejects = (method: Omit<MethodRequest, 'name'>, message: RegExp, hint: RegExp) =>
    assert.rejects(run({ name: 'sparsevlm', ...method }), { code: 'usage', message, hint });
  await rejects({ parameters: { layers: '1,3' } }, /after 2 layers, but tokens has 3/, /1, 3/);
  await rejects({ parameters: { layers: '5,1,3' } }, /5, 1, 3 do not ascend/, /1, 3, 5, and tokens/);
  await rejects({ parameters: { layers: '1,2,40' } }, /layer 40: the last one is 11/, /0 to 11/);
  await rejects({ parameters: { tokens: '9,8,7' }, budget: 64 }, /tokens is given/, /Leave out/);
  await rejects({ parameters: { lambda: 0.5 }, variant: 'paper', budget: 64 }, /lambda is given/, /Leave out/);
  await rejects({ parameters: { keep: 5 } }, /no parameter "keep"/, /tokens/);
  const { method } = await run({ name: 'sparsevlm', budget: 128, parameters: { layers: '1,3' } });
  assert.equal(method.budget!.reached, 128);
  assert.equal((method.parameters['tokens'] as number[]).length, 2);
});
