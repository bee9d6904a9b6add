/** `fovea eval` and `fovea/evaluate` with the bundled model: real answers, real kills. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CancellationTokenSource } from 'vscode-jsonrpc';
import { createMessageConnection, IPCMessageReader, IPCMessageWriter } from 'vscode-jsonrpc/node';
import { exitCodes } from '../../native/cli/exit-codes.ts';
import { bundledQuestionSet } from '../../native/evaluation/bundled-set.ts';
import { parseResults } from '../../native/evaluation/results-file.ts';
import { bundledModelFolder } from '../../native/models.ts';
import {
  type EvaluateRequest,
  evaluateRequest,
  type EvaluationProgress,
  evaluationProgress,
} from '../../native/rpc.ts';
import type { ConditionSummary } from '../../trace/evaluation/summary.ts';

const main = fileURLToPath(new URL('../../native/cli/main.ts', import.meta.url));
const server = fileURLToPath(new URL('../../native/server.ts', import.meta.url));
const tsx = import.meta.resolve('tsx');

let folder = '';
let setPath = '';
/** Four questions on two images of the bundled set. */
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-eval-'));
  const bundled = bundledQuestionSet()!;
  const rows = (await readFile(bundled, 'utf8')).trim().split('\n').map(parseRow);
  const short = rows.filter(({ kind }) => !['describe', 'small_text'].includes(kind));
  const images = [...new Set(short.map(({ image }) => image))];
  const chosen = images
    .map(image => short.filter(row => row.image === image).slice(0, 2))
    .filter(pair => pair.length === 2)
    .slice(0, 2)
    .flat();
  setPath = join(folder, 'four.jsonl');
  for (const { image } of chosen) await cp(join(dirname(bundled), image), join(folder, basename(image)));
  const lines = chosen.map(row => JSON.stringify({ ...row, image: basename(row.image) }));
  await writeFile(setPath, `${lines.join('\n')}\n{"image": "gone.png", "question": "What?", "answer": "x"}\n`);
});
after(() => rm(folder, { recursive: true, force: true }));

interface Row {
  readonly image: string;
  readonly kind: string;
}

const parseRow = (line: string): Row => JSON.parse(line) as Row;

function start(words: readonly string[]): ChildProcess {
  return spawn(process.execPath, ['--import', tsx, main, 'eval', ...words], {
    cwd: folder,
    env: { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function fovea(words: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = start(words);
  let [stdout, stderr] = ['', ''];
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const code = await new Promise<number | null>(resolve => child.once('close', resolve));
  return { code, stdout, stderr };
}

interface EvalJson {
  readonly state: string;
  readonly done: number;
  readonly total: number;
  readonly problems: readonly { line: number; message: string }[];
  readonly results: readonly ConditionSummary[];
}

async function answersIn(out: string): Promise<Map<string, string>> {
  const { results } = parseResults(await readFile(join(folder, out, 'results.jsonl'), 'utf8'));
  const text = (result: (typeof results)[number]): string =>
    'outcome' in result ? result.outcome.answer : result.problem.code;
  return new Map(results.map(result => [`${result.question} ${result.condition}`, text(result)]));
}

const words = (out: string): string[] => [setPath, '--methods', 'random,cls-top-k', '--budgets', '576,64', '-o', out];

test('eval answers as the model does, counts what was dropped, and names the line with the missing image', async () => {
  const { code, stdout } = await fovea([...words('one'), '--json']);
  assert.equal(code, exitCodes.ok);
  const end = JSON.parse(stdout) as EvalJson;
  assert.deepEqual([end.state, end.done, end.total], ['complete', 12, 12]);
  assert.deepEqual(
    end.problems.map(({ line }) => line),
    [5],
  );
  const [none, random] = end.results.map(({ groups }) => groups['all']!);
  assert.ok(none!.accuracy >= 0.5, 'the model card promises far more than half of such questions');
  assert.deepEqual([none!.entering, random!.entering], [576, 64]);
  assert.ok(random!.macs.prefill < none!.macs.prefill / 5);
  assert.ok(random!.kvBytes < none!.kvBytes / 3);
});

test('killed in the middle, the same command goes on and ends with the same answers; two jobs answer alike', async () => {
  const child = start(words('killed'));
  const ended = new Promise(resolve => child.once('close', resolve));
  const path = join(folder, 'killed', 'results.jsonl');
  const lines = async (): Promise<number> => (await readFile(path, 'utf8').catch(() => '')).split('\n').length - 1;
  while ((await lines()) < 4 && child.exitCode === null) await new Promise(resolve => setTimeout(resolve, 20));
  child.kill('SIGKILL');
  await ended;
  const before = await lines();
  const again = await fovea([...words('killed'), '--jobs', '2']);
  assert.equal(again.code, exitCodes.ok);
  assert.match(again.stdout, /slowed each other down/);
  assert.ok(before >= 4);
  assert.equal(await lines(), 13, 'the head and twelve results, none asked twice');
  assert.deepEqual([...(await answersIn('killed'))].sort(), [...(await answersIn('one'))].sort());
});

test('errors have their exit codes and say what to do', async () => {
  const missing = await fovea(['nothing.jsonl', '--methods', 'random']);
  assert.equal(missing.code, exitCodes.input);
  assert.match(missing.stderr, /there is no such file/);
  const unknown = await fovea([setPath, '--methods', 'rnadom']);
  assert.equal(unknown.code, exitCodes.usage);
  assert.match(unknown.stderr, /Methods: none, /);
});

test('the pipeline process evaluates with progress, and goes on after Cancel', async () => {
  const child = fork(server, [], { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const connection = createMessageConnection(new IPCMessageReader(child), new IPCMessageWriter(child));
  connection.listen();
  const request: EvaluateRequest = {
    setPath,
    outFolder: join(folder, 'server'),
    methods: ['random'],
    budgets: [64],
    jobs: 1,
    modelFolder: bundledModelFolder(),
    maxNewTokens: 16,
    device: 'cpu',
    threads: 1,
    progressToken: 'one',
  };
  try {
    const cancellation = new CancellationTokenSource();
    const seen: EvaluationProgress[] = [];
    connection.onProgress(evaluationProgress, 'one', progress => {
      seen.push(progress);
      if (progress.done === 3) cancellation.cancel();
    });
    const cancelled = await connection.sendRequest(evaluateRequest, request, cancellation.token);
    assert.equal(cancelled.state, 'cancelled');
    assert.ok(cancelled.done >= 3 && cancelled.done < 8);
    assert.deepEqual(seen[0], { done: 0, total: 8 });
    const complete = await connection.sendRequest(evaluateRequest, { ...request, progressToken: 'two' });
    assert.deepEqual([complete.state, complete.done, complete.questions], ['complete', 8, 4]);
  } finally {
    connection.dispose();
    child.kill();
  }
});
