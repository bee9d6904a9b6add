import type { LogOutputChannel } from 'vscode';

/** For work that nobody waits for, such as a question in a notification: its failure is logged. */
export function background(task: Thenable<unknown>, log: LogOutputChannel): void {
  task.then(undefined, (error: unknown) => {
    log.error(error instanceof Error ? error : String(error));
  });
}
