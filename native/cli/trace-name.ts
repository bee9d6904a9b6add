/** The name of a trace for which the user gave none. */
import { existsSync, rmSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { partialExtension } from '../../trace/file.ts';
import { traceExtension } from '../../trace/schema.ts';
import { diskError, prepareOutput } from '../analysis/output-file.ts';

export interface ReservedTrace {
  readonly path: string;
  /** Gives the name up, unless the trace is there by then. */
  release(): Promise<void>;
}

/**
 * `path`, or with -2, -3 ... before its ending where another run has that name. The unfinished file is created here, so
 * that of two runs started in the same second neither takes the other's name.
 * @throws FoveaError `disk`
 */
export async function reserveTrace(path: string): Promise<ReservedTrace> {
  const start = path.slice(0, -traceExtension.length);
  for (let copy = 1; ; copy++) {
    const candidate = copy === 1 ? path : `${start}-${copy}${traceExtension}`;
    await prepareOutput(candidate);
    const partial = candidate + partialExtension;
    if (!(await createNew(partial))) continue;
    const releaseNow = (): void => {
      rmSync(partial, { force: true });
    };
    process.once('exit', releaseNow);
    const release = (): Promise<void> => {
      process.off('exit', releaseNow);
      return rm(partial, { force: true });
    };
    // Looked for only now: a run that held the name until a moment ago has put its trace there.
    if (!existsSync(candidate)) return { path: candidate, release };
    await release();
  }
}

/** False where there is such a file. */
async function createNew(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx')).close();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw diskError(path, error);
  }
}
