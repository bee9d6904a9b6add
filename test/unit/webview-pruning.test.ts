import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Stage, StageScore } from '../../trace/fates.ts';
import { decodeMacs, prefillMacs } from '../../trace/costs.ts';
import { along, decisionOf, outcomeWords, reasonCounts, scaleOf } from '../../webview/pruning/decision.ts';
import { cacheCosts, decodeCosts, positionSkew, prefillCosts, sum } from '../../webview/pruning/costs.ts';
import { connected } from '../../webview/pruning/fate-drawing.ts';
import { flowTotal, tokenFlow } from '../../webview/pruning/flow.ts';
import { mergeTree, treeLines } from '../../webview/pruning/merge-tree.ts';
import { bytes, figures, macs } from '../../webview/pruning/quantities.ts';
import { methodOfRun, requestOf } from '../../webview/pruning/run-draft.ts';
import { RunFates, tokensLeft } from '../../webview/pruning/run-fates.ts';
import {
  dropOrder,
  isAbove,
  placeWords,
  scoreText,
  stageOfLayer,
  stageToBeginWith,
  verdictWords,
} from '../../webview/pruning/stages.ts';

const score = (over: Partial<StageScore> = {}): StageScore => ({ name: 's', title: 'score', unit: 'share', ...over });
const stage = (over: Partial<Stage>): Stage => ({
  id: 'x',
  title: 'A stage',
  place: { tower: 'decoder', layer: 0 },
  entering: 0,
  leaving: 0,
  scores: [],
  reasons: [],
  notes: [],
  ...over,
});

/**
 * Six patches. A vision stage merges 0, 1 and 4; a decoder stage at D1 drops the group and patch 2, saves patch 3 and
 * keeps patch 5.
 */
const stages: readonly Stage[] = [
  stage({ place: { tower: 'vision', layer: 0 }, entering: 6, leaving: 4 }),
  stage({
    place: { tower: 'decoder', layer: 1 },
    entering: 4,
    leaving: 2,
    scores: [
      score({ cutoff: { value: 0.3, above: 'stays', inclusive: true, rule: 'threshold' } }),
      score({ name: 'second', cutoff: { value: 0.5, above: 'stays', inclusive: true, rule: 'threshold' } }),
      score({ name: 'reader', unit: 'textToken' }),
    ],
    reasons: ['low', 'key'],
  }),
];
const nothing = -1;
const fates = new RunFates({ stages }, 6, {
  fate: Uint8Array.from([1, 1, 0, 0, 1, 0, 2, 2, 2, 3, 2, 0]),
  reason: Uint8Array.from([255, 255, 255, 255, 255, 255, 0, 0, 0, 1, 0, 255]),
  key: Uint8Array.from([0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0]),
  token: Int32Array.from([0, 0, 1, 2, 0, 3, nothing, nothing, nothing, 0, nothing, 1]),
  scores: Float32Array.from([
    ...[0.1, 0.1, 0.2, 0.2, 0.1, 0.4],
    ...[0.1, 0.1, 0.4, 0.3, 0.1, 0.9],
    ...[4, 4, 7, 4, 4, 4],
  ]),
});

test('counts of a stage are of tokens, whatever number of patches they have', () => {
  assert.deepEqual(fates.state(-1).counts, {
    single: 6,
    merged: 0,
    keySingle: 0,
    keyMerged: 0,
    dropped: 0,
    rescued: 0,
  });
  assert.deepEqual(fates.state(0).counts, {
    single: 3,
    merged: 1,
    keySingle: 1,
    keyMerged: 0,
    dropped: 0,
    rescued: 0,
  });
  assert.deepEqual(fates.state(1).counts, {
    single: 2,
    merged: 0,
    keySingle: 1,
    keyMerged: 0,
    dropped: 2,
    rescued: 1,
  });
  assert.deepEqual(Array.from(fates.state(1).droppedAt), [1, 1, 1, -1, 1, -1]);
  assert.deepEqual(fates.tokensBefore(1), [0, 2, 3, 5]);
  assert.deepEqual(fates.members(0, 4), [0, 1, 4]);
  assert.deepEqual(fates.members(1, 4), []);
  assert.equal(tokensLeft(fates.state(1).counts), stages[1]!.leaving);
});

test('a run without optional tensors still tells what was dropped', () => {
  const bare = new RunFates({ stages }, 6, { fate: Uint8Array.from([0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 4]) });
  assert.equal(bare.state(1).counts.dropped, 1);
  assert.equal(tokensLeft(bare.state(1).counts), 5);
  assert.equal(bare.reasonOf(1, 0), undefined);
  assert.ok(Number.isNaN(bare.scoreOf(1, 0, 0)));
});

test('two scores with cut-offs are a scatter whose drop region is where both say drop', () => {
  const decision = decisionOf(fates, 1, 'decided');
  assert.equal(decision.kind, 'scatter');
  assert.deepEqual(
    decision.points.map(({ patch, outcome, key }) => [patch, outcome, key]),
    [
      [0, 'dropped', false],
      [2, 'dropped', false],
      [3, 'rescued', true],
      [5, 'kept', false],
    ],
  );
  assert.deepEqual(decision.dropRegion, [{ aboveX: false, aboveY: false }]);
  assert.equal(outcomeWords(decision.points), '2 dropped, 1 rescued');
  assert.deepEqual(reasonCounts(fates, 1), [
    ['low', 2],
    ['key', 1],
  ]);
});

test('one score is a histogram, a ranked one a curve, text tokens are categories, and none is none', () => {
  assert.equal(decisionOf(fates, 1, 0).kind, 'histogram');
  const readers = decisionOf(fates, 1, 2);
  assert.deepEqual(readers.kind === 'categories' && readers.categories, [
    [4, 3],
    [7, 1],
  ]);
  assert.equal(decisionOf(fates, 0, 'decided').kind, 'none');
  const ranking = stage({ scores: [score({ cutoff: { value: 1, above: 'stays', inclusive: true, rule: 'top-k' } })] });
  const ranked = new RunFates({ stages: [ranking] }, 2, {
    fate: Uint8Array.from([0, 2]),
    scores: Float32Array.from([1, 0.5]),
  });
  assert.equal(decisionOf(ranked, 0, 'decided').kind, 'ranked');
});

test('scales are logarithmic only where values span orders of magnitude and none is negative', () => {
  assert.deepEqual(scaleOf(score(), [0.0002, 0.05]), { low: 0.0001, high: 0.1, logarithmic: true });
  assert.equal(scaleOf(score({ unit: 'cosine' }), [0.001, 0.9]).logarithmic, false);
  assert.equal(scaleOf(score(), [-0.1, 0.5]).logarithmic, false);
  assert.deepEqual(scaleOf(score(), []), { low: 0, high: 1, logarithmic: false });
  const same = scaleOf(score(), [3, 3]);
  assert.equal(along(same, 3), 0.5);
  assert.equal(along({ low: 0.0001, high: 0.1, logarithmic: true }, 0), 0, 'zero lies on the lower end');
  assert.ok(Math.abs(along({ low: 0.01, high: 1, logarithmic: true }, 0.1) - 0.5) < 1e-12);
});

test('a cut-off is compared in the precision that scores are kept in', () => {
  const cutoff = { value: 0.0045, above: 'stays', inclusive: true, rule: 'threshold' } as const;
  assert.ok(isAbove(cutoff, Math.fround(0.0045)));
  assert.ok(!isAbove({ ...cutoff, inclusive: false }, Math.fround(0.0045)));
});

test('the flow ends where it goes on, and nothing is lost between entering and leaving', () => {
  const layers = [4, 4, 2].map(entering => ({ entering, leaving: entering })) as never;
  const flow = tokenFlow({ stages, layers, visualTokens: 6 } as never, fates);
  assert.deepEqual(
    flow.map(step => [flowTotal(step.entering), step.dropped, step.mergedAway, step.rescued, flowTotal(step.leaving)]),
    [
      [6, 0, 2, 0, 4],
      [4, 0, 0, 0, 4],
      [4, 2, 0, 1, 2],
      [2, 0, 0, 0, 2],
    ],
  );
  const plain = tokenFlow({ stages, layers: [{ entering: 4, leaving: 2 }], visualTokens: 6 } as never, null);
  assert.equal(plain[1]!.dropped, 2);
});

test('the hatch gets denser only with stages that drop', () => {
  assert.deepEqual(dropOrder(fates), [0, 0]);
});

test('stages are found by layer, before and after', () => {
  assert.equal(stageOfLayer(stages, 'decoder', 0), 0);
  assert.equal(stageOfLayer(stages, 'decoder', 1), 1);
  assert.equal(stageOfLayer(stages, 'vision', 0), 0);
  assert.equal(stageOfLayer(stages.slice(1), 'vision', 0), -1);
  assert.equal(stageToBeginWith({ reduction: { stages } as never }), 1);
  const trimmed = [...stages, stage({ place: { tower: 'cache', layer: 1 } })];
  assert.equal(stageToBeginWith({ reduction: { stages: trimmed } as never }), 1);
  assert.equal(placeWords(stage({ place: { tower: 'decoder', layer: -1 } })), 'input of D0');
  assert.equal(placeWords(stage({ place: { tower: 'vision', layer: 3, inside: true } })), 'inside V3');
  assert.equal(verdictWords(fates, 1, 0), 'dropped: low');
  assert.equal(verdictWords(fates, 0, 4), 'merged, 3 patches');
});

test('scores are written in their unit', () => {
  const tokens = [{ id: 1, text: ' cat', role: 'question', position: 0 }] as const;
  assert.equal(scoreText({ unit: 'probability' }, 0.00451, tokens), '0.0045');
  assert.equal(scoreText({ unit: 'textToken' }, 0, tokens), '“cat”');
  assert.equal(scoreText({ unit: 'cosine' }, -0.25, tokens), '\u22120.250');
  assert.equal(scoreText({ unit: 'count' }, 5184, tokens), '5\u2009184');
  assert.equal(scoreText({ unit: 'number' }, NaN, tokens), '–');
});

test('a merge tree goes back to the patches', () => {
  const merging = [stage({ id: 'a' }), stage({ id: 'b' })];
  const pairs = new RunFates({ stages: merging }, 4, {
    fate: Uint8Array.from([1, 1, 0, 0, 1, 1, 1, 0]),
    token: Int32Array.from([0, 0, 1, 2, 0, 0, 0, 1]),
  });
  const tree = mergeTree(pairs, 1, 2);
  assert.deepEqual(tree, {
    patches: [0, 1, 2],
    stage: 1,
    parts: [
      {
        patches: [0, 1],
        stage: 0,
        parts: [
          { patches: [0], stage: -1, parts: [] },
          { patches: [1], stage: -1, parts: [] },
        ],
      },
      { patches: [2], stage: -1, parts: [] },
    ],
  });
  const lines = treeLines(tree, ({ patches }) => patches.join(' '), 3);
  assert.deepEqual(lines, [
    { depth: 0, text: '0 1 2' },
    { depth: 1, text: '0 1' },
    { depth: 2, text: '0' },
    { depth: 0, text: 'and 2 more' },
  ]);
  assert.deepEqual(mergeTree(pairs, 1, 3).parts, []);
});

test('groups know whether they hang together, also at the edges of the grid', () => {
  assert.ok(connected([0, 1, 4, 5], 4));
  assert.ok(!connected([3, 4], 4), 'the last of a row and the first of the next are no neighbours');
  assert.ok(!connected([0, 5], 4));
  assert.ok(connected([7], 4));
});

test('costs are those of the formulas, beside the model with every visual token', () => {
  const layer = {
    entering: 94,
    leaving: 94,
    sequence: 104,
    cached: 94,
    cacheLength: 110,
    cacheBytes: 110 * 64,
    lastKeyPosition: 103,
    queryPosition: 42,
    attentionRead: false,
    prefillMs: 1,
  };
  const reduction = { layers: [layer], visualTokens: 576, decodeSteps: 2 } as never;
  const size = { hiddenSize: 384, intermediateSize: 512 };
  assert.deepEqual(prefillCosts(reduction, 'F3', size), [
    { value: prefillMacs('F3', 104, size), full: prefillMacs('F3', 586, size) },
  ]);
  assert.equal(
    sum(decodeCosts(reduction, 'F2', size)).value,
    decodeMacs('F2', 110, size) + decodeMacs('F2', 109, size),
  );
  const run = { model: { decoder: { keyValueHeads: 2, headSize: 4 } }, engine: { arithmetic: 'float32' } } as never;
  assert.deepEqual(cacheCosts(reduction, run), [{ value: 110 * 64, full: (110 + 482) * 64 }]);
  assert.equal(positionSkew(layer), 42 - 104);
  assert.equal(positionSkew({ ...layer, queryPosition: 104 }), 0);
});

test('amounts have three figures and the unit of the largest', () => {
  assert.equal(macs(2.174e9), '2.17 GMAC');
  assert.equal(bytes(854_321), '854 kB');
  assert.equal(figures(0), '0');
  assert.equal(figures(29.44), '29.4');
});

const ran = {
  name: 'filter',
  title: 'Filter',
  variant: 'code',
  parameters: { threshold: 0.0045, layers: [1, 2], soft: true },
  budget: { asked: 128, reached: 129.3, counted: 'entering' },
} as const;
const filter = { ...methodOfRun(ran), variants: ['code', 'paper'] as const };
const ranTexts = { threshold: '0.0045', layers: '1, 2', soft: 'true' };

test('with a budget only what was changed is run, since the rest follows from the budget', () => {
  const draft = { method: filter, variant: 'paper', budget: '64', texts: { ...ranTexts, layers: '1, 3' } };
  assert.deepEqual(requestOf(draft, ran, 576), {
    method: 'filter',
    variant: 'paper',
    budget: 64,
    parameters: { layers: '1, 3' },
  });
  assert.deepEqual(requestOf(draft, { ...ran, given: ['threshold'] }, 576), {
    method: 'filter',
    variant: 'paper',
    budget: 64,
    parameters: { threshold: '0.0045', layers: '1, 3' },
  });
});

test('without a budget everything that the fields hold is run, and blank fields are defaults', () => {
  const draft = { method: filter, variant: 'code', budget: ' ', texts: { ...ranTexts, soft: '' } };
  assert.deepEqual(requestOf(draft, ran, 576), {
    method: 'filter',
    variant: 'code',
    parameters: { threshold: '0.0045', layers: '1, 2' },
  });
  const other = { ...filter, name: 'other', variants: [] };
  assert.deepEqual(requestOf({ method: other, variant: '', budget: '', texts: {} }, ran, 576), {
    method: 'other',
    parameters: {},
  });
});

test('the method that ran is run again with the one beside it; another method runs alone', () => {
  const both: Parameters<typeof requestOf>[1] = {
    ...ran,
    beside: {
      name: 'flexattention',
      title: 'FlexAttention',
      variant: 'paper',
      parameters: { count: 9, layers: [1, 2] },
    },
  };
  assert.deepEqual(requestOf({ method: filter, variant: 'code', budget: '64', texts: ranTexts }, both, 576), {
    method: 'filter+flexattention',
    variant: 'code',
    budget: 64,
    parameters: { 'flexattention.count': '9', 'flexattention.layers': '1, 2', 'flexattention.variant': 'paper' },
  });
  const other = { ...filter, name: 'other', variants: [] };
  assert.deepEqual(requestOf({ method: other, variant: '', budget: '', texts: {} }, both, 576), {
    method: 'other',
    parameters: {},
  });
});

test('a budget that no image has is told before anything runs', () => {
  for (const budget of ['0', '577', '1.5', 'all'])
    assert.equal(
      requestOf({ method: filter, variant: 'code', budget, texts: ranTexts }, ran, 576),
      'A budget is a whole number of visual tokens from 1 to 576.',
    );
});
