import path from 'node:path';
import * as vscode from 'vscode';
import { showWarningMessage } from '../notifications.ts';
import { traceExtension } from '../../trace/schema.ts';
import type { TraceEditors } from '../editor/trace-editors.ts';
import { mostComparedRuns } from '../editor/panel-messages.ts';
import type { RunSummary } from '../runs/run-index.ts';
import type { LazyRunIndex } from '../runs/view/run-places.ts';
import { chosenTraces } from './chosen-traces.ts';
import { pickOtherRuns } from './pick-other-runs.ts';

export interface CompareServices {
  readonly editors: TraceEditors;
  readonly index: LazyRunIndex;
  readonly pickTrace: () => Promise<vscode.Uri | undefined>;
}

/**
 * Opens the panel of the first run with the others next to it. With one run, the others are asked for; with none, the run in
 * front is meant, or one is asked for.
 * @param first [uri, uri, …], a uri, or what a menu passes
 */
export async function compareRuns(
  { editors, index, pickTrace }: CompareServices,
  first: unknown,
  second: unknown,
): Promise<void> {
  const named = chosenTraces(first, second);
  const { document } = editors.active ?? {};
  const inFront = document?.content.kind === 'open' ? document.uri : undefined;
  const trace = named[0] ?? inFront ?? (await pickTrace());
  if (!trace) return;
  const others = named.length > 1 ? named.slice(1) : await askForOthers(trace, editors, index);
  if (!others) return;
  if (others.length > mostComparedRuns) {
    void showWarningMessage(
      vscode.l10n.t('At most {0} runs are compared at a time. Select fewer.', mostComparedRuns + 1),
    );
    return;
  }
  await editors.compare(trace, others);
}

/** @returns undefined when the user left, or when there is nothing to compare with */
async function askForOthers(
  trace: vscode.Uri,
  editors: TraceEditors,
  index: LazyRunIndex,
): Promise<readonly vscode.Uri[] | undefined> {
  const runs = await (await index.get()).list();
  const compared = editors.comparedWith(trace);
  const isTrace = ({ path: file }: RunSummary): boolean => vscode.Uri.file(file).toString() === trace.toString();
  const digest = runs.find(isTrace)?.metadata.image.digest ?? editors.digestOf(trace);
  return pickOtherRuns({
    name: path.posix.basename(trace.path, traceExtension),
    sameImage: runs.filter(run => !isTrace(run) && run.metadata.image.digest === digest),
    otherImages: runs.filter(run => !isTrace(run) && run.metadata.image.digest !== digest),
    compared,
  });
}
