/** What a command gets of the process that it runs in. */
export interface CommandContext {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly environment: NodeJS.ProcessEnv;
  /** Aborted by Ctrl-C, and by other requests to end. */
  readonly signal: AbortSignal;
}
