import { TraceError } from '../errors.ts';
import type { SafetensorsHeader } from '../safetensors.ts';
import { type ByteSource, openHeader, TensorFile } from '../tensor-file.ts';
import type { Evaluation, EvaluationMetadata, EvaluationOutcome } from './evaluation.ts';
import { type EvaluationTensorName, evaluationTensorNames, outcomeColumns } from './schema.ts';
import { checkAnswers, checkQuestions, parseEvaluationMetadata, validateEvaluationTensors } from './validation.ts';

/** An open trace of an evaluation. */
export class EvaluationReader extends TensorFile<EvaluationTensorName> {
  private constructor(
    source: ByteSource,
    readonly metadata: EvaluationMetadata,
    { tensors }: SafetensorsHeader,
  ) {
    super(source, tensors, evaluationTensorNames);
  }

  /** Reads and validates the header. @throws TraceError naming the tensor at fault; the source is then closed. */
  static open(source: ByteSource): Promise<EvaluationReader> {
    return openHeader(source, header => {
      const metadata = parseEvaluationMetadata(header.metadata);
      validateEvaluationTensors(metadata, header.tensors);
      return new EvaluationReader(source, metadata, header);
    });
  }

  /** All of it. @throws TraceError `bad-value` */
  async evaluation(): Promise<Evaluation> {
    const { metadata } = this;
    const questions = await this.json('evaluation.questions');
    checkQuestions(questions, metadata.questions);
    const answers = await this.json('evaluation.answers');
    checkAnswers(answers, metadata.conditions.length, metadata.questions);
    const numbers = await this.numbers('evaluation.outcomes');
    const shares = this.tensors['evaluation.high_resolution_share']
      ? await this.numbers('evaluation.high_resolution_share')
      : undefined;
    const width = outcomeColumns.length;
    const outcomes = answers.map((row, condition) =>
      row.map((answer, question) => {
        const index = condition * metadata.questions + question;
        if (answer === null) return undefined;
        const outcome = outcomeOf(answer, numbers.subarray(index * width, (index + 1) * width));
        const share = shares?.[index] ?? NaN;
        return Number.isNaN(share) ? outcome : { ...outcome, highResolutionShare: share };
      }),
    );
    return { metadata, questions, outcomes };
  }

  private async numbers(name: EvaluationTensorName): Promise<Float64Array> {
    const { data } = await this.slice(name);
    return new Float64Array(data.buffer, data.byteOffset, data.byteLength / 8);
  }

  private async json(name: EvaluationTensorName): Promise<unknown> {
    const { data } = await this.slice(name);
    try {
      return JSON.parse(new TextDecoder().decode(data));
    } catch {
      throw new TraceError('bad-value', `The tensor "${name}" is not valid JSON.`, name);
    }
  }
}

/** @throws TraceError `bad-value` */
function outcomeOf(answer: string, numbers: Float64Array): EvaluationOutcome {
  if (!numbers.every(Number.isFinite)) {
    throw new TraceError('bad-value', 'An answered question lacks numbers.', 'evaluation.outcomes');
  }
  const [correct, entering, leaving, prefillMacs, decodeMacs, kvBytes, vision, prefill, decode, answerTokens] =
    numbers as unknown as readonly number[];
  return {
    answer,
    correct: correct === 1,
    entering: entering!,
    leaving: leaving!,
    macs: { prefill: prefillMacs!, decode: decodeMacs! },
    kvBytes: kvBytes!,
    ms: { vision: vision!, prefill: prefill!, decode: decode! },
    answerTokens: answerTokens!,
  };
}
