/** `fovea traffic` and the request behind it, as a user and as VS Code start them. */
import assert from 'node:assert/strict';
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { CancellationTokenSource, ResponseError } from 'vscode-jsonrpc';
import { createMessageConnection, IPCMessageReader, IPCMessageWriter } from 'vscode-jsonrpc/node';
import { bundledModelFolder } from '../../native/models.ts';
import { type TrafficProgress, trafficProgress, type TrafficRequest, trafficRequest } from '../../native/rpc.ts';
import { openTrafficFile } from '../../trace/file.ts';
import type { Schedule } from '../../trace/traffic/schedule.ts';
import { buildSchedule } from '../../trace/traffic/schedules/build-schedule.ts';
import { defaultWire } from '../../trace/traffic/sizes.ts';

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const tsx = import.meta.resolve('tsx');

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-traffic-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function fovea(...words: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['--import', tsx, root('native/cli/main.ts'), ...words], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1' },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

interface Printed {
  readonly bytesSentPerRank: number[];
  readonly bytesByKind: Record<string, number[]>;
  readonly hopMatrix: number[][];
  readonly agreement: { readonly maxAbs: number; readonly relL2: number };
  readonly times: { readonly total: number };
  readonly compared: readonly Printed[];
  readonly error?: { readonly code: string; readonly hint: string };
}

interface PrintedMask {
  readonly visibleShare: number;
  readonly computedShare: number;
  readonly blocks: { readonly flops: number[][]; readonly seconds: number[][] };
}

interface PrintedPlan {
  readonly bytesSentPerRank: number[];
  readonly mask: PrintedMask;
  readonly onTorch: { readonly mask: PrintedMask };
  readonly workload: { readonly mask: string; readonly maskFrames: number };
}

test('--json prints one object with bytes, hops, times and agreement; the trace inspects well and exports to Perfetto', async () => {
  const sizes = ['--ranks', '2', '--sq', '512', '--skv', '8192', '--heads', '8', '--head-dim', '64', '--dtype', 'F16'];
  const { code, stdout, stderr } = await fovea(
    'traffic',
    ...sizes,
    '--compare',
    'ring',
    '--out',
    'lv.fovea',
    '--repeats',
    '1',
    '--json',
  );
  assert.equal(code, 0, stderr + stdout);
  const printed = JSON.parse(stdout) as Printed;
  // The first of the published byte vectors, really sent.
  assert.deepEqual(printed.bytesSentPerRank, [802816, 802816]);
  assert.deepEqual(printed.compared[0]!.bytesSentPerRank, [8388608, 8388608]);
  assert.deepEqual(printed.hopMatrix, [
    [0, 802816],
    [802816, 0],
  ]);
  assert.deepEqual(Object.keys(printed.bytesByKind).sort(), ['L', 'O', 'Q']);
  assert.ok(printed.agreement.relL2 < 5e-3 && printed.times.total > 0);

  const inspected = await fovea('inspect', 'lv.fovea');
  assert.equal(inspected.code, 0, inspected.stdout);
  assert.match(inspected.stdout, /✓ LV-XAttn, bytes:[^]*✓ Ring attention, ownership[^]*traffic\.transfers/);

  assert.equal((await fovea('traffic', '--perfetto', 'lv.fovea', '--out', 'lv.json')).code, 0);
  const { traceEvents } = JSON.parse(await readFile(join(folder, 'lv.json'), 'utf8')) as {
    traceEvents: { args?: { bytes?: number } }[];
  };
  const bytes = traceEvents.reduce((sum, { args }) => sum + (args?.bytes ?? 0), 0);
  assert.equal(bytes, 2 * (802816 + 8388608));

  const overItself = await fovea('traffic', '--perfetto', 'lv.fovea', '--out', 'lv.fovea');
  assert.match(overItself.stdout + overItself.stderr, /lv\.fovea is read too; the result would replace it/);
  assert.equal((await fovea('inspect', 'lv.fovea')).code, 0);

  const image = join(folder, 'read.png');
  await writeFile(image, 'an image');
  const overImage = await fovea('traffic', '--images', image, '-q', 'What?', '--plan', '--schedule', image);
  assert.match(overImage.stdout + overImage.stderr, /read\.png is read too/);
  assert.equal(await readFile(image, 'utf8'), 'an image');
});

test('--plan predicts a preset without running it; --schedule writes what every rank does', async () => {
  const planned = await fovea('traffic', '--preset', 'llama3-v', '--compare', 'ring-repeated,ring', '--plan', '--json');
  const plan = JSON.parse(planned.stdout) as Printed;
  // Table 3, row 1, to the byte: 384 frames of 6404 tokens.
  assert.deepEqual(
    plan.bytesSentPerRank,
    Array.from({ length: 16 }, () => 32768000),
  );
  assert.deepEqual(
    plan.compared.map(({ bytesSentPerRank: [bytes] }) => bytes),
    [37772328960, 9443082240],
  );

  const written = await fovea(
    'traffic',
    '--ranks',
    '3',
    '--sq',
    '4,1,5',
    '--skv',
    '61',
    '--pass',
    'backward',
    '--schedule',
    's.json',
  );
  assert.equal(written.code, 0, written.stderr);
  const schedule = JSON.parse(await readFile(join(folder, 's.json'), 'utf8')) as Schedule;
  const expected = buildSchedule('lv-xattn', 'backward', {
    shape: { queryHeads: 8, keyValueHeads: 8, headSize: 64 },
    sharding: { queryRows: [4, 1, 5], keyRows: [21, 20, 20] },
    wire: defaultWire,
  });
  assert.deepEqual(schedule, expected);
});

test('--plan behind --mask: what is visible, what is computed here and under torch, and who computes when', async () => {
  const words = ['traffic', '--ranks', '2', '--sq', '8', '--skv', '40000', '--mask', 'causal-frames:5', '--plan'];
  const { stdout, stderr, code } = await fovea(...words, '--flops', '1G');
  assert.equal(code, 0, stderr);
  // Rows see 1, 1, 2, 2, 3, 4, 4 and 5 frames of 8000 keys: 22 of 40. Rows 0 to 3 see 16000 of the 20000 keys of shard 0:
  // four chunks of 4096 here, the whole shard under torch. Rows 4 to 7 see all.
  assert.match(
    stdout,
    /mask {5}causal-frames, 5 frames: A query sees frames up to its own place\. What is sent stays the same/,
  );
  assert.match(stdout, /pairs {4}55% of all pairs[^]*chunks of up to 4096 \(ranks under torch: whole shards\)/);
  assert.match(stdout, /computed +busiest rank +torch ranks: time +computed\n/);
  assert.match(stdout, /· nothing to see, skipped\n {2}rank 0 +▇█ [^\n]+\n {2}rank 1 +█· /);
  const json = JSON.parse((await fovea(...words, '--json')).stdout) as PrintedPlan;
  const all = 8 * 40_000;
  assert.equal(json.mask.visibleShare, 22 / 40);
  assert.equal(json.mask.computedShare, (4 * 4 * 4096 + 4 * 40_000) / all);
  assert.equal(json.onTorch.mask.computedShare, (4 * 20_000 + 4 * 40_000) / all);
  assert.deepEqual(json.mask.blocks.flops, [
    [4, 4].map((rows, round) => 4 * 8 * 64 * rows * (round === 0 ? 4 * 4096 : 20_000)),
    [4 * 8 * 64 * 4 * 20_000, 0],
  ]);
  assert.deepEqual(
    json.mask.blocks.seconds,
    json.mask.blocks.flops.map(rounds => rounds.map(flops => flops / 12e12)),
  );
  assert.deepEqual([json.workload.mask, json.workload.maskFrames], ['staircase', 5]);
  const plain = JSON.parse(
    (await fovea(...words.filter(word => !/mask|causal/.test(word)), '--json')).stdout,
  ) as Printed;
  assert.deepEqual(json.bytesSentPerRank, plain.bytesSentPerRank);
  assert.ok(!('mask' in plain));
});

const mistakes: [string[], RegExp][] = [
  [['--plan', '--mask', 'padding:1'], /padding takes a share between 0 and 1/],
  [['--plan', '--mask', 'diagonal'], /--mask is "diagonal"; it must be none or causal-frames/],
  [['--plan', '--mask', 'own-frame:0'], /--mask own-frame is "0"; it must be a whole number from 1/],
  [['--plan', '--mask', 'padding:0.2:3'], /--mask is "padding:0.2:3"; it takes one number/],
  [['-a', 'ulysses', '--ranks', '3'], /8 query heads cannot be split over 3 ranks[^]*1, 2, 4, 8 ranks/],
  [['-a', 'pass-q', '--pass', 'backward'], /without a backward pass/],
  [['--sq', '1,2', '--ranks', '3'], /--sq lists 2 ranks, and there are 3/],
  [['--preset', 'gpt'], /no preset "gpt"/],
  [['-a', 'ulysses-repeated'], /no algorithm "ulysses-repeated"/],
  [['--ranks', '500'], /At most 64 ranks[^]*--plan/],
  [['--images', 'a.png'], /No question/],
  [['--sq', '100000000', '--skv', '100000000'], /needs about [\d.]+ GB of memory[^]*--plan/],
];

test('what cannot be run is refused before anything starts, with what to do instead', async () => {
  for (const [words, expected] of mistakes) {
    const { code, stderr } = await fovea('traffic', ...words);
    assert.ok(code === 2 || code === 5, `${words.join(' ')}: ${code}`);
    assert.match(stderr, expected);
  }
});

test('VS Code asks for an animation through the model: frames, tokens and attention are in the trace; cancelling ends it', async () => {
  const scenes = [1, 2, 3].map(scene =>
    sharp(root(`media/samples/scene-0${scene}.png`))
      .resize(120, 120)
      .png()
      .toBuffer(),
  );
  const clip = join(folder, 'clip.gif');
  await sharp(await Promise.all(scenes), { join: { animated: true } })
    .gif()
    .toFile(clip);
  const child = fork(root('native/server.ts'), [], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const connection = createMessageConnection(new IPCMessageReader(child), new IPCMessageWriter(child));
  connection.listen();
  const request: TrafficRequest = {
    workload: {
      kind: 'images',
      paths: [clip],
      question: 'What is on the left?',
      modelFolder: bundledModelFolder(),
      frames: 8,
    },
    choices: [{ algorithm: 'lv-xattn', repeatKeyValueHeads: false }],
    ranks: 2,
    pass: 'forward',
    element: 'F32',
    seed: 1,
    wire: defaultWire,
    repeats: 1,
    tracePath: join(folder, 'clip.fovea'),
    progressToken: 'one',
  };
  try {
    const told: TrafficProgress['doing'][] = [];
    connection.onProgress(trafficProgress, 'one', ({ doing }) => {
      told.push(doing);
    });
    const result = await connection.sendRequest(trafficRequest, request);
    assert.deepEqual({ state: result.state, violations: result.violations }, { state: 'complete', violations: [] });
    assert.deepEqual([...new Set(told)], ['workload', 'reference', 'run']);

    const trace = await openTrafficFile(result.tracePath);
    const { workload } = trace.metadata;
    assert.deepEqual(
      workload.frames?.map(({ name }) => name),
      [1, 2, 3].map(frame => `clip.gif, frame ${frame} of 3`),
    );
    assert.equal(
      workload.sharding.keyRows.reduce((sum, rows) => sum + rows, 0),
      3 * 576,
    );
    const text = workload.tokens!.map(token => token.text).join('');
    assert.match(text, /What is on the left\?.*ASSISTANT:/s);
    assert.ok(text.includes(workload.answer!.slice(0, 3)), 'the answer is among the queries');
    const { data } = await trace.slice('workload.frame_attention');
    const shares = new Float32Array(data.buffer);
    for (let row = 0; row < workload.tokens!.length; row++) {
      const sum = shares.subarray(row * 3, row * 3 + 3).reduce((total, share) => total + share, 0);
      assert.ok(Math.abs(sum - 1) < 1e-4, `row ${row} sums to ${sum}`);
    }
    await trace.close();

    const cancellation = new CancellationTokenSource();
    connection.onProgress(trafficProgress, 'two', ({ doing }) => {
      if (doing === 'workload') cancellation.cancel();
    });
    const second = connection.sendRequest(trafficRequest, { ...request, progressToken: 'two' }, cancellation.token);
    await assert.rejects(
      second,
      (error: unknown) => error instanceof ResponseError && (error.data as { code: string }).code === 'cancelled',
    );
  } finally {
    connection.dispose();
    child.disconnect();
    await once(child, 'exit');
  }
});
