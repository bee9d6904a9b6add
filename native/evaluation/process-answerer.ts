/** Asks in a pipeline process of its own, so that several questions run at the same time. */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CancellationTokenSource, ResponseError } from 'vscode-jsonrpc';
import {
  createMessageConnection,
  IPCMessageReader,
  IPCMessageWriter,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import type { EvaluationOutcome } from '../../trace/evaluation/evaluation.ts';
import { FoveaError } from '../errors.ts';
import { answerRequest, type AnswerRequest, type PipelineError } from '../rpc.ts';
import type { Answerer } from './answerer.ts';

/** Beside the bundle of the command line or the server itself; in the source tree a room further up. */
function serverPath(): string {
  const candidates = ['./server.cjs', '../server.ts'].map(name => fileURLToPath(new URL(name, import.meta.url)));
  const found = candidates.find(existsSync);
  if (found === undefined) throw new FoveaError('usage', 'The pipeline process is not there.', 'Install Fovea again.');
  return found;
}

export class ProcessAnswerer implements Answerer {
  private readonly child: ChildProcess;
  private readonly connection: MessageConnection;
  private readonly ended: Promise<never>;
  private closing = false;

  constructor() {
    this.child = fork(serverPath(), [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], serialization: 'json' });
    this.connection = createMessageConnection(new IPCMessageReader(this.child), new IPCMessageWriter(this.child));
    // A broken channel ends the process, which `ended` tells.
    this.connection.onError(() => undefined);
    this.connection.listen();
    this.ended = new Promise((_, reject) => {
      this.child.once('exit', (code, signal) => {
        reject(endedEarly(code, signal));
      });
      // A child whose end fails as well says so a second time.
      this.child.on('error', reject);
    });
    this.ended.catch(() => undefined);
  }

  async answer(request: AnswerRequest, signal: AbortSignal | undefined): Promise<EvaluationOutcome> {
    const cancellation = new CancellationTokenSource();
    const cancel = (): void => {
      cancellation.cancel();
    };
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      const answer = this.connection.sendRequest(answerRequest, request, cancellation.token);
      return await Promise.race([answer, this.ended]);
    } catch (error) {
      throw asFoveaError(error);
    } finally {
      signal?.removeEventListener('abort', cancel);
      cancellation.dispose();
    }
  }

  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    this.connection.dispose();
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill();
    await this.ended.catch(() => undefined);
  }
}

/** The kernel kills what takes too much memory, and V8 aborts; neither tells anybody. */
const memorySignals: readonly (NodeJS.Signals | null)[] = ['SIGKILL', 'SIGABRT'];

function endedEarly(code: number | null, signal: NodeJS.Signals | null): Error {
  const message = `A process of the evaluation ended in the middle of a question (${signal ?? `exit code ${String(code)}`})`;
  if (!memorySignals.includes(signal)) return new Error(`${message}.`);
  return new FoveaError(
    'out-of-memory',
    `${message}, most likely for want of memory.`,
    'What was answered is kept: start it again with fewer jobs.',
  );
}

function asFoveaError(error: unknown): unknown {
  if (!(error instanceof ResponseError)) return error;
  const { code, hint = '' } = (error.data ?? {}) as Partial<PipelineError>;
  if (code === undefined || code === 'internal') return error;
  return new FoveaError(code, error.message, hint, { cause: error });
}
