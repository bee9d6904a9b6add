import type { EvaluationOutcome } from '../../trace/evaluation/evaluation.ts';
import type { AnswerRequest } from '../rpc.ts';

/** Asks one question under one condition, in this process or in another one. */
export interface Answerer {
  /** @throws FoveaError */
  answer(request: AnswerRequest, signal: AbortSignal | undefined): Promise<EvaluationOutcome>;
  close(): Promise<void>;
}
