/** LLaVA-XAttn from request to trace on a little model: what is read, what is refused, what is told. Its numbers: test/golden. */
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, type TestContext, test } from 'node:test';
import sharp from 'sharp';
import { type Analysis, Pipeline } from '../../native/analysis/pipeline.ts';
import { crossAttentionFiles } from '../../native/checkpoint/cross-attention-weights.ts';
import { checkTrace } from '../../native/cli/trace-check.ts';
import { readFloats } from '../../native/cli/trace-values.ts';
import { bundledModelFolder } from '../../native/models.ts';
import { reproduce } from '../../native/report/reproduce.ts';
import { analyzeLine } from '../../native/report/reproduction.ts';
import type { AnalyzeRequest, MethodRequest, StageProgress } from '../../native/rpc.ts';
import { openTraceFile } from '../../trace/file.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { validateMetadata } from '../../trace/validation.ts';
import { crossAttentionFolder, describeOtherwise } from '../fixtures/cross-attention-folder.ts';
import { linkCheckpointWithTokenizer } from '../fixtures/letter-tokenizer.ts';

const folder = await mkdtemp(path.join(os.tmpdir(), 'fovea-cross-'));
const tracePath = path.join(folder, 'run.fovea');
const pipeline = new Pipeline();
after(async () => {
  await pipeline.release();
  await rm(folder, { recursive: true });
});

const model = path.join(folder, 'model');
await mkdir(model);
linkCheckpointWithTokenizer(path.resolve('test/golden/variants/gqa'), model);
for (const name of Object.values(crossAttentionFiles)) {
  copyFileSync(path.resolve('test/golden/cross-attention', name), path.join(model, name));
}

const still = path.resolve('media/samples/scene-04.png');

/** Frames of plain colours, no two alike. */
async function animation(count: number, format: 'gif' | 'webp' = 'gif'): Promise<string> {
  const file = path.join(folder, `${count}.${format}`);
  const frames = await Promise.all(Array.from({ length: count }, (_, index) => plainImage(index).png().toBuffer()));
  await sharp(frames, { join: { animated: true } })
    .toFormat(format)
    .toFile(file);
  return file;
}

function plainImage(index: number): ReturnType<typeof sharp> {
  const background = { r: (index * 53) % 256, g: (index * 101) % 256, b: 90 };
  return sharp({ create: { width: 40, height: 40, channels: 3, background } });
}

type Wish = Partial<Omit<AnalyzeRequest, 'method'>> & { readonly method?: MethodRequest | 'none' };

function analyze(wish: Wish = {}, options: Parameters<Pipeline['analyze']>[1] = {}): Promise<Analysis> {
  const { method = { name: 'llava-xattn' }, ...rest } = wish;
  return pipeline.analyze(
    {
      imagePath: still,
      question: 'What?',
      modelFolder: model,
      tracePath,
      maxNewTokens: 4,
      sampling: { mode: 'greedy' },
      ...(method !== 'none' && { method }),
      device: 'cpu',
      threads: 1,
      progressToken: '',
      ...rest,
    },
    options,
  );
}

async function shares(): Promise<{ readonly values: Float32Array; readonly frames: number }> {
  const trace = await openTraceFile(tracePath);
  try {
    const shape = trace.tensors['cross_attention.frame_share']!.shape;
    return { values: await readFloats(trace, 'cross_attention.frame_share'), frames: shape.at(-1)! };
  } finally {
    await trace.close();
  }
}

test('a still image is read in high resolution, every head’s map in the trace, and all its sums hold', async () => {
  const { metadata } = await analyze();
  const cross = metadata.crossAttention!;
  assert.deepEqual([cross.input, cross.maps, cross.grid.rows, cross.tiles.rows], ['high-resolution', 'heads', 12, 3]);
  assert.equal(cross.firstRow, metadata.tokens.filter(({ position }) => position < metadata.visual.first).length);
  const trace = await openTraceFile(tracePath);
  try {
    const rows = metadata.tokens.length - 1 - cross.firstRow;
    assert.deepEqual(trace.tensors['cross_attention.to_tokens']!.shape, [rows, 2, 4, 144]);
    assert.equal(trace.tensors['cross_attention.frame_share'], undefined);
    const { ok, checks } = await checkTrace(trace);
    assert.ok(ok, JSON.stringify(checks));
    assert.ok(checks.some(({ name, rows: checked }) => name.includes('long input') && checked === rows * 2 * 4));
  } finally {
    await trace.close();
  }
});

test('all frames of an animation are read; shares by head belong to the frames, whose pictures are kept', async () => {
  for (const format of ['gif', 'webp'] as const) {
    const { metadata } = await analyze({ imagePath: await animation(3, format) });
    const cross = metadata.crossAttention!;
    assert.deepEqual([cross.input, cross.maps, cross.framesAvailable], ['frames', 'mean', 3]);
    assert.deepEqual(
      cross.frames.map(({ number }) => number),
      [1, 2, 3],
    );
    assert.deepEqual(cross.notes, []);
    const trace = await openTraceFile(tracePath);
    const { ok, checks } = await checkTrace(trace);
    const { data: pictures } = await trace.slice('cross_attention.pictures');
    await trace.close();
    assert.ok(ok, JSON.stringify(checks));
    for (const [index, { offset, bytes }] of cross.frames.entries()) {
      const { data } = await sharp(pictures.subarray(offset, offset + bytes))
        .raw()
        .toBuffer({ resolveWithObject: true });
      assert.ok(Math.abs(data[0]! - ((index * 53) % 256)) < 12, `frame ${index + 1} shows another colour`);
    }
  }
});

test('frames keep their order: the same frame gives the same answer wherever it came from', async () => {
  const files: string[] = [];
  for (let index = 0; index < 3; index++) {
    files.push(path.join(folder, 'frames', `frame-${index + 9}.png`));
    await mkdir(path.join(folder, 'frames'), { recursive: true });
    await plainImage(index).toFile(files[index]!);
  }
  const [imagePath, ...furtherImages] = files;
  const many = await analyze({ imagePath: imagePath!, furtherImages });
  const first = await shares();
  // frame-9, frame-10, frame-11: numbers are compared as numbers.
  const ofFolder = await analyze({ imagePath: path.join(folder, 'frames') });
  assert.deepEqual(await shares(), first);
  assert.equal(ofFolder.answer, many.answer);
  const reversed = await analyze({ imagePath: files[2]!, furtherImages: [files[1]!, files[0]!] });
  assert.notDeepEqual(await shares(), first);
  assert.deepEqual(
    reversed.metadata.crossAttention!.frames.map(({ name }) => name),
    ['frame-11.png', 'frame-10.png', 'frame-9.png'],
  );
  assert.equal(many.metadata.crossAttention!.frames.length, 3);

  // The run again, from its own description.
  for (const { metadata } of [many, ofFolder]) {
    const again = await reproduce(metadata, {
      imagePath: undefined,
      modelFolder: undefined,
      signal: new AbortController().signal,
      progress: () => undefined,
    });
    assert.ok(again.tokensAgree && again.numbersAgree, JSON.stringify(again));
  }
  assert.match(analyzeLine(many.metadata), /frame-9\.png --image=\S+frame-10\.png --image=\S+frame-11\.png /);
  await assert.rejects(
    reproduce(many.metadata, {
      imagePath: files[0],
      modelFolder: undefined,
      signal: new AbortController().signal,
      progress: () => undefined,
    }),
    { code: 'image-unreadable', message: /several files/ },
  );
});

test('of more frames than there are places for, some are read, spread evenly, and that is said', async () => {
  const imagePath = await animation(12);
  const { metadata } = await analyze({ imagePath });
  const { frames, framesAvailable, notes } = metadata.crossAttention!;
  assert.deepEqual(
    frames.map(({ number }) => number),
    [1, 3, 5, 8, 10],
  );
  assert.equal(framesAvailable, 12);
  assert.match(notes.join(), /5 of 12 frames are read, spread evenly: the weights have places for 5/);
  const two = await analyze({ imagePath, method: { name: 'llava-xattn', parameters: { frames: 2 } } });
  assert.deepEqual(
    two.metadata.crossAttention!.frames.map(({ number }) => number),
    [1, 7],
  );
  assert.match(two.metadata.crossAttention!.notes.join(), /at most 2 were asked for/);
  await assert.rejects(analyze({ imagePath, method: { name: 'llava-xattn', parameters: { frames: 6 } } }), {
    code: 'usage',
    message: /places for 5 frames, not for 6/,
  });
});

test('an animation can be read as one image, and one image as a frame; layers can be left out', async () => {
  const parameters = (given: MethodRequest['parameters']): Wish => ({
    method: { name: 'llava-xattn', parameters: given! },
  });
  const one = await analyze({ ...parameters({ input: 'image' }), imagePath: await animation(3) });
  assert.equal(one.metadata.crossAttention!.input, 'high-resolution');
  assert.match(one.metadata.crossAttention!.notes.join(), /Only the first of 3 frames/);
  const frame = await analyze(parameters({ input: 'frames' }));
  assert.equal(frame.metadata.crossAttention!.frames.length, 1);
  const last = await analyze(parameters({ layers: '1' }));
  assert.deepEqual(last.metadata.crossAttention!.layers, [1]);
  assert.match(last.metadata.crossAttention!.notes.join(), /1 of 2 trained cross-attention layers were left out/);
});

test('a model without these weights, combinations that are not defined, and images that nothing reads are refused', async () => {
  const refused = (wish: Wish, code: string, message: RegExp) => assert.rejects(analyze(wish), { code, message });
  const plain = path.join(folder, 'plain');
  await mkdir(plain);
  linkCheckpointWithTokenizer(path.resolve('test/golden/variants/gqa'), plain);
  await refused(
    { modelFolder: plain },
    'architecture-unsupported',
    /needs cross-attention weights, and this model has none/,
  );
  const named = (name: string, parameters = {}): Wish => ({ method: { name, parameters } });
  await refused(
    named('fastv+llava-xattn'),
    'usage',
    /LLaVA-XAttn does not run beside FastV: its cross-attention was trained/,
  );
  await refused(named('llava-xattn+flexattention'), 'usage', /reads all high-resolution tokens already/);
  await refused(named('llava-xattn', { layers: '0,3' }), 'usage', /no cross-attention before decoder layer 3/);
  await refused(named('llava-xattn', { layers: '' }), 'usage', /No decoder layer is to read/);
  await refused({ method: { name: 'llava-xattn', budget: 8 } }, 'usage', /takes no budget/);
  await refused({ method: 'none', furtherImages: [still] }, 'usage', /reads one image, not 2/);
  await refused({ method: { name: 'fastv' }, imagePath: folder }, 'usage', /is a folder/);
});

test('a run without the method does not look at the weights, and is the same to the last bit', async () => {
  const withFiles: number[][] = [];
  const without: number[][] = [];
  const observe = (into: number[][]) => ({ observer: (logits: Float32Array) => void into.push(Array.from(logits)) });
  await analyze({ method: 'none' }, observe(withFiles));
  const plain = path.join(folder, 'bare');
  await mkdir(plain);
  linkCheckpointWithTokenizer(path.resolve('test/golden/variants/gqa'), plain);
  await analyze({ method: 'none', modelFolder: plain }, observe(without));
  assert.deepEqual(withFiles, without);
  // After cross-attention was loaded, too.
  const afterwards: number[][] = [];
  await analyze();
  await analyze({ method: 'none' }, observe(afterwards));
  assert.deepEqual(afterwards, without);
});

test('cancelling stops between frames', async () => {
  const stop = new AbortController();
  const stages: StageProgress[] = [];
  const progress = (reported: StageProgress): void => {
    stages.push(reported);
    if (reported.stage === 'frames' && reported.done === 2) stop.abort();
  };
  await assert.rejects(analyze({ imagePath: await animation(5) }, { signal: stop.signal, progress }), {
    code: 'cancelled',
  });
  assert.ok(!stages.some(({ stage, done }) => stage === 'frames' && done > 2));
});

/** The error of a run with a damaged copy of the little model. */
async function failure(t: TestContext, fields: Record<string, unknown>): Promise<unknown> {
  const copy = describeOtherwise(crossAttentionFolder(t), fields);
  return runDamaged(copy.path);
}

async function runDamaged(checkpoint: string): Promise<unknown> {
  const target = await mkdtemp(path.join(folder, 'damaged-'));
  linkCheckpointWithTokenizer(checkpoint, target);
  return analyze({ modelFolder: target }, { traced: false }).then(
    () => 'it ran',
    (error: unknown) => error,
  );
}

test('every missing key, unknown value and wrong shape is told by name', async t => {
  const keys = Object.keys(crossAttentionFolder(t).readJson(crossAttentionFiles.description));
  assert.equal(keys.length, 16);
  for (const key of keys) {
    const { code, message } = (await failure(t, { [key]: undefined })) as { code: string; message: string };
    assert.equal(code, 'checkpoint-malformed', key);
    assert.match(message, new RegExp(`xattn.json: ${key} is missing`));
  }
  const told = async (fields: Record<string, unknown>, code: string, message: RegExp): Promise<void> => {
    const error = (await failure(t, fields)) as { code: string; message: string };
    assert.deepEqual([error.code, message.test(error.message)], [code, true], error.message);
  };
  await told({ format: 'flamingo' }, 'checkpoint-malformed', /format is "flamingo"/);
  await told({ version: 2 }, 'architecture-unsupported', /version is 2/);
  await told({ where: 'after' }, 'architecture-unsupported', /where is "after"/);
  await told({ queries: 'all' }, 'architecture-unsupported', /queries is "all"/);
  await told({ gate: 'sigmoid' }, 'architecture-unsupported', /gate is "sigmoid"/);
  await told({ rotary: 'fractional' }, 'architecture-unsupported', /rotary is "fractional"/);
  await told({ layers: [1, 0] }, 'checkpoint-malformed', /layers is \[1,0\]/);
  await told({ layers: [0, 2] }, 'checkpoint-malformed', /ascending layers from 0 to 1/);
  await told({ layers: [] }, 'checkpoint-malformed', /layers is \[\]/);
  await told({ keyValueHeads: 3 }, 'checkpoint-malformed', /a divisor of heads \(4\)/);
  await told({ tilePixels: 336 }, 'checkpoint-malformed', /image_size of the vision tower \(28\)/);
  await told({ frameTokens: 576 }, 'checkpoint-malformed', /patches \(16\)/);
  await told({ rmsNormEps: 0 }, 'checkpoint-malformed', /rmsNormEps is 0/);
  await told({ keyValueNorm: 'yes' }, 'checkpoint-malformed', /keyValueNorm/);
  await told(
    { headDim: 8 },
    'shape-mismatch',
    /q_proj.weight" has the shape \[48, 32\], but xattn.json makes it \[32, 32\]/,
  );
  await told({ tileGrid: 2 }, 'shape-mismatch', /xattn_tile.weight/);
  await told({ maxFrames: 64 }, 'shape-mismatch', /xattn_frame.weight" has the shape \[5, 32\]/);

  const lonely = crossAttentionFolder(t).remove(crossAttentionFiles.weights);
  assert.match(String(await runDamaged(lonely.path)), /There is xattn.json, but no xattn.safetensors/);
  const undescribed = crossAttentionFolder(t).remove(crossAttentionFiles.description);
  assert.match(String(await runDamaged(undescribed.path)), /There is xattn.safetensors, but no xattn.json/);
  const renamed = crossAttentionFolder(t).header(header => {
    header['gate'] = header['language_model.layers.1.cross_attn.gate']!;
    delete header['language_model.layers.1.cross_attn.gate'];
  }, crossAttentionFiles.weights);
  assert.match(String(await runDamaged(renamed.path)), /lack the tensor "language_model.layers.1.cross_attn.gate"/);
});

test('the model that comes with Fovea has weights for LLaVA-XAttn', async () => {
  const { metadata } = await analyze({ modelFolder: bundledModelFolder(), maxNewTokens: 1 }, { traced: false });
  assert.equal(metadata.crossAttention?.input, 'high-resolution');
  assert.deepEqual(metadata.crossAttention.layers, [2, 5, 8, 11]);
});

test('a description that contradicts itself is not opened', async () => {
  const { metadata } = await analyze({ imagePath: await animation(3) });
  const broken = (change: (cross: Record<string, unknown>) => void, message: RegExp): void => {
    const copy = structuredClone(metadata) as unknown as RunMetadata & { crossAttention: Record<string, unknown> };
    change(copy.crossAttention);
    assert.throws(() => {
      validateMetadata(copy);
    }, message);
  };
  broken(cross => (cross['gates'] = [0.5]), /gates has 1 values for 2 layers/);
  broken(cross => (cross['gates'] = [0.5, 2]), /beyond -1 and 1/);
  broken(cross => (cross['layers'] = [1, 9]), /ascending layers below 2/);
  broken(cross => (cross['frames'] = []), /contradicts "input"/);
  broken(cross => (cross['framesAvailable'] = 2), /less than 3/);
  broken(cross => ((cross['frames'] as { offset: number }[])[1]!.offset = 1), /offset is 1, expected/);
  broken(cross => ((cross['frames'] as { number: number }[])[2]!.number = 2), /in order/);
  broken(cross => (cross['firstRow'] = 99), /firstRow is 99/);
  broken(cross => (cross['maps'] = 'none'), /maps is "none"/);
});
