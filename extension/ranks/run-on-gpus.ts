import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { showErrorMessage, showInformationMessage } from '../notifications.ts';
import { TrafficError } from '../../trace/traffic/errors.ts';
import { algorithmNames } from '../../trace/traffic/metadata.ts';
import { algorithms } from '../../trace/traffic/schedule.ts';
import { failureText } from '../analysis/failure-notice.ts';
import type { RunFolder } from '../analysis/run-folder.ts';
import { ranksWords, shellLine } from './command-line.ts';
import { type Interpreter, pickInterpreter } from './interpreter-picker.ts';
import { RanksFailure, type RanksOutcome, type RanksProgress, runRanks } from './ranks-process.ts';
import type { RunningRanks } from './running-ranks.ts';
import { pickPasses, pickRanks, pickSizes, pickWhere, type Where } from './run-picker.ts';
import { makeJob } from './workload.ts';

export interface RanksServices {
  readonly context: Pick<vscode.ExtensionContext, 'extensionUri' | 'globalState' | 'globalStorageUri'>;
  readonly runs: RunFolder;
  readonly running: RunningRanks;
  readonly log: vscode.LogOutputChannel;
  readonly openTrace: (trace: vscode.Uri) => Promise<void>;
}

/** Asks for a Python, ranks and sizes, and runs LV-XAttn beside ring attention under torchrun, or copies the command. */
export async function runOnGpus(services: RanksServices): Promise<void> {
  const interpreter = await pickInterpreter(services.context.globalState);
  if (!interpreter) return;
  const gpus = interpreter.facts.gpus.length;
  const ranksPerHost = await pickRanks(gpus);
  const sizes = ranksPerHost === undefined ? undefined : await pickSizes(gpus);
  const passes = sizes && (await pickPasses());
  const where = passes && (await pickWhere());
  if (ranksPerHost === undefined || !where) return;
  try {
    const hosts = where.kind === 'copy' ? where.hosts : undefined;
    const ranks = ranksPerHost * (hosts?.count ?? 1);
    const job = await writeJob(services, `lv-xattn-${ranks}-ranks`, makeJob(sizes, ranks, passes));
    if (where.kind === 'copy') await copyCommand(services, interpreter, ranksPerHost, job, where);
    else await runHere(services, interpreter, ranksPerHost, job);
  } catch (error) {
    await explain(services, error);
  }
}

async function writeJob({ context }: RanksServices, name: string, job: unknown): Promise<string> {
  const folder = path.join(context.globalStorageUri.fsPath, 'jobs');
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, `${name}.json`);
  await writeFile(file, JSON.stringify(job));
  return file;
}

function packageFolder({ context }: RanksServices): string {
  return vscode.Uri.joinPath(context.extensionUri, 'native', 'torch').fsPath;
}

async function copyCommand(
  services: RanksServices,
  { path: interpreter }: Interpreter,
  ranksPerHost: number,
  job: string,
  { hosts }: Extract<Where, { kind: 'copy' }>,
): Promise<void> {
  const out = `${path.basename(job, '.json')}.fovea`;
  const lines = Array.from({ length: hosts?.count ?? 1 }, (_, host) =>
    shellLine(interpreter, packageFolder(services), ranksWords({ ranksPerHost, job, out, hosts }, host)),
  );
  await vscode.env.clipboard.writeText(`${lines.join('\n')}\n`);
  const message = vscode.l10n.t(
    'Copied. Elsewhere, copy {0} and {1} along and adapt the paths. The first host writes {2}, which opens here.',
    packageFolder(services),
    job,
    out,
  );
  void showInformationMessage(message);
}

async function runHere(
  services: RanksServices,
  interpreter: Interpreter,
  ranksPerHost: number,
  job: string,
): Promise<void> {
  const { runs, running, log, openTrace } = services;
  const file = await runs.reserve(vscode.Uri.file(job));
  try {
    const words = ranksWords({ ranksPerHost, job, out: file.trace.fsPath });
    log.info(`Ranks: ${shellLine(interpreter.path, packageFolder(services), words)}`);
    const command = { interpreter: interpreter.path, words, packageFolder: packageFolder(services) };
    const outcome = await withNotification(running, ranksPerHost, (progress, signal) =>
      runRanks(
        command,
        {
          progress,
          note: text => {
            log.info(text);
          },
        },
        signal,
      ),
    );
    await openTrace(vscode.Uri.file(outcome.trace));
    if (outcome.failedChecks.length > 0) {
      const message = vscode.l10n.t('The ranks did not do what they should: {0}', outcome.failedChecks.join('; '));
      void showErrorMessage(message);
    }
  } finally {
    await file.dispose();
  }
}

function withNotification(
  running: RunningRanks,
  ranks: number,
  run: (progress: (progress: RanksProgress) => void, signal: AbortSignal) => Promise<RanksOutcome>,
): Promise<RanksOutcome> {
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: vscode.l10n.t('Fovea: {0} ranks', ranks),
    cancellable: true,
  };
  const work = vscode.window.withProgress(options, (notification, token) =>
    running.during(async control => {
      const subscription = token.onCancellationRequested(() => {
        notification.report({ message: vscode.l10n.t('keeping what was sent so far…') });
        control.abort();
      });
      let shown = 0;
      const progress = ({ done, total, run: current }: RanksProgress): void => {
        const percent = total > 0 ? (100 * done) / total : 0;
        notification.report({ message: progressText(current), increment: Math.max(0, percent - shown) });
        shown = Math.max(shown, percent);
      };
      try {
        return await run(progress, control.signal);
      } finally {
        subscription.dispose();
      }
    }),
  );
  return Promise.resolve(work);
}

function progressText(run: RanksProgress['run']): string {
  if (!run) return vscode.l10n.t('writing the trace');
  const known = algorithms.find(name => name === run.algorithm);
  const name = known ? algorithmNames[known] : run.algorithm;
  const pass = run.pass === 'backward' ? vscode.l10n.t('backward') : vscode.l10n.t('forward');
  return run.repeated ? vscode.l10n.t('{0} with repeated heads, {1}', name, pass) : `${name}, ${pass}`;
}

/** Says what went wrong, what to do next, and offers what was kept of the run. */
async function explain(services: RanksServices, error: unknown): Promise<void> {
  const { log, openTrace } = services;
  log.error(error instanceof Error ? error : String(error));
  const [open, again, showLog] = [
    vscode.l10n.t('Open What Was Kept'),
    vscode.l10n.t('Try Again'),
    vscode.l10n.t('Show Log'),
  ];
  const trace = error instanceof RanksFailure ? error.trace : undefined;
  const kept = trace === undefined ? [] : [open];
  const cancelled = error instanceof RanksFailure && error.code === 'cancelled';
  const answer = cancelled
    ? await showInformationMessage(sentence(error), ...kept)
    : await showErrorMessage(sentence(error), ...kept, again, showLog);
  if (answer === open && trace !== undefined) await openTrace(vscode.Uri.file(trace));
  if (answer === again) await runOnGpus(services);
  if (answer === showLog) log.show(true);
}

function sentence(error: unknown): string {
  const system = error instanceof RanksFailure ? (error.system ?? '') : '';
  if (error instanceof RanksFailure && error.code === 'cancelled') return vscode.l10n.t('The run was cancelled.');
  if (error instanceof RanksFailure && error.code === 'not-started')
    return vscode.l10n.t('Python could not be started ({0}). Choose another Python interpreter.', system);
  if (error instanceof RanksFailure && error.code === 'ended')
    return vscode.l10n.t(
      'The Python process ended and said no reason ({0}). Choose another Python interpreter, or look into the log.',
      system,
    );
  if (error instanceof RanksFailure || error instanceof TrafficError)
    return [error.message, error.hint].filter(part => part !== '').join(' ');
  return failureText(error);
}
