/** Numbers of an evaluation by condition and group of questions: what tables, charts and reports show. */
import {
  type Evaluation,
  type EvaluationCondition,
  type EvaluationOutcome,
  smallTextKind,
  unprunedId,
} from './evaluation.ts';
import {
  type Interval,
  mcnemarProbability,
  mean,
  median,
  type PairedCounts,
  pairedInterval,
  wilsonInterval,
} from './statistics.ts';

/** `all`; then small text and everything else, where the set has both; then every other kind. */
export interface QuestionGroup {
  readonly id: string;
  readonly title: string;
  /** Indices of its questions. */
  readonly questions: readonly number[];
  readonly isKind: boolean;
}

/** Against no pruning, on the questions that both answered. */
export interface PairedComparison {
  readonly pairs: number;
  /** Right with the method and wrong without, and the other way round. */
  readonly won: number;
  readonly lost: number;
  /** Accuracy with the method minus without, -1 to 1. */
  readonly difference: number;
  readonly interval: Interval;
  /** McNemar's exact test, two-sided. */
  readonly probability: number;
}

export interface GroupResult {
  readonly answered: number;
  readonly correct: number;
  /** 0 to 1; NaN where nothing was answered, like all means below. */
  readonly accuracy: number;
  /** Wilson, 95 %. */
  readonly interval: Interval;
  /** Means over questions. */
  readonly entering: number;
  readonly leaving: number;
  readonly macs: { readonly prefill: number; readonly decode: number };
  readonly kvBytes: number;
  /** Mean over the questions with high-resolution tokens; absent where none had any. */
  readonly highResolutionShare?: number;
  /** Medians over questions. */
  readonly ms: { readonly vision: number; readonly prefill: number; readonly decode: number; readonly total: number };
  /** Absent for no pruning itself, and where it was not run. */
  readonly paired?: PairedComparison;
}

export interface ConditionSummary {
  readonly condition: EvaluationCondition;
  /** By `QuestionGroup.id`. */
  readonly groups: Readonly<Record<string, GroupResult>>;
}

export interface EvaluationSummary {
  readonly groups: readonly QuestionGroup[];
  readonly conditions: readonly ConditionSummary[];
}

function questionGroups({ questions }: Pick<Evaluation, 'questions'>): QuestionGroup[] {
  const all = questions.map((_, index) => index);
  const kinds = [...new Set(questions.map(({ kind }) => kind))].sort();
  const ofKind = (wanted: (kind: string) => boolean): number[] => all.filter(index => wanted(questions[index]!.kind));
  const groups: QuestionGroup[] = [{ id: 'all', title: 'all questions', questions: all, isKind: false }];
  if (kinds.includes(smallTextKind) && kinds.length > 1) {
    const [small, rest] = [ofKind(kind => kind === smallTextKind), ofKind(kind => kind !== smallTextKind)];
    groups.push({ id: 'small-text', title: 'small text', questions: small, isKind: false });
    groups.push({ id: 'other', title: 'all but small text', questions: rest, isKind: false });
  }
  // Small text is in the list already.
  const listed = (groups.length > 1 ? kinds.filter(kind => kind !== smallTextKind) : kinds).map(kind => ({
    id: `kind:${kind}`,
    title: kind.replaceAll('_', ' '),
    questions: ofKind(other => other === kind),
    isKind: true,
  }));
  return kinds.length > 1 ? [...groups, ...listed] : groups;
}

export function summarizeEvaluation(evaluation: Evaluation): EvaluationSummary {
  const groups = questionGroups(evaluation);
  const { conditions } = evaluation.metadata;
  const unpruned = evaluation.outcomes[conditions.findIndex(({ id }) => id === unprunedId)];
  return {
    groups,
    conditions: conditions.map((condition, index) => {
      const outcomes = evaluation.outcomes[index]!;
      const reference = condition.id === unprunedId ? undefined : unpruned;
      return {
        condition,
        groups: Object.fromEntries(groups.map(group => [group.id, summarizeGroup(group, outcomes, reference)])),
      };
    }),
  };
}

type Outcomes = readonly (EvaluationOutcome | undefined)[];

function summarizeGroup(
  { questions }: QuestionGroup,
  outcomes: Outcomes,
  reference: Outcomes | undefined,
): GroupResult {
  const answered = questions.flatMap(question => outcomes[question] ?? []);
  const correct = answered.filter(outcome => outcome.correct).length;
  const shares = answered.flatMap(({ highResolutionShare }) => highResolutionShare ?? []);
  const middle = (value: (outcome: EvaluationOutcome) => number): number => median(answered.map(value));
  const average = (value: (outcome: EvaluationOutcome) => number): number => mean(answered.map(value));
  return {
    answered: answered.length,
    correct,
    accuracy: correct / answered.length,
    interval: wilsonInterval(correct, answered.length),
    entering: average(({ entering }) => entering),
    leaving: average(({ leaving }) => leaving),
    macs: { prefill: average(({ macs }) => macs.prefill), decode: average(({ macs }) => macs.decode) },
    kvBytes: average(({ kvBytes }) => kvBytes),
    ...(shares.length > 0 && { highResolutionShare: mean(shares) }),
    ms: {
      vision: middle(({ ms }) => ms.vision),
      prefill: middle(({ ms }) => ms.prefill),
      decode: middle(({ ms }) => ms.decode),
      total: middle(({ ms }) => ms.vision + ms.prefill + ms.decode),
    },
    ...(reference && { paired: compare(questions, outcomes, reference) }),
  };
}

function compare(questions: readonly number[], outcomes: Outcomes, reference: Outcomes): PairedComparison {
  const counts = pairedCounts(questions, outcomes, reference);
  const pairs = counts.both + counts.onlyFirst + counts.onlySecond + counts.neither;
  return {
    pairs,
    won: counts.onlyFirst,
    lost: counts.onlySecond,
    difference: (counts.onlyFirst - counts.onlySecond) / pairs,
    interval: pairedInterval(counts),
    probability: mcnemarProbability(counts.onlyFirst, counts.onlySecond),
  };
}

/** Of the questions that both answered. */
function pairedCounts(questions: readonly number[], first: Outcomes, second: Outcomes): PairedCounts {
  const counts = { both: 0, onlyFirst: 0, onlySecond: 0, neither: 0 };
  for (const question of questions) {
    const [a, b] = [first[question], second[question]];
    if (!a || !b) continue;
    counts[a.correct ? (b.correct ? 'both' : 'onlyFirst') : b.correct ? 'onlySecond' : 'neither']++;
  }
  return counts;
}
