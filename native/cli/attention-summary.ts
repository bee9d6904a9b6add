/** The one map that the terminal shows of a run. */
import type { TraceReader } from '../../trace/reader.ts';
import { type AttentionSummary, summarizeAnswer } from '../analysis/answer-attention.ts';
import { readFloats } from './trace-values.ts';

export { answerRows, type AttentionSummary, headMean } from '../analysis/answer-attention.ts';

/** Reads the rows of the answer one by one, so that a large trace stays on disk. */
export function summarizeAttention(trace: TraceReader): Promise<AttentionSummary | undefined> {
  return summarizeAnswer(trace.metadata, row => readFloats(trace, 'decoder.attention_to_image', [[row, row + 1]]));
}
