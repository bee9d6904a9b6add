/** What the chart of an evaluation draws: one series per method, one point per budget. */
import { type EvaluationCondition, unprunedId } from '../../trace/evaluation/evaluation.ts';
import { methodSeries } from '../../trace/evaluation/series.ts';
import type { ConditionSummary, EvaluationSummary, GroupResult } from '../../trace/evaluation/summary.ts';
import { type TableData, tableColumn } from '../charts.ts';
import { count, duration } from '../format.ts';

export interface Metric {
  readonly id: string;
  /** In the list of axes. */
  readonly name: string;
  /** Under the axis, with its unit. */
  readonly title: string;
  /** Undefined where the condition has none. */
  readonly value: (result: GroupResult, condition: EvaluationCondition, visualTokens: number) => number | undefined;
  readonly tick: (value: number) => string;
}

const tokens = (value: number): string => count(Math.round(value));
const gigamacs = (value: number): string => (value / 1e9).toFixed(value < 1e10 ? 1 : 0);

export const metrics: readonly Metric[] = [
  {
    id: 'entering',
    name: 'tokens entering (E_in)',
    title: 'visual tokens entering a decoder layer in prefill, mean of layers and questions (E_in)',
    value: ({ entering }) => entering,
    tick: tokens,
  },
  {
    id: 'budget',
    name: 'nominal budget',
    title: 'visual tokens asked for (nominal budget)',
    value: (_, { budget, id }, visualTokens) => budget ?? (id === unprunedId ? visualTokens : undefined),
    tick: tokens,
  },
  {
    id: 'macs',
    name: 'MACs',
    title: 'GMAC of the decoder, prefill and decode, mean of questions (F3)',
    value: ({ macs }) => macs.prefill + macs.decode,
    tick: gigamacs,
  },
  {
    id: 'prefill',
    name: 'prefill time',
    title: 'ms of decoder prefill, median of questions, measured',
    value: ({ ms }) => ms.prefill,
    tick: tokens,
  },
  {
    id: 'total',
    name: 'time to the answer',
    title: 'ms of vision tower, prefill and decode, median of questions, measured',
    value: ({ ms }) => ms.total,
    tick: tokens,
  },
  {
    id: 'kv',
    name: 'KV cache',
    title: 'MB of the key-value cache as allocated, mean of questions',
    value: ({ kvBytes }) => kvBytes,
    tick: value => (value / 1e6).toFixed(value < 1e7 ? 1 : 0),
  },
];

export interface ChartPoint {
  readonly summary: ConditionSummary;
  readonly result: GroupResult;
  readonly x: number;
}

export interface ChartSeries {
  readonly id: string;
  readonly title: string;
  /** Colour and marker, counted over all methods whether or not they have a point here. */
  readonly index: number;
  /** By x, ascending. */
  readonly points: readonly ChartPoint[];
}

export interface ChartData {
  readonly series: readonly ChartSeries[];
  /** No pruning, drawn as a line with its interval; absent where it was not run. */
  readonly unpruned: ChartPoint | undefined;
  /** Titles of methods without a value on this axis. */
  readonly left: readonly string[];
}

export function chartData(summary: EvaluationSummary, group: string, metric: Metric, visualTokens: number): ChartData {
  const point = (of: ConditionSummary): ChartPoint | undefined => {
    const result = of.groups[group];
    if (!result || result.answered === 0) return undefined;
    const x = metric.value(result, of.condition, visualTokens);
    return x === undefined ? undefined : { summary: of, result, x };
  };
  const all = methodSeries(summary).map(({ id, conditions: own }, index) => {
    const points = own.flatMap(each => point(each) ?? []).sort((a, b) => a.x - b.x);
    return { id, title: own[0]!.condition.title, index, points };
  });
  const unpruned = summary.conditions.find(({ condition }) => condition.id === unprunedId);
  return {
    series: all.filter(({ points }) => points.length > 0),
    unpruned: unpruned && point(unpruned),
    left: all.filter(({ points }) => points.length === 0).map(({ title }) => title),
  };
}

export const percent = (value: number): string => (Number.isFinite(value) ? `${(100 * value).toFixed(1)}\u2009%` : '–');

/** Percentage points with their sign. */
export function points(value: number): string {
  const rounded = (100 * Math.abs(value)).toFixed(1);
  return `${value < 0 && rounded !== '0.0' ? '−' : '+'}${rounded}`;
}

const pProbability = (value: number): string => (value < 0.001 ? '< 0.001' : value.toFixed(3));

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** Name and value of everything that is known of a point. */
export function pointFacts({ summary, result }: ChartPoint): (readonly [name: string, value: string])[] {
  const { paired } = result;
  const { budget, counted } = summary.condition;
  const compared =
    paired && paired.pairs > 0
      ? ([
          [
            'against no pruning',
            `${points(paired.difference)} points (${points(paired.interval[0])} to ${points(paired.interval[1])})`,
          ],
          ['right only with it', count(paired.won)],
          ['right only without', count(paired.lost)],
          ['exact McNemar p', pProbability(paired.probability)],
        ] as const)
      : [];
  return [
    ['accuracy', `${percent(result.accuracy)} (${percent(result.interval[0])} to ${percent(result.interval[1])})`],
    ['right answers', `${count(result.correct)} of ${count(result.answered)}`],
    ...compared,
    ...(budget === undefined ? [] : ([['budget', `${count(budget)} tokens, ${counted ?? 'entering'}`]] as const)),
    ['entering, E_in', result.entering.toFixed(1)],
    ['leaving, E_out', result.leaving.toFixed(1)],
    ['decoder MACs (F3)', `${((result.macs.prefill + result.macs.decode) / 1e9).toFixed(2)} GMAC`],
    ['KV cache', megabytes(result.kvBytes)],
    ['vision', duration(result.ms.vision)],
    ['prefill', duration(result.ms.prefill)],
    ['decode', duration(result.ms.decode)],
    ['in all', duration(result.ms.total)],
  ];
}

const tableTitles = [
  'accuracy',
  'from',
  'to',
  'vs none, points',
  'from',
  'to',
  'p',
  'E_in',
  'E_out',
  'GMAC',
  'KV MB',
  'prefill ms',
  'total ms',
];

/** The chart as rows of text. */
export function chartTable({ conditions }: EvaluationSummary, group: string, groupTitle: string): TableData {
  return {
    caption: `Accuracy and costs, ${groupTitle}`,
    columns: [
      tableColumn('method', false),
      tableColumn('budget'),
      tableColumn('answered'),
      ...tableTitles.map(title => tableColumn(title)),
    ],
    rows: conditions.flatMap(({ condition, groups }) => {
      const result = groups[group];
      return result
        ? [[condition.title, String(condition.budget ?? ''), count(result.answered), ...cells(result)]]
        : [];
    }),
  };
}

function cells({ accuracy, interval, paired, entering, leaving, macs, kvBytes, ms, answered }: GroupResult): string[] {
  if (answered === 0) return tableTitles.map(() => '');
  const compared =
    paired && paired.pairs > 0
      ? [...[paired.difference, ...paired.interval].map(points), pProbability(paired.probability)]
      : ['', '', '', ''];
  return [
    ...[accuracy, ...interval].map(percent),
    ...compared,
    entering.toFixed(1),
    leaving.toFixed(1),
    ((macs.prefill + macs.decode) / 1e9).toFixed(2),
    (kvBytes / 1e6).toFixed(1),
    ms.prefill.toFixed(0),
    ms.total.toFixed(0),
  ];
}
