/** The token methods' common ground, run on the bundled model: plans really shorten what later layers see. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import { checkPlan } from '../../native/methods/check-plan.ts';
import { TokenReducer } from '../../native/methods/token-reducer.ts';
import { VisualTokens } from '../../native/methods/visual-tokens.ts';
import { matchTokens } from '../../native/methods/tome/bipartite-matching.ts';
import { bundledModelFolder } from '../../native/models.ts';
import type { AnalyzeRequest, MethodRequest } from '../../native/rpc.ts';
import { fateNames } from '../../trace/fates.ts';
import { openTraceFile } from '../../trace/file.ts';

const folder = await mkdtemp(path.join(os.tmpdir(), 'fovea-methods-'));
const pipeline = new Pipeline();
after(async () => {
  await pipeline.release();
  await rm(folder, { recursive: true });
});

function requestOf(method?: MethodRequest): AnalyzeRequest {
  return {
    imagePath: path.resolve('media/samples/scene-04.png'),
    question: 'What is in the center?',
    modelFolder: bundledModelFolder(),
    tracePath: path.join(folder, `${method?.name ?? 'plain'}.fovea`),
    maxNewTokens: 6,
    sampling: { mode: 'greedy' },
    ...(method && { method }),
    device: 'cpu',
    threads: 1,
    progressToken: '',
  };
}

async function logitsOf(method?: MethodRequest): Promise<Float32Array[]> {
  const logits: Float32Array[] = [];
  await pipeline.analyze(requestOf(method), {
    traced: false,
    observer: values => {
      logits.push(values.slice());
    },
  });
  return logits;
}

test('a method that keeps every token gives bit-equal logits to no method', async () => {
  const plain = await logitsOf();
  const everything: MethodRequest[] = [
    { name: 'none' },
    ...['cls-top-k', 'random', 'pooling', 'center-crop'].map(name => ({ name, parameters: { tokens: 576 } })),
    { name: 'fastv', parameters: { ratio: 0 } },
    { name: 'fastv', variant: 'paper', parameters: { ratio: 0 } },
    { name: 'tome', parameters: { counts: '0,0', sorted: true } },
  ];
  for (const method of everything) assert.deepEqual(await logitsOf(method), plain, JSON.stringify(method));
});

test('a budget of 64 leaves 64 visual tokens in every layer and cache, and the trace says which', async () => {
  const { metadata, tracePath } = await pipeline.analyze(requestOf({ name: 'cls-top-k', budget: 64 }));
  const { reduction, method } = metadata;
  assert.deepEqual(method.budget, { asked: 64, reached: 64, counted: 'entering' });
  for (const layer of reduction!.layers) {
    assert.deepEqual([layer.entering, layer.leaving, layer.cached], [64, 64, 64]);
    assert.equal(layer.cacheLength, layer.sequence + reduction!.decodeSteps);
  }
  const trace = await openTraceFile(tracePath);
  const fate = await trace.slice('fates.fate');
  assert.equal(fate.data.filter(value => value === 0).length, 64);
  assert.equal(fate.data.filter(value => value === 2).length, 512);
  const { data } = await trace.slice('decoder.attention_to_image', [[10, 11]]);
  const halves = new Uint16Array(data.slice().buffer);
  fate.data.forEach((value, patch) => {
    if (value === 2) assert.equal(halves[patch], 0, `dropped patch ${patch} has attention`);
  });
  await trace.close();
});

test('budgets of all methods are met, and the trace tells fates at every stage', async () => {
  for (const name of ['fastv', 'tome', 'pooling', 'center-crop']) {
    const { metadata, tracePath } = await pipeline.analyze(requestOf({ name, budget: 96 }));
    const { reached } = metadata.method.budget!;
    assert.ok(Math.abs(reached - 96) < 1, `${name}: ${reached}`);
    const trace = await openTraceFile(tracePath);
    const token = await trace.slice('fates.token');
    const stages = metadata.reduction!.stages;
    assert.equal(token.shape[0], stages.length);
    const tokens = new Int32Array(token.data.slice().buffer);
    stages.forEach(({ leaving }, stage) => {
      const present = new Set(tokens.subarray(stage * 576, (stage + 1) * 576));
      present.delete(-1);
      assert.equal(present.size, leaving, `${name}, stage ${stage}`);
    });
    await trace.close();
  }
});

test('original positions leave gaps, and new tokens go on after the last one', async () => {
  const { metadata } = await pipeline.analyze(
    requestOf({ name: 'random', parameters: { tokens: '100', positions: 'original', seed: '7' } }),
  );
  const last = metadata.tokens[metadata.promptTokens - 1]!.position;
  for (const { lastKeyPosition, queryPosition } of metadata.reduction!.layers) {
    assert.equal(lastKeyPosition, last);
    assert.equal(queryPosition, last + 1);
  }
});

test('merged tokens know their patches and weights through merges of merges', () => {
  const first = VisualTokens.ofPatches(6).combine([{ members: [0, 1] }, { members: [2] }, { members: [3, 5] }]);
  const second = first.combine([{ members: [1, 2], weights: [0.25, 0.75] }, { members: [0] }]);
  assert.deepEqual(
    second.list.map(({ patches, weights }) => ({ patches, weights })),
    [
      { patches: [2, 3, 5], weights: [0.25, 0.375, 0.375] },
      { patches: [0, 1], weights: [0.5, 0.5] },
    ],
  );
  assert.deepEqual([...second.spread(Float32Array.of(8, 2))], [1, 1, 2, 3, 0, 3]);
});

test('matching loses no token whose key has no direction, and its cut-off is a number that a trace can hold', () => {
  const keys = Float32Array.from([1, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 2, 1]);
  const { groups, cutoff } = matchTokens(keys, 7, 3);
  assert.deepEqual(groups.flat().toSorted(), [0, 1, 2, 3, 4, 5, 6]);
  assert.ok(Number.isFinite(cutoff));
});

test('only a token that stays is told to be rescued', async () => {
  const hooks = { beforeDecoder: () => ({ id: 'x', title: 'X', tokens: [{ members: [1] }], rescued: [0, 1] }) };
  const reducer = new TokenReducer('x', hooks, 3, 0);
  await reducer.beforeDecoder({ visual: new Float32Array(), text: new Float32Array() });
  const fates = reducer.record.tensors()['fates.fate']!.data;
  assert.deepEqual(
    Array.from(fates, fate => fateNames[fate]),
    ['dropped', 'rescued', 'dropped'],
  );
});

test('a plan that cannot be followed is refused with the name of its hook', () => {
  const plan = (members: number[], weights?: number[]) => ({
    id: 'x',
    title: 'X',
    tokens: [{ members, ...(weights && { weights }) }],
  });
  const hook = 'mine, decoder layer 2';
  const refused = { code: 'method-failed', message: /mine, decoder layer 2/ };
  for (const bad of [plan([]), plan([4]), plan([0, 0]), plan([0, 1], [0.5]), plan([0, 1], [0.9, 0.9])]) {
    assert.throws(() => {
      checkPlan(bad, 4, hook);
    }, refused);
  }
  assert.throws(() => {
    checkPlan({ id: 'x', title: 'X', tokens: [] }, 4, hook);
  }, refused);
  checkPlan(plan([3, 0], [0.5, 0.5]), 4, hook);
});

test('unknown methods, parameters and impossible budgets are told with what would do', async () => {
  const rejects = (method: MethodRequest, code: string, hint: RegExp) =>
    assert.rejects(pipeline.analyze(requestOf(method)), { code, hint });
  await rejects({ name: 'nothing' }, 'usage', /cls-top-k/);
  await rejects({ name: 'cls-top-k', parameters: { token: 3 } }, 'usage', /tokens/);
  await rejects({ name: 'cls-top-k', parameters: { tokens: 'many' } }, 'usage', /fovea methods/);
  await rejects({ name: 'cls-top-k', budget: 577 }, 'budget-impossible', /576/);
  await rejects({ name: 'cls-top-k', variant: 'paper' }, 'usage', /code/);
  await rejects({ name: 'fastv', budget: 64, parameters: { ratio: 0.5 } }, 'usage', /budget, or ratio/);
});
