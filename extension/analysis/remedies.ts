import { PipelineFailure, type PipelineFailureDetail } from '../pipeline/failure.ts';

/** What only the command that failed can do once more. */
export type Retry = 'tryAgain' | 'askAgain' | 'chooseMethod';

/** Ways out of a failure; each is a button. */
export type Remedy = Retry | 'showLog' | 'chooseModel' | 'restartPipeline' | 'chooseDevice' | 'chooseFolder';

/** @param retries what the failed command offers; where it has not the one that fits, trying again stands for it */
export function remediesFor(error: unknown, retries: readonly Retry[]): Remedy[] {
  const fitting = error instanceof PipelineFailure ? remediesOf(error.detail) : (['tryAgain', 'showLog'] as const);
  const isRetry = (remedy: Remedy): remedy is Retry =>
    remedy === 'tryAgain' || remedy === 'askAgain' || remedy === 'chooseMethod';
  const possible = fitting.flatMap((remedy): Remedy[] => {
    if (!isRetry(remedy) || retries.includes(remedy)) return [remedy];
    return retries.includes('tryAgain') ? ['tryAgain'] : [];
  });
  return [...new Set(possible)];
}

function remediesOf(detail: PipelineFailureDetail): readonly Remedy[] {
  switch (detail.kind) {
    case 'crashed':
      return ['showLog', 'tryAgain', 'chooseModel'];
    case 'refused':
      return ['showLog', 'restartPipeline', 'chooseModel'];
    case 'reported':
      break;
  }
  switch (detail.code) {
    case 'checkpoint-missing':
    case 'checkpoint-malformed':
    case 'architecture-unsupported':
    case 'shape-mismatch':
      return ['chooseModel', 'showLog'];
    case 'out-of-memory':
      return ['chooseModel', 'restartPipeline', 'showLog'];
    case 'device-unavailable':
      return ['chooseDevice', 'showLog'];
    case 'disk':
      return ['tryAgain', 'chooseFolder', 'showLog'];
    case 'question-invalid':
    case 'question-too-long':
      return ['askAgain'];
    case 'method-failed':
    case 'budget-impossible':
      return ['chooseMethod', 'showLog'];
    case 'image-unreadable':
    case 'image-too-large':
      return ['tryAgain', 'showLog'];
    case 'rank-failed':
    case 'usage':
    case 'question-set':
    case 'cancelled':
    case 'internal':
      return ['tryAgain', 'restartPipeline', 'showLog'];
  }
}
