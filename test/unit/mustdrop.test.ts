/** MustDrop on the bundled model: the specification's self-checks, budgets, both decode caches, and its errors. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import { mustDrop } from '../../native/methods/mustdrop/mustdrop.ts';
import { keySetSize } from '../../native/methods/mustdrop/parameters.ts';
import { windowGrid } from '../../native/methods/mustdrop/window-merge.ts';
import { TokenReducer } from '../../native/methods/token-reducer.ts';
import type { VisualTokens } from '../../native/methods/visual-tokens.ts';
import { bundledModelFolder } from '../../native/models.ts';
import type { MethodRequest } from '../../native/rpc.ts';
import { meanEntering, meanLeaving, type TokenReduction } from '../../trace/fates.ts';
import { openTraceFile } from '../../trace/file.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { setupFor } from '../fixtures/method-setup.ts';

const folder = await mkdtemp(path.join(os.tmpdir(), 'fovea-mustdrop-'));
const pipeline = new Pipeline();
after(async () => {
  await pipeline.release();
  await rm(folder, { recursive: true });
});

/** On scene-04 most windows merge, on scene-01 none does. */
function run(method: MethodRequest | undefined, scene = 'scene-04', logits?: Float32Array[]): Promise<RunMetadata> {
  return pipeline
    .analyze(
      {
        imagePath: path.resolve(`media/samples/${scene}.png`),
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

async function reduced(method: MethodRequest, scene?: string): Promise<TokenReduction> {
  const { reduction } = await run(method, scene);
  assert.ok(reduction);
  return reduction;
}

const survivors = ({ stages }: TokenReduction): number[] =>
  stages.filter(({ id }) => id.startsWith('filter')).map(({ leaving }) => leaving);

test('with a local threshold of 0 no filter drops, and without merging the logits are bit-equal to no method', async () => {
  const merged = await reduced({ name: 'mustdrop', parameters: { localThreshold: 0, globalThreshold: 1 } });
  const [{ leaving: kept }] = merged.stages as [TokenReduction['stages'][0]];
  assert.ok(kept < 576);
  assert.deepEqual(survivors(merged), [kept, kept, kept, kept]);
  const [plain, same]: Float32Array[][] = [[], []];
  await run(undefined, 'scene-04', plain);
  await run({ name: 'mustdrop', parameters: { localThreshold: 0, similarityThreshold: 1.1 } }, 'scene-04', same);
  assert.deepEqual(same, plain);
});

test('with thresholds above everything only the key set stays, in prefill and in all caches from the first filter on', async () => {
  const { stages, layers } = await reduced({
    name: 'mustdrop',
    parameters: { localThreshold: 1.01, globalThreshold: 1.01 },
  });
  const merged = stages[0]!.leaving;
  const key = Math.ceil(0.08 * merged);
  assert.deepEqual(
    layers.map(({ entering }) => entering),
    [merged, merged, ...Array.from({ length: 10 }, () => key)],
  );
  assert.deepEqual(
    layers.map(({ cached }) => cached),
    [merged, ...Array.from({ length: 11 }, () => key)],
  );
  const trace = await openTraceFile(path.join(folder, 'run.fovea'));
  const filter = stages.findIndex(({ id }) => id === 'filter-1');
  const row = (name: 'fates.fate' | 'fates.reason'): Promise<ArrayLike<number>> =>
    trace.slice(name, [[filter, filter + 1]]).then(({ data }) => data);
  const [fates, reasons] = [await row('fates.fate'), await row('fates.reason')];
  const rescuedPatches = Array.from(fates).filter(fate => fate === 3).length;
  assert.ok(rescuedPatches >= key);
  assert.equal(Array.from(reasons).filter(reason => reason === 3).length, rescuedPatches);
  await trace.close();
});

test('survivors never rise, never fall below the key set, and every patch is in a window or alone', async () => {
  const { stages, layers, decodeSteps } = await reduced({ name: 'mustdrop', budget: 128 });
  const [merge, keySet] = stages as [TokenReduction['stages'][0], TokenReduction['stages'][0]];
  const windows = (576 - merge.leaving) / 8;
  assert.ok(Number.isInteger(windows) && windows > 0);
  assert.equal(keySet.leaving, merge.leaving);
  const counts = [merge.leaving, ...survivors({ stages } as TokenReduction)];
  counts.slice(1).forEach((count, index) => {
    assert.ok(count <= counts[index]! && count >= keySetSize(merge.leaving, 0.08));
  });
  const last = counts[counts.length - 1]!;
  const text = layers[0]!.sequence - layers[0]!.entering;
  for (const { cached, cacheLength } of layers.slice(1)) {
    assert.equal(cached, last);
    assert.equal(cacheLength, text + last + decodeSteps);
  }
  assert.equal(layers[0]!.cacheLength, layers[0]!.sequence + decodeSteps);
});

test('a budget is met by thresholds found for the image, which the run names; it is counted by tokens that leave', async () => {
  const { method, reduction, ms } = await run({ name: 'mustdrop', budget: 128 });
  assert.equal(method.budget?.counted, 'leaving');
  assert.equal(method.budget.reached, meanLeaving(reduction!.layers));
  assert.ok(method.budget.reached <= 128 && method.budget.reached > 124, `reached ${method.budget.reached}`);
  assert.ok(meanEntering(reduction!.layers) > method.budget.reached);
  assert.match(method.notes!.join(' '), /globalThreshold 0\.\d+, localThreshold 0\.\d+/);
  assert.ok(ms.solve !== undefined);
  const again = await run({ name: 'mustdrop', parameters: { ...method.parameters } });
  assert.deepEqual(
    again.reduction!.layers.map(({ entering }) => entering),
    reduction!.layers.map(({ entering }) => entering),
  );
});

test('a threshold that was set by hand stays as it is, and the other one is solved for', async () => {
  const { method } = await run({ name: 'mustdrop', budget: 150, parameters: { globalThreshold: 0.02 } });
  assert.equal(method.parameters['globalThreshold'], 0.02);
  assert.ok(method.budget!.reached <= 150 && method.budget!.reached > 140, `reached ${method.budget!.reached}`);
  const both = { globalThreshold: 0.02, localThreshold: 0.001 };
  await assert.rejects(run({ name: 'mustdrop', budget: 150, parameters: both }), { code: 'usage', message: /both/ });
});

test('where no window merges, the key set and the layers before the filters are a floor, and the error tells it', async () => {
  // (576 + 11 x 47) / 12 = 91.08 leave, (2 x 576 + 10 x 47) / 12 = 135.2 enter.
  await assert.rejects(run({ name: 'mustdrop', budget: 64 }, 'scene-01'), {
    code: 'budget-impossible',
    message: /91\.08/,
    hint: /92 or more/,
  });
  const { method, reduction } = await run({ name: 'mustdrop', budget: 92 }, 'scene-01');
  assert.ok(method.budget!.reached <= 92);
  assert.ok(meanEntering(reduction!.layers) >= 135);
});

test('where merging alone goes below the budget, nothing is dropped and the run says so', async () => {
  const { method, reduction } = await run({ name: 'mustdrop', budget: 400 });
  assert.match(method.notes!.join(' '), /Merging alone/);
  assert.equal(method.budget!.reached, reduction!.stages[0]!.leaving);
});

test("the publication's cache keeps the key set only; with cache lengths as positions, queries stand before stored keys", async () => {
  const thresholds = { globalThreshold: 0.0044, localThreshold: 0.0037 };
  const code = await reduced({ name: 'mustdrop', parameters: thresholds });
  const paper = await reduced({ name: 'mustdrop', variant: 'paper', parameters: thresholds });
  const key = keySetSize(paper.stages[0]!.leaving, 0.08);
  assert.deepEqual(
    paper.layers.map(({ entering }) => entering),
    code.layers.map(({ entering }) => entering),
  );
  assert.ok(code.layers[11]!.cached > key);
  for (const { cached } of paper.layers.slice(1)) assert.equal(cached, key);
  const skewed = code.layers.filter(({ lastKeyPosition, queryPosition }) => queryPosition! <= lastKeyPosition);
  // Layers 1 ... 5 stored keys before the last filter; the others count as the prompt does.
  assert.equal(skewed.length, 5);
  assert.equal(code.layers[0]!.queryPosition, code.layers[0]!.lastKeyPosition + 1);
  assert.equal(code.layers[11]!.queryPosition, code.layers[11]!.lastKeyPosition + 1);
  const continued = await reduced({
    name: 'mustdrop',
    variant: 'paper',
    parameters: { ...thresholds, decodePositions: 'continued' },
  });
  const { lastKeyPosition } = continued.layers[0]!;
  for (const { queryPosition } of continued.layers) assert.equal(queryPosition, lastKeyPosition + 1);
});

test('windows that do not tile, thresholds that leave nothing and layers that do not exist are refused with a way out', async () => {
  const rejects = (parameters: MethodRequest['parameters'], message: RegExp, hint: RegExp) =>
    assert.rejects(run({ name: 'mustdrop', ...(parameters && { parameters }) }), { code: 'usage', message, hint });
  await rejects({ window: 5 }, /5 x 5 do not tile/, /2, 3, 4, 6, 8, 12, 24/);
  await rejects({ layers: '1,12' }, /layer 12: the last one is 11/, /0 to 11/);
  await rejects({ keyShare: 0, globalThreshold: 1.01, localThreshold: 1.01 }, /drops every visual token/, /keyShare/);
  await rejects({ plannedTokens: '5' }, /for plans/, /Leave/);
  await rejects({ threshold: 1 }, /no parameter "threshold"/, /globalThreshold/);
  assert.throws(() => windowGrid({ rows: 24, columns: 18 }, 3), { code: 'usage', message: /24 x 18/ });
});

test('the key set is 8 percent of the merged tokens, rounded up', () => {
  const merged = [0, 8, 16, 24, 32, 40, 48, 56, 64].map(windows => 576 - 8 * windows);
  assert.deepEqual(
    merged.map(tokens => keySetSize(tokens, 0.08)),
    [47, 41, 36, 31, 26, 21, 16, 11, 6],
  );
});

test('plans follow the counting of the specification for LLaVA-1.5-7B', () => {
  const setup = setupFor(mustDrop, { plannedTokens: [400, 200, 120, 80, 60] });
  const counts = mustDrop.predict!(setup)!;
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  assert.equal(sum(counts.leaving), 2 * 400 + 4 * 200 + 4 * 120 + 4 * 80 + 18 * 60);
  assert.equal(sum(counts.entering), 3 * 400 + 4 * 200 + 4 * 120 + 4 * 80 + 17 * 60);
  assert.equal(sum(counts.cached), 2 * 400 + 30 * 60);
  assert.deepEqual(counts.visionTokens, [577, ...Array.from({ length: 23 }, () => 401)]);
  const paper = mustDrop.predict!({ ...setup, variant: 'paper' })!;
  assert.equal(sum(paper.cached), 2 * 400 + 30 * 32);
  for (const budget of [192, 128, 64]) {
    const { leaving, notes } = mustDrop.predict!(setupFor(mustDrop, {}), budget)!;
    const reached = sum(leaving) / 32;
    assert.ok(reached <= budget && reached > budget - 0.5, `${reached}`);
    assert.match(notes!.join(' '), /Assumed/);
  }
  assert.equal(mustDrop.predict!(setupFor(mustDrop, {})), undefined);
  assert.throws(() => mustDrop.predict!(setupFor(mustDrop, {}), 5), { code: 'budget-impossible' });
  assert.throws(() => mustDrop.predict!(setupFor(mustDrop, { plannedTokens: [400, 500, 1, 1, 1] })), { code: 'usage' });
});

test('what stays in the cache of the first filtered layer keeps its order, whatever was dropped after it', async () => {
  const hooks = await mustDrop.start(setupFor(mustDrop, { globalThreshold: 1, localThreshold: 0.5 }), {
    keyIds: new Set([3, 70]),
  });
  const reducer = TokenReducer.of('mustdrop', hooks, setupFor(mustDrop));
  const caches: VisualTokens[] = [];
  for (let layer = 0; layer < 32; layer++) {
    caches.push(reducer.tokens);
    const count = reducer.tokens.count;
    // Each filter drops the tokens that a text token does not look at: about a quarter of those left.
    const attention = Float32Array.from({ length: count }, (_, token) => ((token * 7 + layer) % 4 === 0 ? 0.1 : 0.9));
    const view = { layer, rows: 1, rowPositions: new Int32Array(1), tokenPositions: new Int32Array(count), attention };
    if (hooks.decoderNeeds![layer]) await reducer.decoderLayer(view);
  }
  const kept = (await reducer.afterPrefill(caches))!;
  const [first, last] = [kept[2]!, reducer.tokens];
  assert.ok(last.count < 300 && first.length === last.count);
  assert.deepEqual(kept[0]!.length, 576);
  for (const indices of kept.slice(2)) {
    assert.ok(indices.every((index, place) => place === 0 || index > indices[place - 1]!));
  }
  assert.deepEqual(
    first.map(index => caches[2]!.list[index]!.id),
    last.list.map(({ id }) => id),
  );
  for (const key of [3, 70]) assert.ok(last.list.some(({ id }) => id === key));
});
