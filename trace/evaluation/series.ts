/** An evaluation's conditions by method: what a chart draws as one line. */
import { type EvaluationCondition, unprunedId } from './evaluation.ts';
import type { ConditionSummary, EvaluationSummary } from './summary.ts';

/** Conditions that differ in their budget alone are one series. */
export function seriesId({ id, budget }: EvaluationCondition): string {
  const ending = `@${budget ?? ''}`;
  return budget !== undefined && id.endsWith(ending) ? id.slice(0, -ending.length) : id;
}

/** Methods in the order in which they ran, without no pruning. */
export function methodSeries({ conditions }: EvaluationSummary): { id: string; conditions: ConditionSummary[] }[] {
  const pruned = conditions.filter(({ condition }) => condition.id !== unprunedId);
  const ids = [...new Set(pruned.map(({ condition }) => seriesId(condition)))];
  return ids.map(id => ({ id, conditions: pruned.filter(({ condition }) => seriesId(condition) === id) }));
}
