import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import {
  PipelineClient,
  type AnalyzeOutcome,
  type PipelineLog,
  type PipelineRequest,
} from '../../extension/pipeline/client.ts';
import { systemClock, type Clock } from '../../extension/pipeline/clock.ts';
import { pipelineEnvironment } from '../../extension/pipeline/environment.ts';
import { PipelineFailure } from '../../extension/pipeline/failure.ts';
import type { StageProgress } from '../../native/rpc.ts';

/** A process that speaks the contract of native/rpc.ts; the question says how it is to behave. */
const server = `
const rpc = require(${JSON.stringify(createRequire(import.meta.url).resolve('vscode-jsonrpc/node'))});
const connection = rpc.createMessageConnection(new rpc.IPCMessageReader(process), new rpc.IPCMessageWriter(process));
const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));
let loads = 0;
connection.onRequest('fovea/status', () => ({ pid: process.pid, residentBytes: 1, engine: 'fake', loads }));
connection.onRequest('fovea/analyze', async (request, token) => {
  loads = 1;
  const result = (answer, state = 'complete') => ({ tracePath: request.tracePath, traceBytes: 0, answer, bundledModel: true, state, ms: {} });
  connection.sendProgress(new rpc.ProgressType(), request.progressToken, { stage: 'vision', done: 1, total: 8 });
  switch (request.question) {
    case 'pid': return result(String(process.pid));
    case 'environment': return result(JSON.stringify({ env: process.env, execArgv: process.execArgv }));
    case 'crash':
      process.stderr.write('x'.repeat(6000) + '\\nthe weights are gone\\n');
      await pause(20);
      return process.exit(3);
    case 'reported': throw new rpc.ResponseError(1, 'No such image.', { code: 'image-unreadable', hint: 'Choose another.' });
    case 'log':
      connection.sendNotification('fovea/log', { level: 'warn', message: 'a warning' });
      process.stderr.write('a line on stderr\\n');
      await pause(50);
      return result('');
    case 'obedient': while (!token.isCancellationRequested) await pause(5); return result('half', 'cancelled');
    case 'obedient error': while (!token.isCancellationRequested) await pause(5); throw new rpc.ResponseError(2, 'Cancelled.', { code: 'cancelled', hint: '' });
    case 'writing':
      while (!token.isCancellationRequested) await pause(5);
      connection.sendProgress(new rpc.ProgressType(), request.progressToken, { stage: 'write', done: 0, total: 1 });
      await pause(2200);
      return result('half', 'cancelled');
    case 'deaf': await pause(50); for (;;);
    case 'slow': await pause(150); return result(String(process.pid));
  }
});
connection.listen();
`;

let folder = '';
let logged: string[] = [];
const clients: PipelineClient[] = [];

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'fovea-pipeline-'));
  await writeFile(path.join(folder, 'server.cjs'), server);
});
afterEach(() => {
  for (const client of clients.splice(0)) client.dispose();
  logged = [];
});
after(() => rm(folder, { recursive: true, force: true }));

function start(
  options: { clock?: Clock; idleMilliseconds?: number; environment?: NodeJS.ProcessEnv; log?: PipelineLog } = {},
): PipelineClient {
  const write = (message: string): void => {
    logged.push(message);
  };
  const client = new PipelineClient({
    serverPath: path.join(folder, 'server.cjs'),
    environment: options.environment ?? process.env,
    log: options.log ?? { info: write, warn: write, error: write },
    clock: options.clock ?? systemClock,
    idleMilliseconds: () => options.idleMilliseconds ?? 0,
  });
  clients.push(client);
  return client;
}

function request(question: string): PipelineRequest {
  return {
    imagePath: 'image.png',
    question,
    modelFolder: 'model',
    tracePath: 'run.fovea',
    maxNewTokens: 8,
    sampling: { mode: 'greedy' },
    device: 'cpu',
    threads: 0,
  };
}

const never = new AbortController().signal;

function ask(
  client: PipelineClient,
  question: string,
  signal = never,
  seen: StageProgress[] = [],
): Promise<AnalyzeOutcome> {
  return client.analyze(request(question), progress => seen.push(progress), signal);
}

async function answer(client: PipelineClient, question: string): Promise<string> {
  const outcome = await ask(client, question);
  assert.equal(outcome.kind, 'finished');
  return outcome.result.answer;
}

/** A clock of which the test moves the hands. */
class HandClock implements Clock {
  private time = 0;
  private timers: { at: number; callback: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.time + milliseconds, callback };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter(other => other !== timer);
    };
  }

  advance(milliseconds: number): void {
    this.time += milliseconds;
    const due = this.timers.filter(({ at }) => at <= this.time);
    this.timers = this.timers.filter(({ at }) => at > this.time);
    for (const { callback } of due) callback();
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !condition(); i++) await new Promise(resolve => setTimeout(resolve, 10));
  assert.ok(condition(), `still waiting for: ${String(condition)}`);
}

test('one process serves all requests, and its progress arrives', async () => {
  const client = start();
  const seen: StageProgress[] = [];
  const first = await ask(client, 'pid', never, seen);
  assert.deepEqual(seen, [{ stage: 'vision', done: 1, total: 8 }]);
  assert.equal(first.kind === 'finished' && first.result.answer, await answer(client, 'pid'));
  await until(() => client.state.kind === 'idle' && client.state.status?.engine === 'fake');
});

test('a second request waits for its turn and says so', async () => {
  const client = start();
  const seen: StageProgress[] = [];
  const [first, second] = await Promise.all([ask(client, 'slow'), ask(client, 'pid', never, seen)]);
  assert.deepEqual(
    seen.map(({ stage }) => stage),
    ['queued', 'vision'],
  );
  assert.equal(first.result?.answer, second.result?.answer);
});

test('a waiting request can be cancelled without touching the running one', async () => {
  const client = start();
  const running = ask(client, 'slow');
  const control = new AbortController();
  const waiting = ask(client, 'pid', control.signal);
  control.abort();
  assert.deepEqual(await waiting, { kind: 'cancelled' });
  assert.equal((await running).kind, 'finished');
});

test('Cancel reaches the process, which answers with the partial trace and lives on', async () => {
  const client = start();
  const pid = await answer(client, 'pid');
  const control = new AbortController();
  const outcome = ask(client, 'obedient', control.signal);
  await until(() => client.state.kind === 'running');
  control.abort();
  assert.deepEqual([(await outcome).kind, (await outcome).result?.answer], ['cancelled', 'half']);
  assert.equal(await answer(client, 'pid'), pid);
});

test('a request that fails with `cancelled` counts as cancelled, not as failed', async () => {
  const client = start();
  const control = new AbortController();
  setTimeout(() => {
    control.abort();
  }, 100);
  assert.deepEqual(await ask(client, 'obedient error', control.signal), { kind: 'cancelled' });
});

test('a process that does not answer Cancel is killed after 1.5 s, and the waiting request gets a fresh one', async () => {
  const client = start();
  const pid = await answer(client, 'pid');
  const control = new AbortController();
  const outcome = ask(client, 'deaf', control.signal);
  const next = answer(client, 'pid');
  await until(() => client.state.kind === 'running');
  const cancelled = Date.now();
  control.abort();
  assert.deepEqual(await outcome, { kind: 'cancelled' });
  const waited = Date.now() - cancelled;
  assert.ok(waited >= 1400 && waited < 3500, `waited ${waited} ms`);
  assert.notEqual(await next, pid);
});

test('a process that writes its partial trace after Cancel is given the time', async () => {
  const client = start();
  const control = new AbortController();
  setTimeout(() => {
    control.abort();
  }, 100);
  assert.equal((await ask(client, 'writing', control.signal)).result?.answer, 'half');
});

test('a crash fails the request with exit code and the last 4 kB of stderr; the next request starts afresh', async () => {
  const client = start();
  const pid = await answer(client, 'pid');
  const failure: unknown = await ask(client, 'crash').catch((error: unknown) => error);
  assert.ok(failure instanceof PipelineFailure && failure.detail.kind === 'crashed');
  assert.equal(failure.detail.end.exitCode, 3);
  assert.equal(failure.detail.end.stderrTail, 'the weights are gone');
  assert.match(failure.message, /exit code 3.*the weights are gone/s);
  assert.equal(client.state.kind, 'stopped');
  assert.notEqual(await answer(client, 'pid'), pid);
});

test('a server that cannot start is a crash whose message carries the reason', async () => {
  await writeFile(path.join(folder, 'broken.cjs'), 'throw new Error("no such binding");');
  const client = new PipelineClient({
    serverPath: path.join(folder, 'broken.cjs'),
    environment: process.env,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    clock: systemClock,
    idleMilliseconds: () => 0,
  });
  clients.push(client);
  await assert.rejects(ask(client, 'pid'), /no such binding/);
});

test('after three crashes within a minute no process is started for a minute, unless restarted by hand', async () => {
  const clock = new HandClock();
  const client = start({ clock });
  const crash = (): Promise<unknown> => ask(client, 'crash').catch((error: unknown) => error);
  const kinds: unknown[] = [];
  for (let i = 0; i < 4; i++) {
    const failure = await crash();
    kinds.push(failure instanceof PipelineFailure ? failure.detail.kind : failure);
  }
  assert.deepEqual(kinds, ['crashed', 'crashed', 'crashed', 'refused']);
  clock.advance(59_000);
  await assert.rejects(ask(client, 'pid'), /not started for another 1 s/);
  clock.advance(1_000);
  await answer(client, 'pid');
  assert.equal(((await crash()) as PipelineFailure).detail.kind, 'crashed');
});

test('restarting by hand forgets the crashes', async () => {
  const client = start({ clock: new HandClock() });
  for (let i = 0; i < 3; i++) await ask(client, 'crash').catch(() => undefined);
  await assert.rejects(ask(client, 'pid'), PipelineFailure);
  await client.restart();
  await answer(client, 'pid');
});

test('Restart in the middle of a run ends it as cancelled', async () => {
  const client = start();
  const outcome = ask(client, 'obedient');
  await until(() => client.state.kind === 'running');
  await client.restart();
  assert.deepEqual(await outcome, { kind: 'cancelled' });
});

test('an error that the pipeline reports keeps its code and hint, and the process lives on', async () => {
  const client = start();
  const pid = await answer(client, 'pid');
  const failure: unknown = await ask(client, 'reported').catch((error: unknown) => error);
  assert.ok(failure instanceof PipelineFailure);
  assert.equal(failure.message, 'No such image.');
  assert.deepEqual(failure.detail, { kind: 'reported', code: 'image-unreadable', hint: 'Choose another.' });
  assert.equal(await answer(client, 'pid'), pid);
});

test('an idle process is stopped after the idle time, not before, and not while a request runs', async () => {
  const clock = new HandClock();
  const client = start({ clock, idleMilliseconds: 600_000 });
  const pid = await answer(client, 'pid');
  clock.advance(599_000);
  assert.equal(await answer(client, 'pid'), pid);
  clock.advance(599_000);
  const slow = ask(client, 'slow');
  clock.advance(10_000);
  assert.equal((await slow).kind, 'finished');
  clock.advance(600_000);
  await until(() => client.state.kind === 'stopped');
  assert.throws(() => process.kill(Number(pid), 0), 'the process is still there');
  assert.notEqual(await answer(client, 'pid'), pid);
});

test('dispose kills the process and ends the running request', async () => {
  const client = start();
  const pid = Number(await answer(client, 'pid'));
  const outcome = ask(client, 'deaf');
  await until(() => client.state.kind === 'running');
  client.dispose();
  assert.deepEqual(await outcome, { kind: 'cancelled' });
  await until(() => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  });
});

test('dispose right after a request starts no process that stays behind', async () => {
  const client = start();
  const outcome = ask(client, 'deaf');
  client.dispose();
  assert.deepEqual(await outcome, { kind: 'cancelled' });
});

test('log notifications and stderr lines reach the log', async () => {
  await answer(start(), 'log');
  assert.ok(logged.includes('a warning') && logged.includes('a line on stderr'), logged.join('\n'));
});

test('the environment loses the settings of the host, and only them', () => {
  const host = {
    PATH: '/bin',
    NODE_OPTIONS: '--inspect',
    VSCODE_PID: '1',
    ELECTRON_NO_ASAR: '1',
    Electron_Run_As_Node: '0',
    HOME: '/h',
  };
  assert.deepEqual(pipelineEnvironment(host, false), { PATH: '/bin', HOME: '/h' });
  assert.deepEqual(pipelineEnvironment(host, true), { PATH: '/bin', HOME: '/h', ELECTRON_RUN_AS_NODE: '1' });
});

test('the process sees the stripped environment and none of the arguments of the host', async () => {
  const host = { ...process.env, NODE_OPTIONS: '--no-warnings', VSCODE_IPC_HOOK: 'x', FOVEA_TEST: 'kept' };
  const child = JSON.parse(await answer(start({ environment: pipelineEnvironment(host, false) }), 'environment')) as {
    env: NodeJS.ProcessEnv;
    execArgv: string[];
  };
  assert.equal(child.env['FOVEA_TEST'], 'kept');
  assert.deepEqual(
    [child.env['NODE_OPTIONS'], child.env['VSCODE_IPC_HOOK'], child.execArgv],
    [undefined, undefined, []],
  );
});

test('a request right after Restart, or after the idle stop, runs in a fresh process', async () => {
  const clock = new HandClock();
  const client = start({ clock, idleMilliseconds: 1_000 });
  const pid = await answer(client, 'pid');
  const restarted = client.restart();
  const second = await answer(client, 'pid');
  assert.notEqual(second, pid);
  await restarted;
  clock.advance(1_000);
  assert.notEqual(await answer(client, 'pid'), second);
});

test('nothing is written to the log after dispose, when VS Code has closed it', async () => {
  let disposed = false;
  const late: string[] = [];
  const write = (message: string): void => {
    if (disposed) late.push(message);
  };
  const client = start({ log: { info: write, warn: write, error: write } });
  const outcome = ask(client, 'deaf');
  await until(() => client.state.kind === 'running');
  client.dispose();
  disposed = true;
  await outcome;
  await new Promise(resolve => setTimeout(resolve, 50));
  assert.deepEqual(late, []);
});
