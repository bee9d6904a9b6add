import { unprunedId } from '../../trace/evaluation/evaluation.ts';
import type { EvaluationSummary } from '../../trace/evaluation/summary.ts';

/** What the user chose; survives hiding and reloading. All of them are ids. */
export interface SavedView {
  readonly metric: string;
  readonly group: string;
  readonly budget: string;
  readonly first: string;
  readonly second: string;
  /** Condition of the locked point; empty for none. */
  readonly locked: string;
}

/** @param saved of this or of another trace, or nothing: what does not fit gets the default */
export function readView(saved: unknown, { conditions }: EvaluationSummary): SavedView {
  const ids = conditions.map(({ condition }) => condition.id);
  const budgets = conditions.flatMap(({ condition }) => condition.budget ?? []);
  const start: SavedView = {
    metric: 'entering',
    group: 'all',
    budget: budgets.length > 0 ? String(Math.min(...budgets)) : '',
    first: unprunedId,
    second: ids.at(-1) ?? unprunedId,
    locked: '',
  };
  if (typeof saved !== 'object' || saved === null) return start;
  const given = saved as Partial<Record<keyof SavedView, unknown>>;
  const text = (key: keyof SavedView): string => (typeof given[key] === 'string' ? given[key] : start[key]);
  return {
    metric: text('metric'),
    group: text('group'),
    budget: text('budget'),
    first: text('first'),
    second: text('second'),
    locked: text('locked'),
  };
}
