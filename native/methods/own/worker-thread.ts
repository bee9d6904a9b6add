/** The pipeline's end of a method's thread: calls with a limit, and an error that names the function at fault. */
import { basename } from 'node:path';
import { Worker } from 'node:worker_threads';
import { FoveaError } from '../../errors.ts';
import type { WorkerAnswer, WorkerCall } from './worker-messages.ts';

/** A function of a method runs once a layer, so half a minute is an endless loop and not a slow rule. */
const callSeconds = 30;
const heapMegabytes = 2048;

interface Pending {
  readonly call: WorkerCall;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: FoveaError) => void;
  readonly timer: NodeJS.Timeout;
}

export class WorkerThread {
  private readonly worker: Worker;
  private readonly pending = new Map<number, Pending>();
  private calls = 0;
  private ended = false;
  private cancelled: FoveaError | undefined;

  constructor(
    readonly path: string,
    private readonly limitSeconds = callSeconds,
  ) {
    this.worker = new Worker(workerEntry(), {
      workerData: { path },
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytes },
      // What a method prints must not mix with the pipeline's own output.
      stdout: true,
      stderr: true,
    });
    this.worker.stdout.resume();
    this.worker.stderr.resume();
    this.worker.on('message', (answer: WorkerAnswer) => {
      this.settle(answer);
    });
    this.worker.on('error', error => {
      this.failAll(`stopped: ${error.message}`);
    });
    this.worker.on('exit', () => {
      this.failAll('ended its thread');
    });
  }

  /** @throws FoveaError `method-failed` naming the function, or `cancelled` */
  call(name: WorkerCall, argument: unknown): Promise<unknown> {
    if (this.ended) return Promise.reject(this.cancelled ?? this.failure(name, 'cannot run: its thread has ended'));
    const id = this.calls++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(id);
        reject(this.failure(name, `did not come back within ${this.limitSeconds} s`));
        void this.dispose();
      }, this.limitSeconds * 1000);
      this.pending.set(id, { call: name, resolve, reject, timer });
      this.worker.postMessage({ id, call: name, argument });
    });
  }

  /** Ends what runs, which then fails as cancelled, as does whatever is asked afterwards. */
  cancel(): void {
    const cancelled = new FoveaError('cancelled', 'The run was cancelled.', 'Run it again when you like.');
    this.cancelled = cancelled;
    this.endAll(() => cancelled);
    void this.dispose();
  }

  async dispose(): Promise<void> {
    this.ended = true;
    await this.worker.terminate();
  }

  private settle(answer: WorkerAnswer): void {
    const pending = this.pending.get(answer.id);
    if (!pending) return;
    this.pending.delete(answer.id);
    clearTimeout(pending.timer);
    if ('result' in answer) pending.resolve(answer.result);
    else
      pending.reject(
        this.failure(pending.call, `threw: ${answer.message.replace(/\.$/, '')}${placeIn(answer.stack, this.path)}`),
      );
  }

  private failAll(problem: string): void {
    this.endAll(call => this.failure(call, problem));
  }

  private endAll(errorOf: (call: WorkerCall) => FoveaError): void {
    this.ended = true;
    for (const { call, reject, timer } of this.pending.values()) {
      clearTimeout(timer);
      reject(errorOf(call));
    }
    this.pending.clear();
  }

  private failure(call: WorkerCall, problem: string): FoveaError {
    const where = call === 'describe' ? '' : `, ${call}()`;
    return new FoveaError(
      'method-failed',
      `${basename(this.path)}${where} ${problem}.`,
      'Correct the method and save it; the analysis runs again.',
    );
  }
}

/** Line of the user's file that an error came from, e.g. " (line 12)". */
function placeIn(stack: string, path: string): string {
  const line = stack.split('\n').find(each => each.includes(basename(path)));
  const place = line && /:(\d+):\d+\)?$/.exec(line)?.[1];
  return place === undefined ? '' : ` (line ${place})`;
}

/** A thread starts from a bundle, which lies beside the pipeline's own; sources that run as they are find it in dist/. */
function workerEntry(): URL {
  const bundled = !import.meta.url.endsWith('.ts');
  return new URL(bundled ? './method-worker.cjs' : '../../../dist/method-worker.cjs', import.meta.url);
}
