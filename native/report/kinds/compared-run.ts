/** One of the runs of a comparison, with everything that its sections read. */
import { filesOfOtherContent } from '../../../trace/model-files.ts';
import type { RunMetadata, TraceToken } from '../../../trace/schema.ts';
import { alignTokens, type AlignedPair } from '../../../trace/token-diff.ts';
import { methodWords } from '../run-facts.ts';
import type { ReportSource } from '../report-kind.ts';
import { readContent, type RunContent } from '../run-content.ts';
import { keptPatches } from './kept-patches.ts';

export interface ComparedRun {
  /** A, B, C … */
  readonly letter: string;
  readonly source: ReportSource;
  readonly content: RunContent;
  /** [patches] */
  readonly kept: Uint8Array;
}

export async function readRun(source: ReportSource, index: number): Promise<ComparedRun> {
  const trace = await source.trace();
  return {
    letter: String.fromCharCode('A'.charCodeAt(0) + index),
    source,
    content: await readContent(trace),
    kept: await keptPatches(trace),
  };
}

export const metadataOf = ({ content }: ComparedRun): RunMetadata => content.metadata;

export const answerTokens = (run: ComparedRun): readonly TraceToken[] =>
  metadataOf(run).tokens.slice(metadataOf(run).promptTokens);

/** "A MustDrop (code)" */
export const runTitle = (run: ComparedRun): string => `${run.letter} ${methodWords(metadataOf(run))}`;

/** Token ids mean the same only in one vocabulary; across models the texts are compared. */
export function alignAnswers(first: ComparedRun, second: ComparedRun): AlignedPair[] {
  const same = metadataOf(first).model.digest === metadataOf(second).model.digest;
  if (same) return alignTokens(idsOf(first), idsOf(second));
  const textsOf = (run: ComparedRun): string[] => answerTokens(run).map(({ text }) => text);
  return alignTokens(textsOf(first), textsOf(second));
}

const idsOf = (run: ComparedRun): number[] => answerTokens(run).map(({ id }) => id);

/** What makes runs hard to compare; said before anything else. */
export function mismatches(runs: readonly ComparedRun[]): string[] {
  const [first, ...others] = runs.map(metadataOf);
  const letters = (differs: (index: number) => boolean): string =>
    runs
      .filter((_, index) => index > 0 && differs(index - 1))
      .map(({ letter }) => letter)
      .join(', ');
  const image = letters(index => others[index]!.image.digest !== first!.image.digest);
  const question = letters(index => others[index]!.prompt.question !== first!.prompt.question);
  const model = letters(index => others[index]!.model.digest !== first!.model.digest);
  const files = [...new Set(others.flatMap(other => filesOfOtherContent(first!.model, other.model)))];
  const weights = letters(index => filesOfOtherContent(first!.model, others[index]!.model).length > 0);
  return [
    ...(image === ''
      ? []
      : [
          `The image of ${image} is another one than that of A: maps and kept patches cannot be compared place by place.`,
        ]),
    ...(question === '' ? [] : [`The question of ${question} is another one than that of A.`]),
    ...(model === ''
      ? []
      : [`The model of ${model} is another one than that of A: layers and probabilities mean something else.`]),
    ...(model !== '' || weights === ''
      ? []
      : [
          `The model of ${weights} has other contents than that of A under the same names (${files.join(', ')}): answers may differ for that alone.`,
        ]),
  ];
}
