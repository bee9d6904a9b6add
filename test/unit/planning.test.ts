/** Predicted counts, MACs and bytes against published figures; sources in the tests. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runMacs } from '../../trace/costs.ts';
import type { TokenReduction } from '../../trace/fates.ts';
import { mergeSchedule } from '../../native/methods/tome/merge-schedule.ts';
import { knownShapes, shapeOf } from '../../native/planning/known-shapes.ts';
import { planMethod } from '../../native/planning/plan.ts';
import type { MethodRequest } from '../../native/rpc.ts';

const shape7b = knownShapes['llava-1.5-7b']!.shape;
const shape13b = knownShapes['llava-1.5-13b']!.shape;
/** FastV's paper counts 612 tokens in all. */
const fastVText = 612 - 576;

const fastV = (layer: number, ratio: number): MethodRequest => ({ name: 'fastv', parameters: { layer, ratio } });

test("FastV's published GFLOPs per layer (arXiv 2403.06764, table 1) are met within 1 % of the full model", async () => {
  // K, R, published. The row K = 0, R = 90 % fits no form of the formula and is left out.
  const rows = [
    [2, 0.9, 19.9],
    [2, 0.75, 32.8],
    [2, 0.5, 54.6],
    [3, 0.9, 22.8],
    [3, 0.75, 34.8],
    [3, 0.5, 56.6],
    [5, 0.9, 27.8],
    [5, 0.75, 39.7],
    [5, 0.5, 59.6],
    [0, 0.75, 28.8],
    [0, 0.5, 51.6],
  ] as const;
  const full = (await planMethod(shape7b, { name: 'none' }, fastVText, 'F2')).macs.prefill / 32 / 1e9;
  assert.ok(Math.abs(full - 99.3) < 0.1, `${full}`);
  for (const [layer, ratio, published] of rows) {
    const { macs } = await planMethod(shape7b, fastV(layer, ratio), fastVText, 'F2');
    const perLayer = macs.prefill / 32 / 1e9;
    assert.ok(Math.abs(perLayer - published) < 0.01 * 99.3, `K=${layer} R=${ratio}: ${perLayer}, not ${published}`);
  }
  const large = (await planMethod(shape13b, { name: 'none' }, fastVText, 'F2')).macs.prefill / 40 / 1e9;
  assert.ok(Math.abs(large - 154.6) < 1.6, `${large}`);
  const half = (await planMethod(shape13b, fastV(2, 0.5), fastVText, 'F2')).macs.prefill / 40 / 1e9;
  assert.ok(Math.abs(half - 84.6) < 1.6, `${half}`);
});

test('F3 gives the derived totals for LLaVA-1.5-7B at 612 and 668 tokens', async () => {
  const at = (tokens: number) => planMethod(shape7b, { name: 'none' }, tokens - 576, 'F3');
  assert.ok(Math.abs((await at(612)).macsPerLayer[0]! / 1e9 - 126.9) < 0.1);
  assert.ok(Math.abs((await at(612)).macs.prefill / 1e12 - 4.06) < 0.01);
  assert.ok(Math.abs((await at(668)).macs.prefill / 1e12 - 4.44) < 0.01);
});

test('bytes of visual keys and values are those that the papers quote', async () => {
  const bytes = async (request: MethodRequest): Promise<number> =>
    (await planMethod(shape7b, request, 92, 'F3')).visualKvBytes;
  assert.equal(await bytes({ name: 'none' }), 301_989_888);
  for (const [budget, megabytes] of [
    [192, 100.7],
    [128, 67.1],
    [64, 33.6],
  ] as const) {
    assert.equal(((await bytes({ name: 'tome', budget })) / 1e6).toFixed(1), megabytes.toFixed(1));
  }
  for (const [layer, ratio, megabytes] of [
    [2, 0.5, 160.4],
    [3, 0.75, 96.7],
    [2, 0.75, 89.7],
  ] as const) {
    assert.equal(((await bytes(fastV(layer, ratio))) / 1e6).toFixed(1), megabytes.toFixed(1));
  }
  assert.equal(
    Math.round((await planMethod(knownShapes['llava-next-7b']!.shape, { name: 'none' }, 92, 'F3')).visualKvBytes / 1e6),
    1510,
  );
});

test('FastV meets 192, 128 and 64 at K = 2 with 166, 98 and 30 tokens', async () => {
  for (const [budget, kept] of [
    [192, 166],
    [128, 98],
    [64, 30],
  ] as const) {
    const plan = await planMethod(shape7b, { name: 'fastv', budget }, 92, 'F3');
    assert.equal(plan.visualTokensPerLayer.entering[2], kept);
    assert.ok(Math.abs(plan.eIn - budget) < 1);
  }
  await assert.rejects(planMethod(shape7b, { name: 'fastv', budget: 36 }, 92, 'F3'), {
    code: 'budget-impossible',
    hint: /least is 37/,
  });
});

test("ToMe's lists for LLaVA end at exactly 192, 128 and 64, larger steps first", () => {
  const list = (large: number, many: number, small: number, few: number): number[] => [
    ...Array<number>(many).fill(large),
    ...Array<number>(few).fill(small),
  ];
  assert.deepEqual(mergeSchedule(576, 23, 384), list(17, 16, 16, 7));
  assert.deepEqual(mergeSchedule(576, 23, 448), list(20, 11, 19, 12));
  assert.deepEqual(mergeSchedule(576, 23, 512), list(23, 6, 22, 17));
});

test('a block of ToMe pays for attention before it merges, and for its MLP afterwards', () => {
  const reduction = {
    stages: [{ place: { tower: 'vision', layer: 0, inside: true }, entering: 576, leaving: 559 }],
    visionTokens: [577, 560],
    layers: [],
    decodeSteps: 0,
  } as unknown as TokenReduction;
  const [c, m] = [1024, 4096];
  const attention = (t: number): number => 4 * t * c ** 2 + 2 * t ** 2 * c;
  const { vision } = runMacs('F3', reduction, shape7b as unknown as Parameters<typeof runMacs>[2])!;
  assert.equal(vision, attention(577) + attention(560) + 2 * 2 * 560 * c * m);
});

test('a plan of ToMe merges no more than half of a block, as a run does', async () => {
  const { shape } = await shapeOf('llava-1.5-7b');
  const plan = await planMethod(shape, { name: 'tome', parameters: { counts: [400, 0] } }, 36, 'F3');
  assert.equal(plan.eIn, 576 - 288);
});

test('where equal steps would merge more than half of a block, they fall; what cannot be reached is said', () => {
  const steps = mergeSchedule(576, 7, 512)!;
  assert.equal(
    steps.reduce((sum, step) => sum + step, 0),
    512,
  );
  assert.ok(steps.every((step, index) => index === 0 || step <= steps[index - 1]!));
  assert.equal(mergeSchedule(576, 1, 300), undefined);
});

test('a plan refuses a layer that is not there, and says what it leaves out', async () => {
  const { shape } = await shapeOf('llava-1.5-7b');
  const beyond: MethodRequest = { name: 'fastv', parameters: { layer: 32 } };
  await assert.rejects(planMethod(shape, beyond, 36, 'F3'), { code: 'usage', message: /before layer 32/ });
  await assert.rejects(planMethod(shape, { name: 'llava-hd' }, 36, 'F3'), { message: /no plan for LLaVA-HD/ });
  const { notes } = await planMethod(shape, { name: 'fastv+flexattention', budget: 192 }, 36, 'F3');
  assert.match(notes.join(' '), /High-resolution tokens are not counted/);
});

test('methods whose counts follow from the image, and shapes that are not known, are told so', async () => {
  await assert.rejects(shapeOf('llava-9'), { code: 'usage', hint: /llava-1\.5-7b/ });
  const { shape } = await shapeOf('media/models/fovea-tiny/config.json');
  assert.deepEqual([shape.decoder.layers, shape.grid.rows], [12, 24]);
});
