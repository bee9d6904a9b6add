/** The user's own methods: they run, and what is wrong with one is said with its function, never a dead pipeline. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type * as own from '../../media/own-methods/fovea-method.d.ts';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import type * as method from '../../native/methods/method.ts';
import { methodSummaries } from '../../native/methods/method-summaries.ts';
import { chooseMethod } from '../../native/methods/choose-method.ts';
import { loadOwnMethod } from '../../native/methods/own/own-method.ts';
import { bundledModelFolder } from '../../native/models.ts';
import { knownShapes } from '../../native/planning/known-shapes.ts';
import type { AnalyzeRequest, MethodRequest } from '../../native/rpc.ts';

const folder = await mkdtemp(path.join(os.tmpdir(), 'fovea-own-'));
const pipeline = new Pipeline();
after(async () => {
  await pipeline.release();
  await rm(folder, { recursive: true });
});

function requestOf(method: MethodRequest): AnalyzeRequest {
  return {
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
  };
}

async function moduleOf(name: string, start: string, more = ''): Promise<string> {
  const file = path.join(folder, `${name}.mjs`);
  await writeFile(file, `export default { name: '${name}', ${more} start(setup) {\n${start}\n} };\n`);
  return file;
}

/** Compiles only if the types that are handed to users are those that the pipeline works with. */
export const typesAgree = {
  setup: (value: method.MethodSetup): own.MethodSetup => value,
  vision: (value: method.VisionView): own.VisionView => value,
  sequence: (value: method.SequenceView): own.SequenceView => value,
  decoder: (value: Required<method.DecoderView>): own.DecoderView => value,
  prefill: (value: method.PrefillView): own.PrefillView => value,
  plan: (value: method.TokenPlan): own.TokenPlan => value,
  cache: (value: method.CachePlan): own.CachePlan => value,
  visionNeeds: (value: own.VisionNeeds): method.VisionNeeds => value,
  decoderNeeds: (value: own.DecoderNeeds): method.DecoderNeeds => value,
};

test('the template is a working method, its parameters can be set, and the trace says which file ran', async () => {
  const file = path.join(folder, 'mine.mjs');
  const template = await readFile('media/own-methods/template.mjs', 'utf8');
  await writeFile(file, template.replace('METHOD_NAME', 'mine').replace('METHOD_TITLE', 'Mine'));
  const { metadata } = await pipeline.analyze(requestOf({ name: file, parameters: { tokens: '50' } }));
  assert.equal(metadata.method.title, 'Mine');
  assert.deepEqual(metadata.method.parameters, { layer: 2, tokens: 50 });
  assert.equal(metadata.method.module!.path, file);
  assert.match(metadata.method.module!.digest, /^[0-9a-f]{64}$/);
  const { layers, stages } = metadata.reduction!;
  assert.deepEqual(
    layers.map(({ entering }) => entering),
    [576, 576, 576, 50, 50, 50, 50, 50, 50, 50, 50, 50],
  );
  const skews = layers.map(({ lastKeyPosition, queryPosition }) => queryPosition! - lastKeyPosition - 1);
  assert.deepEqual(new Set(skews), new Set([0]), 'new tokens follow the prompt in every layer');
  assert.deepEqual([stages[0]!.title, stages[0]!.scores[0]!.cutoff!.rule], ['Keep the most attended', 'top-k']);
});

test('a method in a folder with a plus in its name fetches high-resolution tokens beside it', async () => {
  const file = await moduleOf('beside', 'return { beforeDecoder: () => ({ keep: [7] }) };');
  const plus = path.join(folder, 'a+b');
  await mkdir(plus);
  await writeFile(path.join(plus, 'beside.mjs'), await readFile(file));
  const { shape } = knownShapes['llava-1.5-7b']!;
  const request = { name: `${path.join(plus, 'beside.mjs')}+flexattention` };
  const chosen = await chooseMethod(request, shape, { before: 0, after: [] });
  await chosen.dispose!();
  assert.deepEqual([chosen.method.name, chosen.beside!.method.name], ['beside', 'flexattention']);
});

test('an edited module is read anew by the next run', async () => {
  const keep = (count: number) =>
    `return { beforeDecoder: ({ tokens }) => ({ keep: tokens.map((_, i) => i).slice(0, ${count}) }) };`;
  const file = await moduleOf('edited', keep(10));
  const first = await pipeline.analyze(requestOf({ name: file }), { traced: false });
  await moduleOf('edited', keep(20));
  const second = await pipeline.analyze(requestOf({ name: file }), { traced: false });
  assert.deepEqual(
    [first, second].map(run => run.metadata.reduction!.layers[0]!.entering),
    [10, 20],
  );
  assert.notEqual(first.metadata.method.module!.digest, second.metadata.method.module!.digest);
});

test('a budget goes through the module’s own resolveBudget', async () => {
  const file = await moduleOf(
    'budgeted',
    'return { beforeDecoder: () => ({ keep: Array.from({ length: setup.parameters.count }, (_, i) => i) }) };',
    `budget: 'entering', parameters: [{ name: 'count', kind: 'integer', default: 3 }],
     resolveBudget: budget => ({ parameters: { count: budget } }),`,
  );
  const { metadata } = await pipeline.analyze(requestOf({ name: file, budget: 33 }), { traced: false });
  assert.deepEqual(metadata.method.budget, { asked: 33, reached: 33, counted: 'entering' });
});

test('what a module says of its parameters is checked before it runs: a trace could not hold it', async () => {
  const count = (preset: string): string =>
    `parameters: [{ name: 'count', kind: 'integer', least: 1, default: ${preset} }],`;
  const { shape } = knownShapes['llava-1.5-7b']!;
  for (const [index, preset] of ['NaN', '0', '"many"', '() => ({})', 'null'].entries()) {
    const file = await moduleOf(`preset-${index}`, 'return {};', count(preset));
    const message = /has a default that is wrong: count is .*; it must be a (whole )?number/;
    await assert.rejects(loadOwnMethod(file, shape), { code: 'method-failed', message });
  }
  for (const [index, solved] of ['{ count: NaN }', '{ count: 0 }', '{ other: 1 }'].entries()) {
    const file = await moduleOf(
      `solved-${index}`,
      'return {};',
      `budget: 'entering', ${count('3')} resolveBudget: () => ({ parameters: ${solved} }),`,
    );
    await assert.rejects(pipeline.analyze(requestOf({ name: file, budget: 33 }), { traced: false }), {
      code: 'method-failed',
      message: /resolveBudget\(\)/,
    });
  }
});

test('what is asked of a module once its run is cancelled fails as cancelled, also between two calls', async () => {
  const file = await moduleOf('idle', 'return {};');
  const abort = new AbortController();
  const { method: idle, dispose } = await loadOwnMethod(file, knownShapes['llava-1.5-7b']!.shape, abort.signal);
  abort.abort();
  const setup = {
    shape: knownShapes['llava-1.5-7b']!.shape,
    variant: 'code',
    parameters: {},
    text: { before: 0, after: [] },
  };
  await assert.rejects(async () => idle.start(setup as method.MethodSetup), { code: 'cancelled' });
  await dispose();
});

test('a function that throws, and a plan that cannot be followed, are named with file, function and line', async () => {
  const failing = async (name: string, start: string, message: RegExp): Promise<void> => {
    const file = await moduleOf(name, start);
    await assert.rejects(pipeline.analyze(requestOf({ name: file })), { code: 'method-failed', message });
  };
  await failing('throws', 'throw new Error("no luck");', /throws\.mjs, start\(\) threw: no luck \(line 2\)/);
  await failing(
    'hook',
    'return { beforeDecoder() {\n null.x; } };',
    /hook\.mjs, beforeDecoder\(\) threw: .* \(line 3\)/,
  );
  await failing('none', 'return { beforeDecoder: () => ({ keep: [] }) };', /keeps no visual token/);
  await failing('far', 'return { beforeDecoder: () => ({ keep: [9999] }) };', /names 9999 .* there are 576/);
  await failing('text', 'return { beforeDecoder: () => "all" };', /beforeDecoder\(\) returned is string/);
  await failing('words', 'return { beforeDecoder: () => ({ keep: ["a"] }) };', /not all numbers/);
  await failing('deep', 'return { visionNeeds: Array(99).fill({ at: "after" }) };', /visionNeeds for 99 layers/);
  await failing('where', 'return { visionNeeds: [{ hidden: true }] };', /visionNeeds\[0\] without at/);
  await failing('rows', 'return { decoderNeeds: [{ attention: "rows" }] };', /decoderNeeds\[0\] with attention/);
  await failing('needs', 'return { decoderNeeds: { attention: "last" } };', /decoderNeeds that are no list/);
  const record = (more: string): string => `return { beforeDecoder: ({ tokens }) => ({ keep: [0], ${more} }) };`;
  await failing('cut', record('scores: [{ name: "s", values: tokens.map(() => 0), cutoff: NaN }]'), /no number/);
  await failing('why', record('reasons: ["a"], reasonOf: tokens.map(() => 1)'), /names reason 1, but has 1/);
  await failing('rater', record('raters: [-4]'), /names text token -4 in raters/);
  await failing(
    'twice',
    'return { afterPrefill: () => ({ fromLayer: 0, kept: [3, 3] }) };',
    /keeps a visual token twice/,
  );
  await failing('exit', 'process.exit(3);', /ended its thread/);
  const { metadata } = await pipeline.analyze(requestOf({ name: 'none' }), { traced: false });
  assert.equal(metadata.status.state, 'complete', 'the pipeline is alive');
});

test('a function that does not come back is ended, and so is one whose run is cancelled', async () => {
  const file = await moduleOf('loops', 'for (;;);');
  const { shape } = knownShapes['llava-1.5-7b']!;
  const setup = { shape, variant: 'code', parameters: {}, text: { before: 0, after: [] } } as const;
  const looping = await loadOwnMethod(file, shape, undefined, 2);
  await assert.rejects(async () => looping.method.start(setup), {
    code: 'method-failed',
    message: /loops\.mjs, start\(\) did not come back within 2 s/,
  });
  const abort = new AbortController();
  const endless = await loadOwnMethod(file, shape, abort.signal);
  const started = Promise.resolve(endless.method.start(setup));
  abort.abort();
  await assert.rejects(started, { code: 'cancelled' });
});

test('what is no method is told so before anything runs', async () => {
  const { shape } = knownShapes['llava-1.5-7b']!;
  await assert.rejects(loadOwnMethod(path.join(folder, 'absent.mjs'), shape), {
    code: 'usage',
    message: /cannot be read/,
  });
  await assert.rejects(loadOwnMethod(path.join(folder, 'mine.ts'), shape), { code: 'usage', hint: /JSDoc/ });
  await writeFile(path.join(folder, 'number.mjs'), 'export default 3;');
  await assert.rejects(loadOwnMethod(path.join(folder, 'number.mjs'), shape), { message: /no default export/ });
  await writeFile(path.join(folder, 'broken.mjs'), 'export default {');
  await assert.rejects(loadOwnMethod(path.join(folder, 'broken.mjs'), shape), { code: 'method-failed' });
  await writeFile(path.join(folder, 'unnamed.mjs'), 'export default { start() {} };');
  await assert.rejects(loadOwnMethod(path.join(folder, 'unnamed.mjs'), shape), { message: /has no name/ });
});

test('modules are listed by their path with what they say of themselves, a broken one with its problem', async () => {
  const good = await moduleOf(
    'listed',
    'return {};',
    `title: 'Listed', budget: 'leaving', parameters: [{ name: 'count', kind: 'integer', least: 2, default: 3 }],`,
  );
  const bad = path.join(folder, 'bad.mjs');
  await writeFile(bad, 'export default { name: "bad" };');
  const listed = await methodSummaries([good, bad], () => Promise.resolve(knownShapes['llava-1.5-7b']!.shape));
  const [first, second] = listed.filter(each => each.own);
  assert.equal(listed[0]!.name, 'none');
  assert.deepEqual(first, {
    name: good,
    title: 'Listed',
    summary: '',
    variants: ['code'],
    budget: 'leaving',
    parameters: [{ name: 'count', title: 'count', kind: 'integer', meaning: '', least: 2 }],
    own: {},
  });
  assert.deepEqual([second!.name, second!.own], [bad, { problem: 'bad.mjs has no function start().' }]);
});
