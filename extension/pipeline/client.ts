import type {
  AnalyzeRequest,
  AnalyzeResult,
  EvaluateRequest,
  EvaluateResult,
  EvaluationProgress,
  MethodSummary,
  PipelineStatus,
  ReportRequest,
  ReportResult,
  StageProgress,
  TrafficProgress,
  TrafficRequest,
  TrafficResult,
} from '../../native/rpc.ts';
import { CancelGrace } from './cancel-grace.ts';
import type { Clock } from './clock.ts';
import { CrashGuard } from './crash-guard.ts';
import { crashed, howItEnded, PipelineFailure, refused, type ProcessEnd } from './failure.ts';
import type { PipelineProcess } from './process.ts';
import { Turns } from './turns.ts';

export interface PipelineLog {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

export type PipelineState =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'idle'; readonly pid: number | undefined; readonly status?: PipelineStatus }
  | { readonly kind: 'running'; readonly request: PipelineRequest; readonly progress: StageProgress }
  | { readonly kind: 'evaluating'; readonly request: EvaluationRequest; readonly progress: EvaluationProgress }
  | { readonly kind: 'traffic'; readonly progress: TrafficProgress };

export type PipelineRequest = Omit<AnalyzeRequest, 'progressToken'>;
export type EvaluationRequest = Omit<EvaluateRequest, 'progressToken'>;
export type TrafficOrder = Omit<TrafficRequest, 'progressToken'>;

/** A cancelled run has a result when enough was computed to write a trace of it. */
export type AnalyzeOutcome =
  | { readonly kind: 'finished'; readonly result: AnalyzeResult }
  | { readonly kind: 'cancelled'; readonly result?: AnalyzeResult };

export interface PipelineClientOptions {
  readonly serverPath: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly log: PipelineLog;
  readonly clock: Clock;
  /** Read each time a run ends; 0 keeps the process until the client is disposed. */
  readonly idleMilliseconds: () => number;
}

/** Work whose result is kept as far as it came. */
interface LongWork<Progress, Result> {
  readonly first: Progress;
  readonly state: (progress: Progress) => PipelineState;
  readonly send: (child: PipelineProcess, report: (progress: Progress) => void, signal: AbortSignal) => Promise<Result>;
}

/**
 * The host's side of the pipeline: starts its process when first needed, sends one request at a time (killing a stuck
 * process must not take a second run with it), stops it when idle and replaces it when it dies.
 */
export class PipelineClient {
  private process: PipelineProcess | undefined;
  private readonly turns = new Turns();
  private readonly crashes: CrashGuard;
  private readonly stateListeners = new Set<(state: PipelineState) => void>();
  private readonly disposed = new AbortController();
  private currentState: PipelineState = { kind: 'stopped' };
  private forgetIdleStop: (() => void) | undefined;
  private runs = 0;
  private readonly log: PipelineLog;

  constructor(private readonly options: PipelineClientOptions) {
    this.crashes = new CrashGuard(options.clock);
    this.log = untilAborted(options.log, this.disposed.signal);
  }

  get state(): PipelineState {
    return this.currentState;
  }

  onDidChangeState(listener: (state: PipelineState) => void): { dispose(): void } {
    this.stateListeners.add(listener);
    return { dispose: () => this.stateListeners.delete(listener) };
  }

  /**
   * Runs one analysis after those asked for before it.
   * @param signal aborted to cancel; the promise then resolves within about 1.5 s, or when the child wrote its part
   * @throws PipelineFailure
   */
  async analyze(
    request: PipelineRequest,
    onProgress: (progress: StageProgress) => void,
    signal: AbortSignal,
  ): Promise<AnalyzeOutcome> {
    const stop = AbortSignal.any([signal, this.disposed.signal]);
    this.forgetIdleStop?.();
    if (this.turns.busy) onProgress({ stage: 'queued', done: 0, total: 0 });
    const endTurn = await this.turns.take(stop);
    if (!endTurn) return { kind: 'cancelled' };
    try {
      return await this.run(request, onProgress, stop);
    } finally {
      endTurn();
      this.stopWhenIdle();
    }
  }

  /**
   * Writes a report after the runs asked for before it.
   * @param signal aborted to cancel
   * @returns undefined when it was cancelled, or the pipeline was stopped meanwhile
   * @throws PipelineFailure
   */
  async report(request: ReportRequest, signal?: AbortSignal): Promise<ReportResult | undefined> {
    const stop = signal ? AbortSignal.any([signal, this.disposed.signal]) : this.disposed.signal;
    this.forgetIdleStop?.();
    const endTurn = await this.turns.take(stop);
    if (!endTurn) return undefined;
    try {
      const child = await this.running();
      const first = await Promise.race([child.report(request, stop), child.ended]);
      if (!('stderrTail' in first)) {
        this.becomeIdle(child);
        return first;
      }
      if (child.killed) return undefined;
      throw crashed(first);
    } catch (error) {
      if (stop.aborted && isCancelled(error)) return undefined;
      throw error;
    } finally {
      endTurn();
      this.stopWhenIdle();
    }
  }

  /**
   * Evaluates methods after the runs asked for before it. What was answered stays on disk, whatever happens.
   * @param signal aborted to cancel
   * @returns undefined when it was cancelled before there was anything to sum up, or the pipeline was stopped meanwhile
   * @throws PipelineFailure
   */
  evaluate(
    request: EvaluationRequest,
    onProgress: (progress: EvaluationProgress) => void,
    signal: AbortSignal,
  ): Promise<EvaluateResult | undefined> {
    const progressToken = `evaluation-${++this.runs}`;
    return this.inTurn<EvaluationProgress, EvaluateResult>(
      {
        first: { done: 0, total: 0 },
        state: progress => ({ kind: 'evaluating', request, progress }),
        send: (child, report, stop) => child.evaluate({ ...request, progressToken }, report, stop),
      },
      onProgress,
      signal,
    );
  }

  /**
   * Runs distributed cross-attention on ranks of this machine after the runs asked for before it.
   * @param signal aborted to cancel; what was recorded until then is in the trace
   * @returns undefined when it was cancelled before anything ran, or the pipeline was stopped meanwhile
   * @throws PipelineFailure
   */
  traffic(
    request: TrafficOrder,
    onProgress: (progress: TrafficProgress) => void,
    signal: AbortSignal,
  ): Promise<TrafficResult | undefined> {
    const progressToken = `traffic-${++this.runs}`;
    return this.inTurn<TrafficProgress, TrafficResult>(
      {
        first: { doing: 'queued', label: '', done: 0, total: 0 },
        state: progress => ({ kind: 'traffic', progress }),
        send: (child, report, stop) => child.traffic({ ...request, progressToken }, report, stop),
      },
      onProgress,
      signal,
    );
  }

  /**
   * The token methods that can be asked for.
   * @param modules paths of the user's own methods, which are listed, too
   * @throws PipelineFailure
   */
  async methods(modules: readonly string[]): Promise<readonly MethodSummary[]> {
    this.forgetIdleStop?.();
    try {
      const child = await this.running();
      const first = await Promise.race([child.methods(modules), child.ended]);
      if ('stderrTail' in first) throw crashed(first);
      return first;
    } finally {
      this.stopWhenIdle();
    }
  }

  /** Kills the process, and with it a running request, which ends as cancelled. The next request starts afresh. */
  async restart(): Promise<void> {
    this.crashes.forget();
    await this.stop();
  }

  /** Applies a changed idle time to a process that is idle now. */
  idleTimeChanged(): void {
    this.stopWhenIdle();
  }

  dispose(): void {
    this.disposed.abort();
    this.forgetIdleStop?.();
    this.stateListeners.clear();
    this.process?.kill();
    this.process = undefined;
  }

  private async run(
    request: PipelineRequest,
    onProgress: (progress: StageProgress) => void,
    signal: AbortSignal,
  ): Promise<AnalyzeOutcome> {
    const child = await this.running();
    const grace = new CancelGrace(child, signal, { clock: this.options.clock, log: this.log });
    const report = (progress: StageProgress): void => {
      grace.stageIs(progress.stage);
      this.setState({ kind: 'running', request, progress });
      onProgress(progress);
    };
    this.setState({ kind: 'running', request, progress: { stage: 'load', done: 0, total: 0 } });
    const progressToken = `run-${++this.runs}`;
    try {
      const answer = child.analyze({ ...request, progressToken }, report, signal);
      const first = await Promise.race([answer, child.ended]);
      if ('stderrTail' in first) {
        if (signal.aborted || child.killed) return { kind: 'cancelled' };
        throw crashed(first);
      }
      this.becomeIdle(child);
      return first.state === 'cancelled' ? { kind: 'cancelled', result: first } : { kind: 'finished', result: first };
    } catch (error) {
      this.becomeIdle(child);
      if (isCancelled(error)) return { kind: 'cancelled' };
      throw error;
    } finally {
      grace.dispose();
    }
  }

  private async inTurn<Progress, Result>(
    work: LongWork<Progress, Result>,
    onProgress: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<Result | undefined> {
    const stop = AbortSignal.any([signal, this.disposed.signal]);
    this.forgetIdleStop?.();
    const endTurn = await this.turns.take(stop);
    if (!endTurn) return undefined;
    try {
      return await this.runLong(work, onProgress, stop);
    } finally {
      endTurn();
      this.stopWhenIdle();
    }
  }

  private async runLong<Progress, Result>(
    { first: start, state, send }: LongWork<Progress, Result>,
    onProgress: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<Result | undefined> {
    const child = await this.running();
    const grace = new CancelGrace(child, signal, { clock: this.options.clock, log: this.log });
    const report = (progress: Progress): void => {
      grace.stageIs('decode');
      this.setState(state(progress));
      onProgress(progress);
    };
    this.setState(state(start));
    try {
      const first = await Promise.race([send(child, report, signal), child.ended]);
      if (!isEnd(first)) return first;
      if (signal.aborted || child.killed) return undefined;
      throw crashed(first);
    } catch (error) {
      if (isCancelled(error)) return undefined;
      throw error;
    } finally {
      grace.dispose();
      this.becomeIdle(child);
    }
  }

  /** @throws PipelineFailure of kind `refused` after too many crashes */
  private async running(): Promise<PipelineProcess> {
    // A killed process is connected for a moment longer, but will not answer.
    if (this.process?.connected && !this.process.killed) return this.process;
    await this.process?.ended;
    if (this.crashes.refusedFor > 0) throw refused(this.crashes.refusedFor);
    // Loaded on demand: an extension host that only views traces needs no RPC.
    const { PipelineProcess } = await import('./process.ts');
    const { serverPath, environment } = this.options;
    const child = new PipelineProcess({ serverPath, environment, log: this.log });
    this.process = child;
    if (this.disposed.signal.aborted) child.kill();
    this.log.info(`Pipeline started (process ${child.pid ?? 'unknown'}).`);
    void child.ended.then(end => {
      this.processEnded(child, end);
    });
    return child;
  }

  private processEnded(child: PipelineProcess, end: ProcessEnd): void {
    if (child.killed) this.log.info(`Pipeline stopped (process ${child.pid ?? 'unknown'}).`);
    else {
      this.crashes.record();
      this.log.error(`Pipeline ended unexpectedly (process ${child.pid ?? 'unknown'}, ${howItEnded(end)}).`);
    }
    if (this.process !== child) return;
    this.process = undefined;
    this.setState({ kind: 'stopped' });
  }

  private becomeIdle(child: PipelineProcess): void {
    if (this.process !== child || !child.connected) return;
    this.setState({ kind: 'idle', pid: child.pid });
    child.status().then(
      status => {
        if (this.process === child && this.currentState.kind === 'idle') {
          this.setState({ kind: 'idle', pid: child.pid, status });
        }
      },
      (error: unknown) => {
        if (this.process === child && !child.killed) {
          this.log.warn(`The pipeline did not tell its status: ${String(error)}`);
        }
      },
    );
  }

  private stopWhenIdle(): void {
    this.forgetIdleStop?.();
    const milliseconds = this.options.idleMilliseconds();
    if (!this.process || this.turns.busy || milliseconds <= 0) return;
    this.forgetIdleStop = this.options.clock.after(milliseconds, () => {
      this.log.info('The pipeline was idle; its memory is given back.');
      void this.stop();
    });
  }

  private async stop(): Promise<void> {
    this.forgetIdleStop?.();
    const child = this.process;
    child?.kill();
    await child?.ended;
  }

  private setState(state: PipelineState): void {
    this.currentState = state;
    for (const listener of this.stateListeners) listener(state);
  }
}

const isEnd = (value: unknown): value is ProcessEnd =>
  typeof value === 'object' && value !== null && 'stderrTail' in value;

const isCancelled = (error: unknown): boolean =>
  error instanceof PipelineFailure && error.detail.kind === 'reported' && error.detail.code === 'cancelled';

/** VS Code closes the log when it disposes the extension, before the last words of a killed process arrive. */
function untilAborted(log: PipelineLog, signal: AbortSignal): PipelineLog {
  const writer =
    (level: keyof PipelineLog) =>
    (message: string): void => {
      if (!signal.aborted) log[level](message);
    };
  return { info: writer('info'), warn: writer('warn'), error: writer('error') };
}
