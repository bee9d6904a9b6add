/** FlexAttention on the bundled model beside the golden numbers: controls, combinations, image sizes and refusals. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import sharp from 'sharp';
import { type Analysis, Pipeline } from '../../native/analysis/pipeline.ts';
import { readFloats } from '../../native/cli/trace-values.ts';
import { bundledModelFolder } from '../../native/models.ts';
import { readFetchedTokens } from '../../native/report/fetched-tokens.ts';
import { writeReport } from '../../native/report/write-report.ts';
import type { MethodRequest, StageProgress } from '../../native/rpc.ts';
import { openTraceFile } from '../../trace/file.ts';

const folder = await mkdtemp(path.join(os.tmpdir(), 'fovea-flex-'));
const pipeline = new Pipeline();
after(async () => {
  await pipeline.release();
  await rm(folder, { recursive: true });
});

interface Wish {
  readonly method: MethodRequest;
  readonly image?: string;
  readonly model?: string;
  readonly tokens?: number;
}

function analyze(
  { method, image = path.resolve('media/samples/scene-03.png'), model = bundledModelFolder(), tokens = 3 }: Wish,
  options: Parameters<Pipeline['analyze']>[1] = {},
): Promise<Analysis> {
  return pipeline.analyze(
    {
      imagePath: image,
      question: 'What is the small word near the pumpkin?',
      modelFolder: model,
      tracePath: path.join(folder, 'run.fovea'),
      maxNewTokens: tokens,
      sampling: { mode: 'greedy' },
      method,
      device: 'cpu',
      threads: 2,
      progressToken: '',
    },
    options,
  );
}

async function read(analysis: Analysis, name: 'cells' | 'selected' | 'mass' | 'attention'): Promise<Float32Array> {
  const trace = await openTraceFile(analysis.tracePath);
  try {
    return await readFloats(trace, `high_resolution.${name}`);
  } finally {
    await trace.close();
  }
}

const flex = (parameters: MethodRequest['parameters'] = {}): MethodRequest => ({ name: 'flexattention', parameters });

test('random and centre select as many cells as attention; all and none select all and none', async () => {
  for (const [source, tokens] of [
    ['random', 522],
    ['centre', 522],
    ['all', 5184],
    ['none', 0],
  ] as const) {
    const selected = await read(await analyze({ method: flex({ source }) }), 'selected');
    assert.ok(
      selected.every(value => value === tokens),
      source,
    );
  }
});

test('a report sums up what was fetched: tokens, attention, change and overlap by layer, cells that were read', async () => {
  const { metadata, tracePath } = await analyze({ method: flex() });
  const { attending, layers, meanSelected, cells } = metadata.highResolution!;
  const trace = await openTraceFile(tracePath);
  const fetched = (await readFetchedTokens(trace))!;
  const change = await readFloats(trace, 'high_resolution.change');
  await trace.close();
  assert.equal(fetched.steps, 3);
  assert.deepEqual(
    fetched.layers.map(({ layer }) => layer),
    attending,
  );
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.ok(Math.abs(mean(fetched.layers.map(({ tokens }) => tokens)) - meanSelected) < 1e-6);
  for (const { layer, read, tokens, overlap, ...rest } of fetched.layers) {
    // Each cell is nine tokens.
    assert.ok(Math.abs(read.reduce((sum, share) => sum + share, 0) * 9 - tokens) < 1e-3);
    assert.ok(overlap! >= 0 && overlap! <= 1);
    assert.ok(rest.attention > 0 && rest.attention < 1);
    const index = layers.indexOf(layer);
    assert.ok(Math.abs(rest.change - mean([0, 1, 2].map(step => change[step * layers.length + index]!))) < 1e-6);
  }
  assert.equal(fetched.read.length, cells.rows * cells.columns);

  const [html, text, json] = [path.join(folder, 'r.html'), path.join(folder, 'r.md'), path.join(folder, 'r.json')];
  await writeReport({ sources: [tracePath], outPath: html, format: 'html' });
  assert.match(await readFile(html, 'utf8'), /What it fetched in high resolution/);
  await writeReport({ sources: [tracePath], outPath: text, format: 'md' });
  assert.match(await readFile(text, 'utf8'), /\| D11 +\| +522 +\| +10/);
  await writeReport({ sources: [tracePath], outPath: json, format: 'json' });
  const numbers = JSON.parse(await readFile(json, 'utf8')) as { highResolution: { layers: { tokens: number }[] } };
  assert.equal(numbers.highResolution.layers.at(-1)!.tokens, 522);
});

test('a frozen selection stays that of the first step in every layer', async () => {
  const cells = await read(await analyze({ method: flex({ source: 'frozen' }) }), 'cells');
  const perStep = cells.length / 3;
  assert.deepEqual(cells.subarray(perStep, 2 * perStep), cells.subarray(0, perStep));
  assert.deepEqual(cells.subarray(2 * perStep), cells.subarray(0, perStep));
});

test("the paper's variant lets all rows see the selected tokens and does not pool", async () => {
  const { metadata } = await analyze({ method: { ...flex(), variant: 'paper' } });
  const { rows, map, pooling, rule, weights } = metadata.highResolution!;
  assert.ok(weights.distances!.every(({ keys, values }) => keys > 0.1 && values > 0.1));
  assert.deepEqual([rows, map, pooling, rule.kind], ['all', 'joint', 'none', 'count']);
  assert.ok(metadata.highResolution!.notes.some(note => note.includes('trained otherwise')));
});

test("the official code's rule selects cells of 64 tokens", async () => {
  const parameters = { rule: 'threshold', cells: 9, map: 'separate', rotary: 'interpolated' };
  const analysis = await analyze({ method: flex(parameters) });
  const selected = await read(analysis, 'selected');
  assert.ok(selected.every(count => count > 0 && count % 64 === 0));
  assert.equal(analysis.metadata.highResolution!.rule.kind, 'threshold');
});

test('beside a pruning method, only patches that are still there are selected', async () => {
  const analysis = await analyze({
    method: { name: 'cls-top-k+flexattention', budget: 64, parameters: { 'flexattention.count': 30 } },
  });
  const { reduction, method } = analysis.metadata;
  assert.equal(reduction!.layers[0]!.entering, 64);
  assert.equal(method.beside!.parameters['count'], 30);
  const trace = await openTraceFile(analysis.tracePath);
  const [fates, cells] = [await readFloats(trace, 'fates.fate'), await readFloats(trace, 'high_resolution.cells')];
  await trace.close();
  cells.forEach((selected, index) => {
    if (selected) assert.equal(fates[index % 576], 0, 'a dropped patch was selected');
  });
  assert.equal(
    cells.subarray(0, 576).reduce((sum, value) => sum + value, 0),
    30,
  );
});

test('combinations that are not defined are refused with the reason', async () => {
  const refused = (name: string, message: RegExp) =>
    assert.rejects(analyze({ method: { name } }), { code: 'usage', message });
  await refused('tome+flexattention', /does not say which of them/);
  await refused('fastv+random', /only methods that fetch/);
  await refused('flexattention+flexattention', /both fetch/);
  await refused('fastv+flexattention+flexattention', /too many/);
});

test('layers without projections, and more cells than patches, are told', async () => {
  const rejects = (parameters: MethodRequest['parameters'], message: RegExp) =>
    assert.rejects(analyze({ method: flex(parameters) }), { code: 'usage', message });
  await rejects({ layers: '3,4' }, /no high-resolution projections for decoder layer 3/);
  await rejects({ cells: 25 }, /24 patches cannot be pooled to 25/);
});

test('a wide image is padded, and the padding is never selected', async () => {
  const image = path.join(folder, 'wide.png');
  await sharp('media/samples/scene-03.png').resize(1008, 504, { fit: 'fill' }).toFile(image);
  const analysis = await analyze({ method: flex(), image });
  const { margin, crop } = analysis.metadata.highResolution!;
  assert.deepEqual(margin, { rows: 6, columns: 0 });
  assert.deepEqual([crop.y, crop.height], [-252, 1008]);
  const cells = await read(analysis, 'cells');
  cells.forEach((selected, index) => {
    const row = Math.floor((index % 576) / 24);
    if (selected) assert.ok(row >= 6 && row < 18, `row ${row} shows padding`);
  });
});

test('an image no larger than a tile has its ordinary tokens for high-resolution ones', async () => {
  const image = path.join(folder, 'small.png');
  await sharp('media/samples/scene-03.png').resize(300, 300).toFile(image);
  const { metadata } = await analyze({ method: flex(), image });
  assert.deepEqual(metadata.highResolution!.grid, { rows: 24, columns: 24 });
  assert.equal(metadata.highResolution!.tiles.rows, 1);
  assert.match(metadata.highResolution!.notes.join(), /not larger than a tile/);
});

test('cancelling stops between tiles', async () => {
  const stop = new AbortController();
  const stages: StageProgress[] = [];
  await assert.rejects(
    analyze(
      { method: flex() },
      {
        signal: stop.signal,
        progress: progress => {
          stages.push(progress);
          if (progress.stage === 'tiles' && progress.done === 2) stop.abort();
        },
      },
    ),
    { code: 'cancelled' },
  );
  assert.ok(!stages.some(({ stage, done }) => stage === 'tiles' && done > 2));
});

test('weights that are missing or of the wrong shape are told; without a description, own projections stand in', async () => {
  const model = path.join(folder, 'model');
  await cp(bundledModelFolder(), model, { recursive: true, filter: source => !source.includes('training') });
  const description = path.join(model, 'flexattn.json');
  const fields = JSON.parse(await readFile(description, 'utf8')) as Record<string, unknown>;
  const described = (changes: Record<string, unknown>) =>
    writeFile(description, JSON.stringify({ ...fields, ...changes }));

  await described({ weights: 'elsewhere.safetensors' });
  await assert.rejects(analyze({ method: flex(), model }), { code: 'checkpoint-missing', message: /elsewhere/ });
  await described({ weights: 'model.safetensors', key: 'language_model.model.layers.{layer}.mlp.up_proj.weight' });
  await assert.rejects(analyze({ method: flex(), model }), { code: 'checkpoint-malformed' });
  await described({
    weights: 'model.safetensors',
    key: 'language_model.model.layers.{layer}.mlp.up_proj.weight',
    value: 'language_model.model.layers.{layer}.mlp.up_proj.weight',
  });
  await assert.rejects(analyze({ method: flex(), model }), { code: 'shape-mismatch', message: /up_proj/ });
  await described({ rotary: 'learned' });
  await assert.rejects(analyze({ method: flex(), model }), { code: 'checkpoint-malformed', message: /rotary/ });

  await rm(description);
  const { metadata } = await analyze({ method: flex(), model });
  const { weights, notes, pooling, attending } = metadata.highResolution!;
  assert.equal(weights.kind, 'copied');
  assert.ok(weights.distances!.every(({ keys, values }) => keys === 0 && values === 0));
  assert.equal(pooling, 'adaptive-max');
  assert.equal(attending[0], 3);
  assert.match(notes.join(), /Untrained HR projections/);
});

test("projections in the released checkpoint's layout are found, and config.json says the threshold", async () => {
  const model = path.join(folder, 'released');
  await cp(bundledModelFolder(), model, { recursive: true, filter: source => !source.includes('training') });
  await rm(path.join(model, 'flexattn.json'));
  const projections = await readFile(path.join(model, 'flexattn.safetensors'));
  const headerBytes = Number(projections.readBigUInt64LE(0));
  const header = projections.subarray(8, 8 + headerBytes).toString();
  // Names of the same length, so that the offsets stay.
  const renamed = header.replaceAll('_proj_hr.', '_proj_hd.');
  await writeFile(
    path.join(model, 'hd.safetensors'),
    Buffer.concat([projections.subarray(0, 8), Buffer.from(renamed), projections.subarray(8 + headerBytes)]),
  );
  const base = await readFile(path.join(model, 'model.safetensors'));
  const names = (bytes: Buffer): string[] =>
    Object.keys(JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString()) as object).filter(
      name => name !== '__metadata__',
    );
  await rename(path.join(model, 'model.safetensors'), path.join(model, 'base.safetensors'));
  const places = [
    ...names(base).map(name => [name, 'base.safetensors']),
    ...names(await readFile(path.join(model, 'hd.safetensors'))).map(name => [name, 'hd.safetensors']),
  ];
  await writeFile(
    path.join(model, 'model.safetensors.index.json'),
    JSON.stringify({ weight_map: Object.fromEntries(places) as unknown }),
  );
  const config = JSON.parse(await readFile(path.join(model, 'config.json'), 'utf8')) as Record<string, unknown>;
  const extra = { zoom_ratio: 3, lowres_size: 336, highres_size: 672, threshold: 60 };
  await writeFile(path.join(model, 'config.json'), JSON.stringify({ ...config, extra }));

  const { metadata } = await analyze({ method: flex(), model });
  const { weights, rule, grid, attending, map, rotary } = metadata.highResolution!;
  assert.equal(weights.kind, 'released');
  assert.deepEqual(rule, { kind: 'threshold', threshold: 60 });
  assert.deepEqual(grid, { rows: 48, columns: 48 });
  assert.deepEqual(attending, [4, 5, 6, 7, 8, 9, 10, 11]);
  assert.deepEqual([map, rotary], ['separate', 'interpolated']);
});
