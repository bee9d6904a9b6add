import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { exitCodes } from '../../native/cli/exit-codes.ts';
import { bundledModelFolder } from '../../native/models.ts';
import { openTraceFile, writeTraceFile } from '../../trace/file.ts';
import { parseHeader } from '../../trace/safetensors.ts';
import { smallRun, smallTensors } from '../fixtures/small-run.ts';

const main = fileURLToPath(new URL('../../native/cli/main.ts', import.meta.url));
const tsx = import.meta.resolve('tsx');
const image = fileURLToPath(new URL('../../media/samples/scene-02.png', import.meta.url));
const question = 'What is in the center?';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-cli-'));
});
after(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function fovea(words: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(process.execPath, ['--import', tsx, main, ...words], {
    cwd: folder,
    env: { ...process.env, FORCE_COLOR: undefined, NO_COLOR: undefined, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise(resolve => {
    child.once('close', code => {
      resolve({ code, stdout, stderr });
    });
  });
}

interface JsonAnswer {
  readonly answer: string;
  readonly state: string;
  readonly tokens: {
    id: number;
    text: string;
    logprob: number;
    alternatives: { id: number; text: string; logprob: number }[];
  }[];
  readonly promptTokens: number;
  readonly visualTokens: number;
  readonly ms: Record<'load' | 'vision' | 'prefill' | 'decode' | 'total', number>;
  readonly trace: string;
  readonly model: string;
  readonly bundledModel: boolean;
}

test('analyze --json prints one object with the answer, its tokens and the place of a readable trace', async () => {
  const { code, stdout, stderr } = await fovea(['analyze', image, '--question', question, '--json']);
  assert.equal(stderr, '');
  assert.equal(code, exitCodes.ok);
  const result = JSON.parse(stdout) as JsonAnswer;
  assert.equal(result.answer, 'a no entry sign');
  assert.equal(result.tokens.at(-1)!.text, '</s>');
  assert.equal(result.tokens.map(token => token.text).join(''), ' a no entry sign</s>');
  for (const { id, logprob, alternatives } of result.tokens) {
    assert.ok(logprob <= 0);
    assert.equal(alternatives.length, 5);
    assert.equal(alternatives[0]!.id, id);
  }
  assert.equal(result.promptTokens, 588);
  assert.equal(result.visualTokens, 576);
  for (const value of Object.values(result.ms)) assert.ok(value > 0);
  assert.deepEqual([result.model, result.bundledModel, result.state], ['fovea-tiny', true, 'complete']);
  assert.match(result.trace, /fovea-runs[/\\]scene-02-\d{8}-\d{6}\.fovea$/);
  const trace = await openTraceFile(result.trace);
  assert.equal(trace.metadata.answer, result.answer);
  await trace.close();
});

test('analyze for a person shows answer, map, probabilities and what to do next, without colours in a pipe', async () => {
  const out = join(folder, 'deep', 'er', 'run.fovea');
  const { code, stdout, stderr } = await fovea(['analyze', image, question, '-o', out, '--max-new-tokens', '2']);
  assert.equal(code, exitCodes.ok, stderr);
  assert.equal(stderr, '', 'no progress where nobody watches');
  assert.ok(!stdout.includes('\u001b'));
  for (const part of [
    question,
    'a no',
    'Stopped at 2 tokens',
    'fovea-tiny knows rendered scenes only',
    'Where decoder layer',
    `VS Code with Fovea: code ${out}`,
    'safetensors.numpy.load_file',
  ]) {
    assert.ok(stdout.includes(part), `${part} is missing in ${stdout}`);
  }
  assert.equal(
    stdout.split('\n').filter(line => /^ {2}[ ░▒▓█]{48}$/.test(line)).length,
    24,
    'one line a row of patches',
  );

  const inspected = await fovea(['inspect', out], { FORCE_COLOR: '3' });
  assert.equal(inspected.code, exitCodes.ok, inspected.stdout);
  assert.ok(inspected.stdout.includes('\u001b['));
  const plain = await fovea(['inspect', out], { FORCE_COLOR: '3', NO_COLOR: '1' });
  assert.ok(!plain.stdout.includes('\u001b'));
  assert.equal(plain.stdout.match(/✓/g)?.length, 4);
  for (const name of ['decoder.attention_to_image', 'F16 [13, 12, 6, 576]', 'misses by']) {
    assert.ok(plain.stdout.includes(name), `${name} is missing in ${plain.stdout}`);
  }
  const { stdout: json } = await fovea(['inspect', out, '--json']);
  const { ok, tensors, metadata } = JSON.parse(json) as { ok: boolean; tensors: { name: string }[]; metadata: object };
  assert.ok(ok);
  assert.equal(tensors.length, 10);
  assert.ok('tokens' in metadata);
});

test('analyze with a method tells its counts, its share of the work and which patches are left', async () => {
  const out = join(folder, 'method.fovea');
  const words = ['--method', 'cls-top-k', '--budget', '64', '--max-new-tokens', '2'];
  const { code, stdout, stderr } = await fovea(['analyze', image, question, '-o', out, ...words]);
  assert.equal(code, exitCodes.ok, stderr);
  assert.match(stdout, /CLS top-k, budget 64 by tokens entering/);
  assert.match(stdout, /64 enter \(E_in\)/);
  assert.match(stdout, /64 × 12/);
  assert.match(stdout, /prefill .* for 76 tokens/);
  const map = stdout.split('\n').flatMap(line => /^ {2}([·▀▄█]{24})(?: |$)/.exec(line)?.[1] ?? []);
  assert.equal(map.length, 12, stdout);
  const cells = map.join('');
  const filled = cells.length - cells.replace(/[▀▄]/g, '').length + 2 * (cells.match(/█/g)?.length ?? 0);
  assert.equal(filled, 64, 'as many patches as the budget');

  const plain = await fovea(['analyze', image, question, '-o', out, '--max-new-tokens', '2']);
  assert.doesNotMatch(plain.stdout, /E_in|·/);
  assert.match(plain.stdout, /prefill .* for 588 tokens/);
});

test('Ctrl-C during the answer writes what there is and exits with 130', async () => {
  const out = join(folder, 'interrupted.fovea');
  const script = `
    const { stdout } = process;
    const write = stdout.write.bind(stdout);
    Object.defineProperty(process.stderr, 'isTTY', { value: true });
    process.stderr.write = text => { if (/answering .* 2\\/64/.test(text.replace(/\\u001b\\[[0-9;]*[mK]/g, ''))) process.kill(process.pid, 'SIGINT'); return true; };`;
  const preload = join(folder, 'interrupt.mjs');
  await writeFile(preload, script);
  const { code, stdout } = await fovea(['analyze', image, 'Describe this picture.', '-o', out, '--json'], {
    NODE_OPTIONS: `--import ${JSON.stringify(preload)}`,
  });
  assert.equal(code, exitCodes.cancelled);
  assert.equal((JSON.parse(stdout) as JsonAnswer).state, 'cancelled');
  const trace = await openTraceFile(out);
  assert.equal(trace.metadata.status.state, 'cancelled');
  await trace.close();
});

test('a run that is told to end, and ended at once by a second time, leaves no unfinished file', async () => {
  const script = `
    Object.defineProperty(process.stderr, 'isTTY', { value: true });
    process.stderr.write = text => {
      if (text.includes('reading the question')) process.emit('SIGTERM') && process.emit('SIGTERM');
      return true;
    };`;
  const preload = join(folder, 'terminate.mjs');
  await writeFile(preload, script);
  const picture = join(folder, 'ended.png');
  await cp(image, picture);
  const { code } = await fovea(['analyze', picture, 'Describe this picture.'], {
    NODE_OPTIONS: `--import ${JSON.stringify(preload)}`,
  });
  assert.equal(code, exitCodes.cancelled);
  assert.deepEqual(
    readdirSync(join(folder, 'fovea-runs')).filter(name => name.startsWith('ended')),
    [],
  );
});

test('every kind of failure has its exit code, on stderr for people and on stdout for programs', async () => {
  const broken = join(folder, 'broken');
  await cp(bundledModelFolder(), broken, { recursive: true, filter: source => !/training|flexattn/.test(source) });
  await writeFile(join(broken, 'config.json'), '{');
  await writeFile(join(folder, 'text.fovea'), 'not a trace at all');
  const cases: [words: string[], code: number, message: RegExp][] = [
    [['fly'], exitCodes.usage, /There is no command "fly"/],
    [['analyze', image, question, '--speed', '9'], exitCodes.usage, /Unknown option '--speed'/],
    [['analyze', join(folder, 'none.png'), question], exitCodes.input, /There is no image/],
    [['analyze', image, 'what is <image>?'], exitCodes.input, /placeholder/],
    [['analyze', image, question, '--model', broken], exitCodes.checkpoint, /config\.json/],
    [['analyze', image, question, '--device', 'coreml'], exitCodes.resources, /coreml|CoreML/],
    [['analyze', image, question, '--out', join(folder, 'text.fovea', 'x.fovea')], exitCodes.file, /cannot be written/],
    [['inspect', join(folder, 'none.fovea')], exitCodes.file, /there is no such file/],
    [['inspect', join(folder, 'text.fovea')], exitCodes.file, /./],
  ];
  const runnable = process.platform === 'darwin' ? cases.filter(([words]) => !words.includes('coreml')) : cases;
  for (const [words, code, message] of runnable) {
    const asked = words.join(' ');
    const ended = await fovea([...words, ...(words[0] === 'fly' ? [] : ['--json'])]);
    assert.equal(ended.code, code, `${asked}: ${ended.stdout}${ended.stderr}`);
    if (words[0] === 'fly') {
      assert.match(ended.stderr, message);
      continue;
    }
    const { error } = JSON.parse(ended.stdout) as { error: { code: string; message: string; hint: string } };
    assert.match(error.message, message, asked);
    assert.notEqual(error.hint, '', asked);
  }
  assert.ok(!readdirSync(folder).some(name => name.endsWith('.partial')));
});

test('inspect finds a trace whose numbers are not what they claim to be', async () => {
  const path = join(folder, 'counting.fovea');
  await writeTraceFile(path, smallRun, smallTensors());
  const { code, stdout } = await fovea(['inspect', path]);
  assert.equal(code, exitCodes.file);
  assert.match(stdout, /✗ groups of a row = 1/);
  assert.match(stdout, /not what they claim to be/);

  const bytes = await readFile(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const { tensors } = parseHeader(bytes.subarray(8, 8 + length), bytes.length);
  bytes.writeFloatLE(NaN, tensors.get('decoder.attention_mass')!.offset);
  await writeFile(path, bytes);
  assert.match((await fovea(['inspect', path])).stdout, /1 not finite/);
});

test('help and version are there without a model', async () => {
  const [help, analyze, inspect, version] = await Promise.all([
    fovea(['--help']),
    fovea(['analyze', '--help']),
    fovea(['inspect', '-h']),
    fovea(['--version']),
  ]);
  for (const { code } of [help, analyze, inspect, version]) assert.equal(code, exitCodes.ok);
  assert.match(help.stdout, /fovea analyze IMAGE QUESTION/);
  for (const option of [
    '--question',
    '--model',
    '--out',
    '--max-new-tokens',
    '--temperature',
    '--top-p',
    '--seed',
    '--device',
    '--threads',
    '--json',
  ]) {
    assert.ok(analyze.stdout.includes(option), option);
  }
  for (const text of [help.stdout, analyze.stdout, inspect.stdout]) {
    assert.ok(text.split('\n').every(line => line.length <= 120));
    for (const code of Object.values(exitCodes)) assert.match(text, new RegExp(`^ {2}${code} `, 'm'));
  }
  assert.match(inspect.stdout, /safetensors/);
  assert.match(version.stdout, /^fovea \d+\.\d+\.\d+\n$/);
  const nothing = await fovea([]);
  assert.equal(nothing.code, exitCodes.usage);
  assert.match(nothing.stderr, /Usage/);
  assert.ok(!existsSync(join(folder, 'help')));
});
