import type { TensorData } from '../safetensors.ts';
import { bytesOf, encodeChecked } from '../writer.ts';
import type { Evaluation, EvaluationOutcome } from './evaluation.ts';
import { type EvaluationTensorName, outcomeColumns } from './schema.ts';
import { validateEvaluationMetadata, validateEvaluationTensors } from './validation.ts';

/**
 * An evaluation as consecutive byte parts, checked by the same rules that a reader applies.
 * @throws TraceError naming the tensor or field at fault
 */
export function encodeEvaluation({ metadata, questions, outcomes }: Evaluation): Uint8Array[] {
  validateEvaluationMetadata(metadata);
  const missing = outcomeColumns.map(() => NaN);
  const numbers = outcomes.flatMap(row => row.flatMap(outcome => (outcome ? numbersOf(outcome) : missing)));
  const answers = outcomes.map(row => row.map(outcome => outcome?.answer ?? null));
  const shares = outcomes.map(row => row.map(outcome => outcome?.highResolutionShare ?? NaN)).flat();
  const tensors: Partial<Record<EvaluationTensorName, TensorData>> = {
    'evaluation.outcomes': {
      dtype: 'F64',
      shape: [metadata.conditions.length, metadata.questions, outcomeColumns.length],
      data: bytesOf(Float64Array.from(numbers)),
    },
    ...(!shares.every(Number.isNaN) && {
      'evaluation.high_resolution_share': {
        dtype: 'F64',
        shape: [metadata.conditions.length, metadata.questions],
        data: bytesOf(Float64Array.from(shares)),
      },
    }),
    'evaluation.questions': json(questions),
    'evaluation.answers': json(answers),
  };
  return encodeChecked(metadata, tensors, entries => {
    validateEvaluationTensors(metadata, entries);
  });
}

/** In the order of `outcomeColumns`. */
function numbersOf({ correct, entering, leaving, macs, kvBytes, ms, answerTokens }: EvaluationOutcome): number[] {
  const { vision, prefill, decode } = ms;
  return [
    Number(correct),
    entering,
    leaving,
    macs.prefill,
    macs.decode,
    kvBytes,
    vision,
    prefill,
    decode,
    answerTokens,
  ];
}

function json(value: unknown): TensorData {
  const data = new TextEncoder().encode(JSON.stringify(value));
  return { dtype: 'U8', shape: [data.length], data };
}
