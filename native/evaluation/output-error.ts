import { FoveaError } from '../errors.ts';

/** @param error of the file system, told in words; errors that are told already pass */
export function cannotWriteEvaluation(path: string, error: unknown): FoveaError {
  if (error instanceof FoveaError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new FoveaError('disk', `The evaluation cannot be written to ${path}: ${reason}.`, 'Choose another folder.', {
    cause: error,
  });
}
