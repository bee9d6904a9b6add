/** What evaluations beside a question set say of one of its questions. Reads traces of evaluations; runs nothing. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { openEvaluationFile } from '../../trace/file.ts';
import type { Evaluation } from '../../trace/evaluation/evaluation.ts';
import type { QuestionLine } from './question-line.ts';

export interface ConditionResult {
  /** "MustDrop", with its variant where paper and code differ. */
  readonly title: string;
  /** Visual tokens asked for. */
  readonly budget?: number;
  readonly correct: boolean;
  readonly answer: string;
}

/** Larger evaluations take longer to read than a hover may wait. */
const largestFile = 64_000_000;
const evaluationName = 'evaluation.fovea';

export class QuestionResults {
  private readonly known = new Map<string, { readonly version: string; readonly evaluation: Promise<Evaluation> }>();

  /**
   * @param set path of the question set
   * @param roots folders in whose fovea-runs evaluations may lie, besides the set's own
   * @returns the newest evaluation that asked this question of this set; empty when there is none
   */
  async of(question: QuestionLine, set: string, roots: readonly string[]): Promise<readonly ConditionResult[]> {
    const found: { readonly created: string; readonly results: readonly ConditionResult[] }[] = [];
    for (const file of evaluationsOf(set, roots)) {
      const evaluation = await this.read(file);
      const index = evaluation ? indexOf(evaluation, question, set) : -1;
      if (evaluation && index >= 0)
        found.push({ created: evaluation.metadata.created, results: resultsAt(evaluation, index) });
    }
    found.sort((a, b) => b.created.localeCompare(a.created));
    return found[0]?.results ?? [];
  }

  /** undefined for a file that is not there, or no evaluation that can be read. */
  private async read(file: string): Promise<Evaluation | undefined> {
    try {
      const { mtimeMs, size } = await stat(file);
      if (size > largestFile) return undefined;
      const version = `${mtimeMs} ${size}`;
      const known = this.known.get(file);
      const entry = known?.version === version ? known : { version, evaluation: readEvaluation(file) };
      this.known.set(file, entry);
      return await entry.evaluation;
    } catch {
      return undefined;
    }
  }
}

async function readEvaluation(file: string): Promise<Evaluation> {
  const reader = await openEvaluationFile(file);
  try {
    return await reader.evaluation();
  } finally {
    await reader.close();
  }
}

/** Where `fovea eval` puts them: beside the set, or in fovea-runs of its folder or of the workspace. */
function evaluationsOf(set: string, roots: readonly string[]): string[] {
  const folder = path.dirname(set);
  const stem = path.basename(set, path.extname(set));
  const names = [`evaluation-${stem}`, `evaluation-${path.basename(folder)}`];
  const parents = [folder, path.join(folder, 'fovea-runs'), ...roots.map(root => path.join(root, 'fovea-runs'))];
  return [
    ...new Set([
      path.join(folder, evaluationName),
      ...parents.flatMap(parent => names.map(name => path.join(parent, name, evaluationName))),
    ]),
  ];
}

/** By id where both have one and the question is the same, else by image and question. */
function indexOf({ metadata, questions }: Evaluation, { id, image, question }: QuestionLine, set: string): number {
  if (path.basename(metadata.set.path) !== path.basename(set)) return -1;
  const byId = questions.findIndex(each => each.id === id && each.question === question);
  return byId >= 0 ? byId : questions.findIndex(each => each.image === image && each.question === question);
}

function resultsAt({ metadata, outcomes }: Evaluation, index: number): ConditionResult[] {
  return metadata.conditions.flatMap(({ title, variant, budget }, condition) => {
    const outcome = outcomes[condition]?.[index];
    if (!outcome) return [];
    return {
      title: variant === undefined ? title : `${title} (${variant})`,
      ...(budget !== undefined && { budget }),
      correct: outcome.correct,
      answer: outcome.answer,
    };
  });
}
