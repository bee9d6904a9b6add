import { fork, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type CancellationToken, CancellationTokenSource, ResponseError } from 'vscode-jsonrpc';
import {
  createMessageConnection,
  IPCMessageReader,
  IPCMessageWriter,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import {
  analyzeRequest,
  evaluateRequest,
  evaluationProgress,
  logNotification,
  methodsRequest,
  reportRequest,
  stageProgress,
  statusRequest,
  type AnalyzeRequest,
  type AnalyzeResult,
  type EvaluateRequest,
  type EvaluateResult,
  type EvaluationProgress,
  type MethodSummary,
  type PipelineError,
  type PipelineStatus,
  type ReportRequest,
  type ReportResult,
  type StageProgress,
  type TrafficProgress,
  trafficProgress,
  type TrafficRequest,
  trafficRequest,
  type TrafficResult,
} from '../../native/rpc.ts';
import type { PipelineLog } from './client.ts';
import { PipelineFailure, type ProcessEnd } from './failure.ts';
import { OutputTail } from './output-tail.ts';

const stderrTailBytes = 4096;
/** A descendant may hold the pipes open after the process is gone; its output is not waited for longer than this. */
const pipeDrainMilliseconds = 250;

export interface ProcessOptions {
  readonly serverPath: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly log: PipelineLog;
}

/** One running pipeline process and the connection to it. */
export class PipelineProcess {
  /** Resolves when the process is gone and its stderr was read. */
  readonly ended: Promise<ProcessEnd>;
  private readonly child: ChildProcess;
  private readonly connection: MessageConnection;
  private readonly stderr = new OutputTail(stderrTailBytes);
  private killRequested = false;
  private connectionDisposed = false;

  constructor({ serverPath, environment, log }: ProcessOptions) {
    this.child = fork(serverPath, [], {
      env: environment,
      execArgv: [],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      serialization: 'json',
    });
    this.ended = this.watch();
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr.append(chunk);
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream)
        createInterface({ input: stream }).on('line', line => {
          log.info(line);
        });
    }
    this.connection = createMessageConnection(new IPCMessageReader(this.child), new IPCMessageWriter(this.child));
    this.connection.onNotification(logNotification, ({ level, message }) => {
      log[level](message);
    });
    // Whatever breaks the connection also ends the process, and `ended` tells the waiting request.
    this.connection.onError(([error]) => {
      log.warn(`Connection to the pipeline: ${error.message}`);
    });
    this.connection.listen();
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** @throws PipelineFailure of kind `reported`, also with code `cancelled` when the child gave the request up */
  async analyze(
    request: AnalyzeRequest,
    onProgress: (progress: StageProgress) => void,
    signal: AbortSignal,
  ): Promise<AnalyzeResult> {
    const progress = this.connection.onProgress(stageProgress, request.progressToken, onProgress);
    try {
      return await cancellable(signal, token => this.connection.sendRequest(analyzeRequest, request, token));
    } finally {
      progress.dispose();
    }
  }

  /** @throws PipelineFailure of kind `reported`, also with code `cancelled` */
  report(request: ReportRequest, signal: AbortSignal): Promise<ReportResult> {
    return cancellable(signal, token => this.connection.sendRequest(reportRequest, request, token));
  }

  /** @throws PipelineFailure of kind `reported`, also with code `cancelled` */
  async evaluate(
    request: EvaluateRequest,
    onProgress: (progress: EvaluationProgress) => void,
    signal: AbortSignal,
  ): Promise<EvaluateResult> {
    const progress = this.connection.onProgress(evaluationProgress, request.progressToken, onProgress);
    try {
      return await cancellable(signal, token => this.connection.sendRequest(evaluateRequest, request, token));
    } finally {
      progress.dispose();
    }
  }

  /** @throws PipelineFailure of kind `reported`, also with code `cancelled` when nothing ran */
  async traffic(
    request: TrafficRequest,
    onProgress: (progress: TrafficProgress) => void,
    signal: AbortSignal,
  ): Promise<TrafficResult> {
    const progress = this.connection.onProgress(trafficProgress, request.progressToken, onProgress);
    try {
      return await cancellable(signal, token => this.connection.sendRequest(trafficRequest, request, token));
    } finally {
      progress.dispose();
    }
  }

  methods(modules: readonly string[]): Promise<readonly MethodSummary[]> {
    return this.connection.sendRequest(methodsRequest, { modules });
  }

  status(): Promise<PipelineStatus> {
    return this.connection.sendRequest(statusRequest);
  }

  /** False from the moment the channel is closed, which is a little before `ended`. */
  get connected(): boolean {
    return this.child.connected;
  }

  /** Whether its end was asked for here. */
  get killed(): boolean {
    return this.killRequested;
  }

  kill(): void {
    this.killRequested = true;
    this.child.kill('SIGKILL');
  }

  private watch(): Promise<ProcessEnd> {
    return new Promise(resolve => {
      const end = (exitCode: number | null, signal: string | null): void => {
        // First `ended`, then the rejection of what is pending: the request must learn how the process ended.
        resolve({ exitCode, signal, stderrTail: this.stderr.text });
        if (!this.connectionDisposed) this.connection.dispose();
        this.connectionDisposed = true;
      };
      this.child.once('close', end);
      this.child.once('exit', (exitCode, signal) => {
        setTimeout(end, pipeDrainMilliseconds, exitCode, signal).unref();
      });
      this.child.on('error', error => {
        this.stderr.append(Buffer.from(`${error.message}\n`));
        // Without a pid the process never started, and neither `exit` nor `close` will come.
        if (this.child.pid === undefined) end(null, null);
      });
    });
  }
}

/** @throws PipelineFailure of kind `reported` */
async function cancellable<Result>(
  signal: AbortSignal,
  send: (token: CancellationToken) => Promise<Result>,
): Promise<Result> {
  const cancellation = new CancellationTokenSource();
  const cancel = (): void => {
    cancellation.cancel();
  };
  signal.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) cancel();
  try {
    return await send(cancellation.token);
  } catch (error) {
    throw failureFrom(error);
  } finally {
    signal.removeEventListener('abort', cancel);
    cancellation.dispose();
  }
}

/** What vscode-jsonrpc answers for a request that was cancelled before its handler saw it (LSP's RequestCancelled). */
const requestCancelled = -32800;

function failureFrom(error: unknown): PipelineFailure {
  if (error instanceof ResponseError) {
    const data = error.data as Partial<PipelineError> | undefined;
    const code = data?.code ?? (error.code === requestCancelled ? 'cancelled' : 'internal');
    return new PipelineFailure(error.message, { kind: 'reported', code, hint: data?.hint ?? '' }, { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new PipelineFailure(message, { kind: 'reported', code: 'internal', hint: '' }, { cause: error });
}
