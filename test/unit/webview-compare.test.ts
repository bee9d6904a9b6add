import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fateNames, type Stage, type StagePlace } from '../../trace/fates.ts';
import { keptOf, lastStageBy } from '../../trace/kept-patches.ts';
import { answerProbability } from '../../trace/answer-probability.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { alignTokens } from '../../trace/token-diff.ts';
import { Comparison, initialChoice, ownRun, restoreComparison, validPair } from '../../webview/compare/comparison.ts';
import { costRows, layerCounts, runMacs, visualCacheBytes } from '../../webview/compare/costs.ts';
import { cautions, differingParameters, patchRefusal } from '../../webview/compare/differences.ts';
import { differenceOf, steps } from '../../webview/compare/pair-scene.ts';
import { runNames } from '../../webview/compare/run-names.ts';
import { patchWords } from '../../webview/compare/patch-words.ts';
import { samePlace } from '../../webview/image/geometry.ts';
import { patchesCovered, RunFates } from '../../webview/pruning/run-fates.ts';
import type { ToHost } from '../../webview/messages.ts';
import { smallRun } from '../fixtures/small-run.ts';

const fate = (name: (typeof fateNames)[number]): number => fateNames.indexOf(name);

function stage(place: StagePlace, more: Partial<Stage> = {}): Stage {
  return { id: 's', title: 'Filter', place, entering: 4, leaving: 2, scores: [], reasons: [], notes: [], ...more };
}

test('a pair says whether both have the token, also where ends are shared', () => {
  const words = (a: string, b: string): string =>
    alignTokens(Array.from(a), Array.from(b))
      .map(({ first, second, same }) => `${first ?? '-'}${second ?? '-'}${same ? '=' : '!'}`)
      .join(' ');
  assert.equal(words('abc', 'abc'), '00= 11= 22=');
  assert.equal(words('abcd', 'acd'), '00= 1-! 21= 32=');
  assert.equal(words('axd', 'ayzd'), '00= 11! -2! 23=');
  assert.equal(words('', 'a'), '-0!');
  assert.equal(words('', ''), '');
  // A repeated token is not taken twice by beginning and end.
  assert.equal(words('aa', 'aaa'), '00= 11= -2!');
});

test('the number of shared tokens is that of the longest common subsequence, by trying all', () => {
  let seed = 11;
  const random = (n: number): number => (seed = (seed * 48271) % 2147483647) % n;
  const isWithin = (part: readonly number[], whole: readonly number[]): boolean => {
    let at = 0;
    for (const one of whole) if (one === part[at]) at++;
    return at === part.length;
  };
  for (let round = 0; round < 150; round++) {
    const [a, b] = [0, 1].map(() => Array.from({ length: random(9) }, () => random(3))) as [number[], number[]];
    let longest = 0;
    for (let mask = 0; mask < 1 << a.length; mask++) {
      const part = a.filter((_, i) => mask & (1 << i));
      if (part.length > longest && isWithin(part, b)) longest = part.length;
    }
    const shared = alignTokens(a, b).filter(({ same }) => same);
    assert.equal(shared.length, longest, JSON.stringify([a, b]));
    for (const { first, second } of shared) assert.equal(a[first!], b[second!]);
  }
});

test('a stage is seen by the layers after it, and by decode', () => {
  const stages = [
    stage({ tower: 'vision', layer: 2 }),
    stage({ tower: 'decoder', layer: 1 }),
    stage({ tower: 'cache', layer: 3 }),
  ];
  assert.equal(lastStageBy(stages, { tower: 'vision', layer: 2 }), -1);
  assert.equal(lastStageBy(stages, { tower: 'vision', layer: 3 }), 0);
  assert.equal(lastStageBy(stages, { tower: 'decoder', layer: 0 }), 0);
  assert.equal(lastStageBy(stages, { tower: 'decoder', layer: 1 }), 0);
  assert.equal(lastStageBy(stages, { tower: 'decoder', layer: 2 }), 1);
  assert.equal(lastStageBy(stages, { tower: 'decoder', layer: 11 }), 1);
  assert.equal(lastStageBy(stages, { tower: 'decode', layer: 0 }), 2);
  assert.equal(lastStageBy([stage({ tower: 'decoder', layer: -1 })], { tower: 'decoder', layer: 0 }), 0);
  assert.deepEqual([...keptOf([0, -1, 2])], [1, 0, 1]);
});

test('the words about a patch name the stage that dropped it, and its score against the cut-off', () => {
  const score = {
    name: 'share',
    title: 'share of attention',
    unit: 'share',
    cutoff: { value: 0.5, above: 'stays', inclusive: true, rule: 'threshold' },
  } as const;
  const stages = [stage({ tower: 'decoder', layer: 2 }, { scores: [score] })];
  const fates = new RunFates({ stages }, 4, {
    fate: Uint8Array.from([fate('dropped'), fate('kept'), fate('kept'), fate('merged')]),
    token: Int32Array.from([-1, 0, 0, 0]),
    scores: Float32Array.from([0.25, 0.75, NaN, 0.5]),
  });
  const words = (patch: number, at = 0): string => patchWords(fates, fates.state(at), patch, []);
  assert.equal(words(0), 'dropped, output of D2 · share of attention 0.25, under 0.50');
  assert.equal(words(1), 'kept, output of D2, in a token of 3 patches · share of attention 0.75, over 0.50');
  assert.equal(words(2), 'kept, output of D2, in a token of 3 patches');
  assert.equal(words(3), 'merged, 3 patches, output of D2 · share of attention 0.50, over 0.50');
  assert.equal(words(0, -1), 'kept');
  assert.equal(patchesCovered(fates.state(0)), 3);
});

const run = (more: Partial<RunMetadata> = {}): RunMetadata => ({ ...smallRun, ...more });

test('a comparison is refused for other grids, and says what else is different', () => {
  const other = run({ visual: { ...smallRun.visual, grid: { rows: 9, columns: 7 } } });
  assert.equal(patchRefusal(smallRun, smallRun), undefined);
  assert.match(patchRefusal(smallRun, other)!, /B has 9 × 7/);
  assert.deepEqual(cautions(smallRun, smallRun), []);
  const different = run({
    image: { ...smallRun.image, digest: 'f'.repeat(64), name: 'other.png' },
    prompt: { ...smallRun.prompt, question: 'Why?' },
    model: {
      ...smallRun.model,
      digest: 'e'.repeat(64),
      name: 'other',
      decoder: { ...smallRun.model.decoder, layers: 99 },
    },
    status: { state: 'cancelled', after: 'D1' },
  });
  const said = cautions(smallRun, different).join(' ');
  for (const word of [
    /Different images: .*other\.png/,
    /B “Why\?”/,
    /Different models/,
    /99/,
    /B was cancelled after D1/,
  ])
    assert.match(said, word);
});

test('only settings that differ are listed, parameters of the method by their names', () => {
  const a = run({ method: { name: 'one', title: 'One', parameters: { keep: 3, layers: [1, 2], same: true } } });
  const b = run({
    method: { name: 'one', title: 'One', variant: 'paper', parameters: { keep: 5, layers: [1, 2], same: true } },
  });
  assert.deepEqual(differingParameters([a, b]), [
    { name: 'variant', values: ['', 'paper'] },
    { name: 'keep', values: ['3', '5'] },
  ]);
  assert.deepEqual(differingParameters([a, a]), []);
});

test('runs are named by what they differ in', () => {
  const named = (metadata: RunMetadata, name = 'x.fovea'): { name: string; metadata: RunMetadata } => ({
    name,
    metadata,
  });
  const method = (title: string, budget?: number): Partial<RunMetadata> => ({
    method: {
      name: title.toLowerCase(),
      title,
      parameters: {},
      ...(budget !== undefined && { budget: { asked: budget, reached: budget, counted: 'entering' } }),
    },
  });
  const none = run({ method: { name: 'none', parameters: {} } });
  assert.deepEqual(runNames([named(none), named(run(method('MustDrop')))]), ['no pruning', 'MustDrop']);
  assert.deepEqual(runNames([named(run(method('A', 64))), named(run(method('A', 128)))]), ['64 tokens', '128 tokens']);
  const asked = run({ prompt: { ...smallRun.prompt, question: 'How many?' } });
  assert.deepEqual(runNames([named(smallRun), named(asked)]), [`“${smallRun.prompt.question}”`, '“How many?”']);
  assert.deepEqual(runNames([named(none, 'a.fovea'), named(none, 'b.fovea')]), ['a', 'b']);
  assert.deepEqual(runNames([named(none), named(none)]), ['no pruning (1)', 'no pruning (2)']);
});

test('costs: tokens by layer, MACs by F3 step by step, cache bytes, and what is not recorded', () => {
  const decoder = {
    ...smallRun.model.decoder,
    layers: 2,
    keyValueHeads: 1,
    headSize: 4,
    hiddenSize: 4,
    intermediateSize: 6,
  };
  const base = run({
    model: { ...smallRun.model, decoder },
    method: { name: 'none', parameters: {} },
    engine: { ...smallRun.engine, arithmetic: 'F32' },
  });
  const account = {
    entering: 10,
    leaving: 6,
    sequence: 13,
    cached: 6,
    cacheLength: 11,
    cacheBytes: 1,
    lastKeyPosition: 0,
    attentionRead: false,
    prefillMs: 1,
  };
  const reduced = run({
    ...base,
    method: { name: 'm', parameters: {} },
    reduction: {
      stages: [],
      visionTokens: [],
      layers: [account, { ...account, entering: 6, sequence: 9 }],
      visualTokens: 10,
      decodeSteps: 2,
      decodePositions: 'continued',
    },
  });
  // 4nd² + 2n²d + 3ndm with d = 4, m = 6.
  const prefill = (n: number): number => 4 * n * 16 + 2 * n * n * 4 + 3 * n * 24;
  // One token over n entries: the last step reads all 11, the one before 10.
  const step = (n: number): number => 4 * 16 + 2 * n * 4 + 3 * 24;
  assert.deepEqual(runMacs(reduced), { prefill: prefill(13) + prefill(9), decode: 2 * (step(10) + step(11)) });
  // 2 (keys and values) × 1 head × 4 × 4 bytes × 6 entries × 2 layers
  assert.equal(visualCacheBytes(reduced), 2 * 4 * 4 * 12);
  assert.equal(layerCounts(base)?.length, 2);
  assert.equal(layerCounts(run({ method: { name: 'm', parameters: {} } })), undefined);
  const unrecorded = run({ ...reduced });
  const rows = costRows([reduced, { ...unrecorded, reduction: undefined } as unknown as RunMetadata]);
  assert.deepEqual(rows[0]!.values, ['8.0', 'not recorded']);
  assert.deepEqual(rows[1]!.values, ['6.0', 'not recorded']);
  const probabilities = run({
    promptTokens: 0,
    tokens: [0.5, 0.125].map((p, i) => ({
      id: i,
      text: 'x',
      role: 'generated' as const,
      position: i,
      logprob: Math.log(p),
    })),
  });
  assert.ok(Math.abs(answerProbability(probabilities)! - 0.25) < 1e-12);
});

test('the difference of two maps is a magnitude, on the patches of the same grid', () => {
  const map = (values: number[]) => ({
    values: Float32Array.from(values),
    maximum: 0,
    peak: 0,
    sum: 0,
    hiddenText: 0,
    hiddenPatches: 0,
  });
  const difference = differenceOf(map([0.5, 0, 0.25]), map([0.25, 0.5, 0.25]));
  assert.deepEqual([...difference.values], [0.25, 0.5, 0]);
  assert.equal(difference.peak, 1);
  const [coarse, fine] = [
    { rows: 2, columns: 2 },
    { rows: 6, columns: 6 },
  ];
  assert.equal(samePlace(5, fine, fine), 5);
  assert.equal(samePlace(3, coarse, fine), 4 * 6 + 4);
  assert.equal(samePlace(4 * 6 + 4, fine, coarse), 3);
});

test('[ and ] stop where either run begins with other tokens, and at the last layer', () => {
  const stages = [stage({ tower: 'vision', layer: 0 }), stage({ tower: 'decoder', layer: 1 })];
  assert.deepEqual(
    steps(2, 4, moment => String(lastStageBy(stages, moment))),
    [0, 1, 4, 5],
  );
});

const further = (address: string): { address: string; name: string } => ({ address, name: address });

test('A and B are two different runs of those that are there, whatever was saved', () => {
  const list = [further('b'), further('c')];
  assert.deepEqual(validPair({ first: ownRun, second: null }, list), { first: ownRun, second: 'b' });
  assert.deepEqual(validPair({ first: 'c', second: 'b' }, list), { first: 'c', second: 'b' });
  assert.deepEqual(validPair({ first: 'b', second: ownRun }, list), { first: 'b', second: ownRun });
  assert.deepEqual(validPair({ first: ownRun, second: 'gone' }, list), { first: ownRun, second: 'b' });
  assert.deepEqual(validPair({ first: 'gone', second: 'b' }, list), { first: ownRun, second: 'b' });
  assert.deepEqual(validPair({ first: 'gone', second: ownRun }, list), { first: 'b', second: ownRun });
  assert.deepEqual(validPair({ first: ownRun, second: 'b' }, []), { first: ownRun, second: null });
});

function comparison(saved?: unknown): { comparison: Comparison; sent: ToHost[] } {
  const sent: ToHost[] = [];
  const host = {
    post: (message: ToHost) => sent.push(message),
    savedState: () => saved,
    saveState: () => undefined,
    listen: () => () => undefined,
  };
  return { comparison: new Comparison(host, saved, 'run-1'), sent };
}

test('swapping, choosing and removing keep two different runs, and tell the host what is compared', () => {
  const { comparison: compared, sent } = comparison();
  compared.take([further('b'), further('c')]);
  const pair = (): unknown[] => [compared.choice.get().first, compared.choice.get().second];
  compared.swap();
  assert.deepEqual(pair(), ['b', ownRun]);
  compared.choose('second', 'c');
  assert.deepEqual(pair(), ['b', 'c']);
  compared.choose('first', 'c');
  assert.deepEqual(pair(), ['c', 'b']);
  compared.remove('c');
  assert.deepEqual(sent, [{ type: 'compare', addresses: ['b'] }]);
  compared.take([further('b')]);
  assert.deepEqual(pair(), [ownRun, 'b']);
});

test('after a reload the runs are asked for again, once, and A and B are as before', () => {
  const choice = { ...initialChoice, first: 'b', second: ownRun, shown: 'attention' as const };
  const { comparison: compared, sent } = comparison({ run: 'run-1', comparison: { addresses: ['b'], choice } });
  compared.take([]);
  assert.deepEqual(sent, [{ type: 'compare', addresses: ['b'] }]);
  compared.take([further('b')]);
  assert.equal(compared.choice.get().first, 'b');
  assert.equal(compared.choice.get().shown, 'attention');
  compared.take([]);
  assert.equal(sent.length, 1);
  assert.deepEqual(compared.toSaved().addresses, []);
});

test('saved state of another run, or of another version, is not taken over', () => {
  const nothing = { addresses: [], choice: initialChoice };
  for (const saved of [
    undefined,
    5,
    { run: 'run-1' },
    { run: 'run-2', comparison: { addresses: ['b'], choice: initialChoice } },
    { run: 'run-1', comparison: { addresses: [5] } },
  ])
    assert.deepEqual(restoreComparison(saved, 'run-1'), nothing);
  const odd = { addresses: ['b'], choice: { first: 5, shown: 'else', place: 'second' } };
  assert.deepEqual(restoreComparison({ run: 'run-1', comparison: odd }, 'run-1'), {
    addresses: ['b'],
    choice: { ...initialChoice, place: 'second' },
  });
});
