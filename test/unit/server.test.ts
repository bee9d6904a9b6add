import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setTimeout } from 'node:timers/promises';
import { CancellationTokenSource, ResponseError } from 'vscode-jsonrpc';
import {
  createMessageConnection,
  IPCMessageReader,
  IPCMessageWriter,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import { bundledModelFolder } from '../../native/models.ts';
import {
  type AnalyzeRequest,
  analyzeRequest,
  type AnalyzeResult,
  logNotification,
  type PipelineError,
  releaseRequest,
  type StageProgress,
  stageProgress,
  statusRequest,
} from '../../native/rpc.ts';
import { RunQueue } from '../../native/run-queue.ts';
import { openTraceFile } from '../../trace/file.ts';

const server = fileURLToPath(new URL('../../native/server.ts', import.meta.url));
const image = fileURLToPath(new URL('../../media/samples/scene-04.png', import.meta.url));

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-server-'));
});
after(() => rm(folder, { recursive: true, force: true }));

class Client {
  readonly child: ChildProcess;
  readonly connection: MessageConnection;
  readonly log: string[] = [];
  private requests = 0;

  constructor() {
    this.child = fork(server, [], { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.connection = createMessageConnection(new IPCMessageReader(this.child), new IPCMessageWriter(this.child));
    this.connection.onNotification(logNotification, ({ message }) => {
      this.log.push(message);
    });
    this.connection.listen();
  }

  analyze(
    overrides: Partial<AnalyzeRequest> = {},
    onProgress: (progress: StageProgress, cancel: () => void) => void = () => undefined,
  ): Promise<AnalyzeResult> {
    const progressToken = `request ${++this.requests}`;
    const cancellation = new CancellationTokenSource();
    this.connection.onProgress(stageProgress, progressToken, progress => {
      onProgress(progress, () => {
        cancellation.cancel();
      });
    });
    const request: AnalyzeRequest = {
      imagePath: image,
      question: 'Describe this picture.',
      modelFolder: bundledModelFolder(),
      tracePath: join(folder, `${this.child.pid}-${this.requests}.fovea`),
      maxNewTokens: 32,
      sampling: { mode: 'greedy' },
      device: 'cpu',
      threads: 2,
      progressToken,
      ...overrides,
    };
    return this.connection.sendRequest(analyzeRequest, request, cancellation.token);
  }

  async end(): Promise<void> {
    this.connection.dispose();
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}

const clients: Client[] = [];
function start(): Client {
  const client = new Client();
  clients.push(client);
  return client;
}
afterEach(async () => {
  await Promise.all(clients.splice(0).map(client => client.end()));
});

const isReported = (code: PipelineError['code'], message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ResponseError, String(error));
  assert.equal((error.data as PipelineError).code, code);
  assert.match(error.message, message);
  return true;
};

test('two analyses at once run one after the other, and share the weights that are loaded once', async () => {
  const client = start();
  const events: string[] = [];
  const note = (name: string) => (progress: StageProgress) => {
    events.push(`${name} ${progress.stage}${progress.stage === 'queued' ? ` ${progress.total}` : ''}`);
  };
  const [first, second] = await Promise.all([
    client.analyze({}, note('first')),
    client.analyze({ maxNewTokens: 2 }, note('second')),
  ]);
  assert.match(first.answer, /^Four moose, a green apple/);
  assert.equal(second.answer, 'Four');
  assert.ok(first.ms.load > 0);
  assert.equal(second.ms.load, 0);
  assert.ok(first.bundledModel);
  assert.deepEqual(Object.keys(first).sort(), ['answer', 'bundledModel', 'ms', 'state', 'traceBytes', 'tracePath']);
  const lastOfFirst = events.lastIndexOf('first write');
  assert.ok(events.indexOf('second queued 1') < lastOfFirst);
  assert.ok(events.indexOf('second image') > lastOfFirst, events.join(', '));
  await (await openTraceFile(second.tracePath)).close();

  const status = await client.connection.sendRequest(statusRequest);
  assert.equal(status.pid, client.child.pid);
  assert.equal(status.loads, 1);
  assert.equal(status.loadedModel, bundledModelFolder());
  assert.match(status.engine, /^ONNX Runtime \d.*\(cpu\)$/);
  assert.ok(status.residentBytes > 50e6);
  assert.ok(client.log.some(line => line.includes('scene-04.png: complete')));

  await client.connection.sendRequest(releaseRequest);
  const released = await client.connection.sendRequest(statusRequest);
  assert.equal(released.loadedModel, undefined);
  assert.equal(released.engine, 'not loaded');
});

test('Cancel is honoured between two layers and during the answer, and the next run is served', async () => {
  const client = start();
  await client.analyze({ maxNewTokens: 1 });
  let layersAfter = 0;
  let cancelledAt = 0;
  await assert.rejects(
    client.analyze({}, ({ stage }, cancel) => {
      if (stage !== 'prefill') return;
      if (cancelledAt > 0) layersAfter++;
      else cancelledAt = performance.now();
      cancel();
    }),
    isReported('cancelled', /cancelled/),
  );
  assert.ok(layersAfter <= 2, `${layersAfter} of 12 layers ran after Cancel`);

  const partial = await client.analyze({}, ({ stage, done }, cancel) => {
    if (stage === 'decode' && done === 2) cancel();
  });
  assert.equal(partial.state, 'cancelled');
  const trace = await openTraceFile(partial.tracePath);
  assert.equal(trace.metadata.status.state, 'cancelled');
  await trace.close();

  const whole = await client.analyze({ maxNewTokens: 2 });
  assert.equal(whole.state, 'complete');
});

test('a queued run that is cancelled leaves the queue at once', async () => {
  const client = start();
  let queuedAt = 0;
  let firstDone = false;
  const first = client.analyze().then(result => {
    firstDone = true;
    return result;
  });
  await assert.rejects(
    client.analyze({}, ({ stage }, cancel) => {
      if (stage === 'queued') queuedAt = performance.now();
      cancel();
    }),
    isReported('cancelled', /cancelled/),
  );
  assert.ok(queuedAt > 0 && !firstDone);
  assert.equal((await first).state, 'complete');
});

test('errors arrive with their code and hint, without a stack', async () => {
  const client = start();
  await assert.rejects(client.analyze({ imagePath: join(folder, 'none.png') }), (error: unknown) => {
    assert.ok(error instanceof ResponseError);
    assert.deepEqual(error.data, { code: 'image-unreadable', hint: 'Check the path.' });
    return true;
  });
  await assert.rejects(client.analyze({ question: ' ' }), isReported('question-invalid', /empty/));
  const broken = { sampling: null as unknown as AnalyzeRequest['sampling'] };
  await assert.rejects(client.analyze(broken), isReported('internal', /null/));
  assert.ok(
    client.log.some(line => line.includes('    at ')),
    'the stack is in the log',
  );
});

test('a killed pipeline is seen by its client as the end of the channel', async () => {
  const client = start();
  const closed = new Promise<void>(resolve => {
    client.connection.onClose(resolve);
  });
  const exited = once(client.child, 'exit');
  const running = client.analyze({}, ({ stage }) => {
    if (stage === 'vision') client.child.kill('SIGKILL');
  });
  running.catch(() => undefined);
  assert.deepEqual(await exited, [null, 'SIGKILL']);
  await closed;
  const next = start();
  assert.equal((await next.analyze({ maxNewTokens: 1 })).state, 'complete');
});

test('when its parent lets go, the process ends by itself, in the middle of a run, and leaves no file', async () => {
  const client = start();
  const exited = once(client.child, 'exit');
  const tracePath = join(folder, 'orphan.fovea');
  const running = client.analyze({ tracePath }, ({ stage, done }) => {
    if (stage === 'decode' && done === 1) client.child.disconnect();
  });
  running.catch(() => undefined);
  const [code, signal] = (await exited) as [number | null, string | null];
  assert.equal(signal, null);
  assert.equal(code, 0);
  assert.ok(!existsSync(tracePath) && !existsSync(`${tracePath}.partial`));
});

test('the queue tells positions as they change, and a task that fails does not stop it', async () => {
  const queue = new RunQueue();
  const positions: string[] = [];
  const results: string[] = [];
  const enqueue = (name: string, signal?: AbortSignal): Promise<void> =>
    queue
      .run(
        async () => {
          await setTimeout(5);
          if (name === 'a') throw new Error('a failed');
          results.push(name);
        },
        signal,
        ahead => positions.push(`${name}${ahead}`),
      )
      .catch((error: unknown) => {
        results.push(error instanceof Error ? error.message : String(error));
      });
  const abort = new AbortController();
  const all = [enqueue('a'), enqueue('b', abort.signal), enqueue('c')];
  abort.abort(new Error('b left'));
  await Promise.all(all);
  assert.deepEqual(results, ['b left', 'a failed', 'c']);
  assert.deepEqual(positions, ['b1', 'c2', 'c1']);
});
