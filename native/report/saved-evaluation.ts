/** An evaluation, from a report that was made of it. */
import { embeddedFile } from '../../trace/embedded-file.ts';
import type { EmbeddedTrace } from '../../trace/embedding.ts';
import { TraceError } from '../../trace/errors.ts';
import type { Evaluation, EvaluationOutcome } from '../../trace/evaluation/evaluation.ts';
import { EvaluationReader } from '../../trace/evaluation/reader.ts';
import { checkAnswers, checkQuestions, parseEvaluationMetadata } from '../../trace/evaluation/validation.ts';
import { metadataKey } from '../../trace/schema.ts';

/** What is compared of an answer. */
export type SavedOutcome = Pick<EvaluationOutcome, 'answer' | 'entering' | 'leaving'>;

export interface SavedEvaluation extends Pick<Evaluation, 'metadata' | 'questions'> {
  /** [conditions][questions], undefined where nothing was computed */
  readonly outcomes: readonly (readonly (SavedOutcome | undefined)[])[];
}

/** @param page the HTML report, whose blocks hold the tensors @throws TraceError */
export async function embeddedEvaluation(trace: EmbeddedTrace, page: string): Promise<SavedEvaluation> {
  try {
    const file = await embeddedFile(trace, id => {
      const start = `<script type="application/octet-stream" id="${id}">`;
      const from = page.indexOf(start);
      return from < 0 ? '' : page.slice(from + start.length, page.indexOf('<', from + start.length));
    });
    return await (await EvaluationReader.open(file)).evaluation();
  } catch (error) {
    if (error instanceof TraceError) throw error;
    throw new TraceError('bad-value', 'The evaluation in this page is damaged.');
  }
}

/** @param report the JSON report, whose `questions` and `outcomes` are lists @throws TraceError */
export function reportedEvaluation(report: Readonly<Record<string, unknown>>): SavedEvaluation {
  const { questions, outcomes } = report;
  const size = Array.isArray(questions) ? questions.length : 0;
  const metadata = parseEvaluationMetadata({ [metadataKey]: JSON.stringify({ ...report, questions: size }) });
  checkQuestions(questions, size);
  const rows = Array.isArray(outcomes) ? (outcomes as unknown[]) : [];
  const answers = rows.map(row => (Array.isArray(row) ? row.map(answerOf) : row));
  checkAnswers(answers, metadata.conditions.length, size);
  return { metadata, questions, outcomes: (rows as unknown[][]).map(row => row.map(outcomeOf)) };
}

type Fields = Readonly<Record<string, unknown>>;

const answerOf = (outcome: unknown): unknown => (outcome === null ? null : (outcome as Fields)['answer']);

function outcomeOf(value: unknown): SavedOutcome | undefined {
  if (value === null) return undefined;
  const { answer, entering, leaving } = value as Fields;
  if (typeof answer === 'string' && typeof entering === 'number' && typeof leaving === 'number')
    return { answer, entering, leaving };
  throw new TraceError('bad-value', 'An answered question lacks numbers.');
}
