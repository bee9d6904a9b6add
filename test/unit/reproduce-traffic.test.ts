/** Traffic that is sent again: what must be equal, what may differ, and what cannot be sent again here. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { exitCodes } from '../../native/cli/exit-codes.ts';
import { parseTrafficOptions } from '../../native/cli/traffic-options.ts';
import { compareTrafficRuns, reproduceTraffic } from '../../native/report/reproduce-traffic.ts';
import { readSavedReport } from '../../native/report/saved-report.ts';
import { trafficLine } from '../../native/report/traffic-line.ts';
import { writeReport } from '../../native/report/write-report.ts';
import type { TrafficMetadata, TrafficRun } from '../../trace/traffic/metadata.ts';
import { smallTraffic } from '../fixtures/small-traffic.ts';

const main = fileURLToPath(new URL('../../native/cli/main.ts', import.meta.url));
const sample = fileURLToPath(new URL('../../media/samples/scene-02.png', import.meta.url));
const other = fileURLToPath(new URL('../../media/samples/scene-04.png', import.meta.url));
const tsx = import.meta.resolve('tsx');
const asItIs = {
  imagePath: undefined,
  modelFolder: undefined,
  signal: new AbortController().signal,
  progress: () => undefined,
};

let folder = '';
const made = (name: string): string => join(folder, name);
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-reproduce-'));
  await copyFile(sample, made('mine.png'));
  const sizes = '--ranks 3 --sq 7,0,12 --skv 60 --heads 4 --kv-heads 2 --head-dim 8 --mask causal-frames:5 --seed 4';
  const run = await fovea('traffic', ...sizes.split(' '), '--compare', 'ring', '--repeats', '1', '-o', made('n.fovea'));
  assert.equal(run.code, 0, run.stderr);
  const asked = ['mine.png', '-q', 'What is in the center?', '--mask', 'padding:0.25', '--ranks', '2'];
  const images = await fovea('traffic', '--images', ...asked, '--repeats', '1', '-o', made('i.fovea'));
  assert.equal(images.code, 0, images.stderr);
  for (const format of ['html', 'json'] as const)
    await writeReport({ sources: [made('n.fovea')], outPath: made(`n.${format}`), format });
});
after(() => rm(folder, { recursive: true, force: true }));

function fovea(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise(resolve => {
    execFile(process.execPath, ['--import', tsx, main, ...words], { cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

async function trafficIn(name: string): Promise<TrafficMetadata> {
  const saved = await readSavedReport(made(name));
  assert.ok(saved.kind === 'traffic');
  return saved.metadata;
}

test('masked noise on uneven ranks is sent again from its HTML report, and every byte and figure agrees', async () => {
  const { code, stdout, stderr } = await fovea('reproduce', made('n.html'));
  assert.equal(code, exitCodes.ok, stderr);
  assert.equal(stdout.match(/Bytes agree exactly, of every kind and rank\./g)?.length, 2);
  assert.equal(stdout.match(/Agreement with one device agrees/g)?.length, 2);
  assert.match(stdout, /2 of 2 runs agree\. Times are shown, not compared\./);
});

test('one byte more on one rank is a disagreement that is named, with exit code 1', async () => {
  const report = JSON.parse(await readFile(made('n.json'), 'utf8')) as TrafficMetadata;
  const sent = report.runs[1]!.bytes.sentByKind.K as number[];
  sent[2]!++;
  await writeFile(made('changed.json'), JSON.stringify(report));
  const { code, stdout } = await fovea('reproduce', made('changed.json'));
  assert.equal(code, exitCodes.unexpected);
  assert.match(stdout, new RegExp(`K of rank 2: ${sent[2]! - 1}, was ${sent[2]!}\\n`));
  assert.match(stdout, /1 of 2 runs agrees/);
});

test('figures disagree beyond the tolerance that the trace states, and times never do', () => {
  const agreement = { maxAbs: 0, relL2: 1e-6, cosine: 1, tolerance: 1e-5, reference: 'one device' };
  const run: TrafficRun = { ...smallTraffic.runs[0]!, agreement };
  const apart = (relL2: number): boolean | undefined =>
    compareTrafficRuns(run, { ...run, agreement: { ...agreement, relL2 } }).numbersAgree;
  assert.deepEqual([apart(1.09e-5), apart(1.2e-5)], [true, false]);
  const slow = compareTrafficRuns(run, { ...run, times: { ...run.times!, total: 99 } });
  assert.deepEqual([slow.bytesAgree, slow.numbersAgree, slow.failedChecks], [true, true, []]);
  assert.deepEqual(slow.seconds, { before: 0.002, now: 99 });
  assert.equal(compareTrafficRuns(run, smallTraffic.runs[0]!).numbersAgree, undefined);
  const checks = [{ name: 'bytes', passed: false, message: '63 bytes on rank 1' }];
  assert.deepEqual(compareTrafficRuns(run, { ...run, checks }).failedChecks, ['63 bytes on rank 1']);
  assert.deepEqual(compareTrafficRuns({ ...run, checks }, { ...run, checks }).failedChecks, []);
});

test('the stated command line asks for the same mask, and for images the same files, frames, weights and layer', async () => {
  const noise = parseTrafficOptions(
    trafficLine(await trafficIn('n.fovea'))
      .split(' ')
      .slice(2),
  );
  assert.ok(!noise.help && noise.perfetto === undefined);
  assert.deepEqual(noise.mask, { name: 'causal-frames', frames: 5 });
  const line = trafficLine(await trafficIn('i.fovea'));
  const words = line.replace("'What is in the center?'", 'What?').split(' ').slice(2);
  const images = parseTrafficOptions(words);
  assert.ok(!images.help && images.perfetto === undefined && images.workload.kind === 'images');
  const { paths, frames, weights, layer, question } = images.workload;
  assert.deepEqual([paths, frames, weights, question], [[made('mine.png')], 8, 'cross-attention', 'What?']);
  assert.equal(typeof layer, 'number');
  assert.deepEqual([images.mask, images.ranks], [{ name: 'padding', share: 0.25 }, 2]);
});

test('images go through the model again, with the same answer; another image is refused before anything is run', async () => {
  const { code, stdout, stderr } = await fovea('reproduce', made('i.fovea'), '--json');
  assert.equal(code, exitCodes.ok, stderr);
  const { agree, answer } = JSON.parse(stdout) as { agree: boolean; answer: { before: string; now: string } };
  assert.equal(agree, true);
  assert.ok(answer.now.length > 0 && answer.now === answer.before);
  const metadata = await trafficIn('i.fovea');
  await assert.rejects(reproduceTraffic(metadata, { ...asItIs, imagePath: other }), { code: 'image-unreadable' });
  const model = { ...metadata.workload.origin!.model, digest: 'another' };
  const workload = { ...metadata.workload, origin: { ...metadata.workload.origin!, model } };
  await assert.rejects(reproduceTraffic({ ...metadata, workload }, asItIs), { code: 'checkpoint-missing' });
});

test('cross-attention weights of other content are refused by name, though those of the model are the same', async () => {
  const metadata = await trafficIn('i.fovea');
  const { origin } = metadata.workload;
  const files = origin!.model.files!.map(file =>
    file.name === 'xattn.safetensors' ? { ...file, digest: '0'.repeat(64) } : file,
  );
  const workload = { ...metadata.workload, origin: { ...origin!, model: { ...origin!.model, files } } };
  await assert.rejects(reproduceTraffic({ ...metadata, workload }, asItIs), {
    code: 'checkpoint-missing',
    message: /: the SHA-256 of xattn\.safetensors is \w{64}, and was 0{64}\.$/,
  });
});

test('what an untrusted trace names on another computer is not opened', async () => {
  const metadata = await trafficIn('i.fovea');
  const sources = [{ path: '//files.example/share/a.png', digest: '' }];
  const workload = { ...metadata.workload, origin: { ...metadata.workload.origin!, sources } };
  await assert.rejects(reproduceTraffic({ ...metadata, workload }, asItIs), { message: /another computer/ });
});

test('torch ranks, runs that all broke off, and masks that are not described are refused with what to do', async () => {
  const [run] = smallTraffic.runs;
  const backend = { ...run!.backend, name: 'torch-nccl' };
  const torch = { ...smallTraffic, runs: [{ ...run!, backend }] };
  await assert.rejects(reproduceTraffic(torch, asItIs), {
    code: 'usage',
    hint: /fovea traffic --algorithm=lv-xattn .* --schedule=job-1\.json && python3 -m fovea_ranks --ranks 2 --schedule job-1\.json .*--throttle 3 /,
  });
  const cause = { code: 'cancelled', message: 'Cancelled.', hint: '' };
  const broken = { ...smallTraffic, runs: [{ ...run!, status: { state: 'partial', cause } } as const] };
  await assert.rejects(reproduceTraffic(broken, asItIs), { code: 'usage', message: /broke off/ });
  const masked = { ...smallTraffic, workload: { ...smallTraffic.workload, mask: 'padding' } as const };
  await assert.rejects(reproduceTraffic(masked, asItIs), { code: 'usage', message: /how wide its mask is/ });
});

test('the schedule that the command of torch ranks writes is of the same sizes, mask, pass and wire', () => {
  const [run] = smallTraffic.runs;
  const runs = (['forward', 'backward'] as const).map(pass => ({
    ...run!,
    pass,
    backend: { ...run!.backend, name: 'torch-gloo' },
    wire: { ...run!.wire, gradient: 'float32', backward: 'delta' } as const,
  }));
  const line = trafficLine({ ...smallTraffic, runs });
  const [forward, backward, ranks] = line.split(' && ') as [string, string, string];
  for (const [words, pass] of [
    [forward, 'forward'],
    [backward, 'backward'],
  ] as const) {
    const asked = parseTrafficOptions(words.split(' ').slice(2));
    assert.ok(!asked.help && asked.perfetto === undefined && asked.mode === 'schedule');
    assert.deepEqual([asked.pass, asked.wire.gradient, asked.wire.backward], [pass, 'float32', 'delta']);
    assert.deepEqual(asked.workload, {
      kind: 'sizes',
      shape: smallTraffic.workload.shape,
      sharding: smallTraffic.workload.sharding,
    });
  }
  assert.match(ranks, /--schedule job-1\.json job-2\.json/);
  const masked = { ...smallTraffic.workload, mask: 'staircase', maskFrames: 3 } as const;
  // Its job has the forward pass, too.
  assert.match(trafficLine({ ...smallTraffic, workload: masked, runs }), /^[^&]*--mask=causal-frames:3[^&]*&& python3/);
});

test('Cancel ends it as cancelled', async () => {
  const abort = new AbortController();
  const progress = (): void => {
    abort.abort();
  };
  const run = reproduceTraffic(await trafficIn('n.fovea'), { ...asItIs, signal: abort.signal, progress });
  await assert.rejects(run, { code: 'cancelled' });
});
