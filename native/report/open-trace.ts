import { FoveaError } from '../errors.ts';

/** @param open of `trace/file.ts` @throws FoveaError `disk` when there is no such file; TraceError */
export async function openForReport<Reader>(path: string, open: (path: string) => Promise<Reader>): Promise<Reader> {
  try {
    return await open(path);
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw cannotOpen(path, error);
    throw error;
  }
}

/** @param error of the file system, told in words */
export function cannotOpen(path: string, error: unknown): FoveaError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  const problem = { ENOENT: 'there is no such file', EISDIR: 'it is a folder', EACCES: 'you may not read it' }[code];
  return new FoveaError('disk', `${path} cannot be opened: ${problem ?? code}.`, 'Check the path.', { cause: error });
}
