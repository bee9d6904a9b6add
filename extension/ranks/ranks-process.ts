/** Torch ranks as a child process: what they say, one JSON object a line, and how they are ended. Knows nothing of VS Code. */
import { spawn, type ChildProcess } from 'node:child_process';
import { isRecord } from '../../trace/safetensors.ts';

export interface RanksProgress {
  readonly done: number;
  readonly total: number;
  /** What runs; undefined while the trace is written. */
  readonly run: { readonly algorithm: string; readonly repeated: boolean; readonly pass: string } | undefined;
}

/**
 * `code` is the ranks' own word for what happened, e.g. "rank-lost", with their message and hint; or one of ours, which
 * whoever shows it puts into the user's language: "cancelled", "not-started" and "ended" with what the system said.
 * `trace` is what they kept of the run.
 */
export class RanksFailure extends Error {
  override readonly name = 'RanksFailure';
  constructor(
    message: string,
    readonly code: string,
    readonly hint: string,
    readonly trace: string | undefined,
    readonly system?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface RanksOutcome {
  readonly trace: string;
  /** Assertions that failed: bytes, agreement ... The trace says more. */
  readonly failedChecks: readonly string[];
}

export interface RanksCommand {
  readonly interpreter: string;
  readonly words: readonly string[];
  /** Folder that holds the package fovea_ranks. */
  readonly packageFolder: string;
}

export interface RanksListener {
  readonly progress: (progress: RanksProgress) => void;
  /** A note or a line of the ranks' standard error, for the log. */
  readonly note: (text: string) => void;
}

/** Ranks put down what they have before they go; after this many milliseconds they are killed. */
const grace = 12_000;

/**
 * Runs the ranks to their end. Aborting ends all of them; what they had is kept in the trace.
 * @throws RanksFailure, with code `cancelled` after an abort
 */
export async function runRanks(
  command: RanksCommand,
  listener: RanksListener,
  signal: AbortSignal,
): Promise<RanksOutcome> {
  if (signal.aborted) throw new RanksFailure('cancelled', 'cancelled', '', undefined);
  const { interpreter, words, packageFolder } = command;
  const environment = {
    ...process.env,
    PYTHONPATH: packageFolder,
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
  };
  const child = spawn(interpreter, ['-m', 'fovea_ranks', ...words, '--end-with-parent'], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
  const report = new RanksReport(listener);
  const stop = (): void => {
    end(child);
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    const exit = await ended(child, report);
    return report.outcome(exit, signal.aborted);
  } catch (cause) {
    if (cause instanceof RanksFailure) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RanksFailure(`${interpreter}: ${reason}`, 'not-started', '', undefined, reason, { cause });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** torchrun passes the signal on to its ranks; a kill reaches them, too, since they end with it. */
function end(child: ChildProcess): void {
  child.kill('SIGTERM');
  const timer = setTimeout(() => {
    child.kill('SIGKILL');
  }, grace);
  timer.unref();
  child.once('close', () => {
    clearTimeout(timer);
  });
}

function ended(child: ChildProcess, report: RanksReport): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      report.output(text);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      report.error(text);
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve(signal === null ? `exit code ${code ?? 'unknown'}` : `signal ${signal}`);
    });
  });
}

/** Collects what ranks say. The first error is the cause, later ones are its consequences. */
export class RanksReport {
  private rest = '';
  private stderrTail = '';
  private trace: string | undefined;
  private finished = false;
  private failure: { readonly code: string; readonly message: string; readonly hint: string } | undefined;
  private failedChecks: string[] = [];

  constructor(private readonly listener: RanksListener) {}

  output(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.line(line);
  }

  error(text: string): void {
    this.stderrTail = (this.stderrTail + text).slice(-4_000);
    this.listener.note(text.trimEnd());
  }

  /** @throws RanksFailure */
  outcome(exit: string, aborted: boolean): RanksOutcome {
    if (aborted) throw new RanksFailure('cancelled', 'cancelled', '', this.trace);
    if (this.finished && this.trace !== undefined) return { trace: this.trace, failedChecks: this.failedChecks };
    if (this.failure) {
      const { message, code, hint } = this.failure;
      throw new RanksFailure(message, code, hint, this.trace);
    }
    const words = this.stderrTail.trim().split('\n').at(-1)?.slice(0, 200) ?? '';
    const system = words === '' ? exit : `${exit}: ${words}`;
    throw new RanksFailure(system, 'ended', '', this.trace, system);
  }

  private line(text: string): void {
    const said = parsed(text);
    if (!said) {
      if (text.trim() !== '') this.listener.note(text);
      return;
    }
    const word = (key: string): string => (typeof said[key] === 'string' ? said[key] : '');
    switch (said['type']) {
      case 'progress':
        this.listener.progress({
          done: Number(said['done']),
          total: Number(said['total']),
          run:
            word('algorithm') === ''
              ? undefined
              : { algorithm: word('algorithm'), repeated: said['repeated'] === true, pass: word('pass') },
        });
        break;
      case 'note':
        this.listener.note(word('text'));
        break;
      case 'trace':
        this.trace = word('path');
        break;
      case 'error':
        this.failure ??= { code: word('code'), message: word('message'), hint: word('hint') };
        break;
      case 'result':
        this.finished = true;
        this.failedChecks = failedChecksOf(said['runs']);
        break;
    }
  }
}

function parsed(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function failedChecksOf(runs: unknown): string[] {
  if (!Array.isArray(runs)) return [];
  return runs.flatMap((run: unknown) => {
    const failed = isRecord(run) ? run['failedChecks'] : undefined;
    return Array.isArray(failed)
      ? failed.filter(isRecord).map(({ name, message }) => `${String(name)}: ${String(message)}`)
      : [];
  });
}
