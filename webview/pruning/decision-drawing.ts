/** A decision as shapes and words in a box: one score as a histogram or a ranked curve, two as a scatter. */
import type { StageScore } from '../../trace/fates.ts';
import type { TraceToken } from '../../trace/schema.ts';
import { quoted } from '../attention/rows.ts';
import { count, powerOfTen } from '../format.ts';
import { along, type Decision, type DecisionPoint, type Outcome, type Scale } from './decision.ts';
import { cutoffWords, isAbove, scoreText } from './stages.ts';

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface Shape {
  readonly key: string;
  readonly className: string;
  readonly path: string;
}

export interface Label {
  readonly key: string;
  readonly x: number;
  readonly y: number;
  readonly anchor: 'start' | 'middle' | 'end';
  readonly text: string;
}

export interface Drawing {
  readonly shapes: readonly Shape[];
  readonly labels: readonly Label[];
  /** Where each of the decision's points lies, [x, y]. */
  readonly positions: readonly (readonly [number, number])[];
}

const bins = 17;
const outcomes: readonly Outcome[] = ['kept', 'merged', 'rescued', 'dropped'];
const mostCategories = 5;

const rectangle = (x: number, y: number, width: number, height: number): string =>
  `M${x} ${y}h${width}v${height}h${-width}z`;
/** Round or square dots, by the ends of lines without length. */
const dots = (places: readonly (readonly [number, number])[]): string =>
  places.map(([x, y]) => `M${x.toFixed(1)} ${y.toFixed(1)}h0.01`).join('');

export function drawDecision(decision: Decision, box: Box, tokens: readonly TraceToken[]): Drawing {
  switch (decision.kind) {
    case 'none':
      return nothing(decision.points, box);
    case 'histogram':
      return histogram(decision.score, decision.points, decision.scale, box, tokens);
    case 'ranked':
      return ranked(decision.score, decision.points, decision.scale, box, tokens);
    case 'categories':
      return categories(decision.points, decision.categories, box, tokens);
    case 'scatter':
      return scatter(decision, box, tokens);
  }
}

function frame({ left, top, width, height }: Box): Shape {
  return { key: 'frame', className: 'frame', path: rectangle(left, top, width, height) };
}

function nothing(points: readonly DecisionPoint[], box: Box): Drawing {
  const middle = box.left + box.width / 2;
  const label = (key: string, y: number, text: string): Label => ({ key, x: middle, y, anchor: 'middle', text });
  return {
    shapes: [frame(box)],
    labels: [
      label('none', box.top + box.height / 2 - 4, 'decided without'),
      label('score', box.top + box.height / 2 + 10, 'a score'),
    ],
    positions: points.map(() => [NaN, NaN] as const),
  };
}

/** The end of a scale; powers of ten as such, to be short. */
function endText(score: StageScore, scale: Scale, end: 'low' | 'high', tokens: readonly TraceToken[]): string {
  const value = scale[end];
  const exponent = Math.round(Math.log10(value));
  if (!scale.logarithmic || Math.abs(exponent) < 2) return scoreText(score, value, tokens);
  return powerOfTen(exponent);
}

/** The ends of a scale under the box. */
function ends(score: StageScore, scale: Scale, box: Box, tokens: readonly TraceToken[]): Label[] {
  const y = box.top + box.height + 13;
  return [
    { key: 'low', x: box.left, y, anchor: 'start', text: endText(score, scale, 'low', tokens) },
    { key: 'high', x: box.left + box.width, y, anchor: 'end', text: endText(score, scale, 'high', tokens) },
  ];
}

function histogram(
  score: StageScore,
  points: readonly DecisionPoint[],
  scale: Scale,
  box: Box,
  tokens: readonly TraceToken[],
): Drawing {
  const binOf = ({ x }: DecisionPoint): number => Math.min(bins - 1, Math.floor(along(scale, x) * bins));
  const counts = Array.from({ length: bins }, () => new Map<Outcome, number>());
  for (const point of points) {
    const bin = counts[binOf(point)]!;
    bin.set(point.outcome, (bin.get(point.outcome) ?? 0) + 1);
  }
  const totals = counts.map(bin => [...bin.values()].reduce((a, b) => a + b, 0));
  const most = Math.max(1, ...totals);
  const wide = box.width / bins;
  const shapes: Shape[] = [];
  for (const outcome of outcomes) {
    const paths = counts.map((bin, i) => {
      const below = outcomes.slice(0, outcomes.indexOf(outcome)).reduce((all, one) => all + (bin.get(one) ?? 0), 0);
      const height = ((bin.get(outcome) ?? 0) / most) * box.height;
      if (height === 0) return '';
      const bottom = box.top + box.height - (below / most) * box.height;
      return rectangle(box.left + i * wide, bottom - height, Math.max(0.5, wide - 1), height);
    });
    shapes.push({ key: outcome, className: `bar ${outcome}`, path: paths.join('') });
  }
  shapes.push({ key: 'base', className: 'frame', path: `M${box.left} ${box.top + box.height}h${box.width}` });
  const labels = ends(score, scale, box, tokens);
  labels.push({ key: 'most', x: box.left - 4, y: box.top + 9, anchor: 'end', text: count(most) });
  const { cutoff } = score;
  if (cutoff) {
    const x = box.left + along(scale, cutoff.value) * box.width;
    shapes.push({ key: 'cut', className: 'cut', path: `M${x} ${box.top - 4}V${box.top + box.height}` });
    labels.push(besideLine('cut', x, box, cutoffWords(score, tokens)));
  }
  const positions = points.map(
    point => [box.left + along(scale, point.x) * box.width, box.top + box.height - 5] as const,
  );
  return { shapes, labels, positions };
}

/** Words on the side of a line where there is more room. */
function besideLine(key: string, x: number, box: Box, text: string): Label {
  const right = x < box.left + box.width / 2;
  return { key, x: right ? x + 3 : x - 3, y: box.top + 2, anchor: right ? 'start' : 'end', text };
}

function ranked(
  score: StageScore,
  points: readonly DecisionPoint[],
  scale: Scale,
  box: Box,
  tokens: readonly TraceToken[],
): Drawing {
  const order = points.map((_, i) => i).sort((a, b) => points[b]!.x - points[a]!.x);
  const step = box.width / Math.max(1, points.length - 1);
  const positions: [number, number][] = points.map(() => [0, 0]);
  order.forEach((point, rank) => {
    const y = box.top + box.height * (1 - along(scale, points[point]!.x));
    positions[point] = [box.left + rank * step, y];
  });
  const curve = order.map(
    (point, rank) => `${rank === 0 ? 'M' : 'L'}${positions[point]!.map(n => n.toFixed(1)).join(' ')}`,
  );
  const { cutoff } = score;
  const above = cutoff ? points.filter(({ x }) => isAbove(cutoff, x)).length : points.length;
  const shapes: Shape[] = [];
  const cut = box.left + Math.max(0, above - 0.5) * step;
  const below = cutoff ? points.filter(({ x }) => isAbove(cutoff, x) !== (cutoff.above === 'stays')) : [];
  // A cut-off may also choose what is protected, and drop nothing.
  if (cutoff && below.some(({ outcome }) => outcome === 'dropped')) {
    const [from, to] = cutoff.above === 'stays' ? [cut, box.left + box.width] : [box.left, cut];
    shapes.push({
      key: 'region',
      className: 'region',
      path: rectangle(from, box.top, Math.max(0, to - from), box.height),
    });
  }
  shapes.push({ key: 'curve', className: 'curve', path: curve.join('') });
  const marked = (key: string, wanted: (point: DecisionPoint) => boolean): Shape => ({
    key,
    className: `points ${key}`,
    path: dots(positions.filter((_, i) => wanted(points[i]!))),
  });
  shapes.push(marked('merged', ({ outcome }) => outcome === 'merged'));
  shapes.push(marked('key', ({ key }) => key));
  if (cutoff) shapes.push({ key: 'cut', className: 'cut', path: `M${cut} ${box.top - 4}V${box.top + box.height}` });
  const bottom = box.top + box.height + 13;
  return {
    shapes,
    labels: [
      { key: 'first', x: box.left, y: bottom, anchor: 'start', text: '1' },
      { key: 'last', x: box.left + box.width, y: bottom, anchor: 'end', text: `rank ${count(points.length)}` },
      { key: 'high', x: box.left - 4, y: box.top + 9, anchor: 'end', text: endText(score, scale, 'high', tokens) },
      {
        key: 'low',
        x: box.left - 4,
        y: box.top + box.height,
        anchor: 'end',
        text: endText(score, scale, 'low', tokens),
      },
      ...(cutoff ? [besideLine('cut', cut, box, `${count(above)} of ${count(points.length)}`)] : []),
    ],
    positions,
  };
}

function categories(
  points: readonly DecisionPoint[],
  found: readonly (readonly [number, number])[],
  box: Box,
  tokens: readonly TraceToken[],
): Drawing {
  const shown = found.slice(0, mostCategories);
  const most = Math.max(1, shown[0]?.[1] ?? 1);
  const high = box.height / mostCategories;
  const left = box.left + 30;
  const room = box.width - 56;
  const bars = shown.map(([, many], i) =>
    rectangle(left, box.top + i * high + 2, Math.max(1, (many / most) * room), high - 4),
  );
  const line = (i: number): number => box.top + i * high + high / 2 + 4;
  return {
    shapes: [{ key: 'bars', className: 'bar kept', path: bars.join('') }],
    labels: shown.flatMap(([token, many], i) => [
      { key: `name ${i}`, x: left - 4, y: line(i), anchor: 'end' as const, text: nameOf(token, tokens) },
      {
        key: `count ${i}`,
        x: left + Math.max(1, (many / most) * room) + 3,
        y: line(i),
        anchor: 'start' as const,
        text: count(many),
      },
    ]),
    positions: points.map(({ x }) => {
      const i = shown.findIndex(([token]) => token === x);
      return i < 0 ? ([NaN, NaN] as const) : ([left, box.top + i * high + high / 2] as const);
    }),
  };
}

const nameOf = (token: number, tokens: readonly TraceToken[]): string => {
  const text = quoted(tokens[token]?.text ?? '');
  return text.length > 9 ? `${text.slice(0, 8)}…` : text;
};

function scatter(decision: Extract<Decision, { kind: 'scatter' }>, box: Box, tokens: readonly TraceToken[]): Drawing {
  const { score, second, scale, secondScale, points, dropRegion } = decision;
  const xAt = (value: number): number => box.left + along(scale, value) * box.width;
  const yAt = (value: number): number => box.top + box.height * (1 - along(secondScale, value));
  const positions = points.map(({ x, y }) => [xAt(x), yAt(y)] as const);
  const shapes: Shape[] = [frame(box)];
  const [right, bottom] = [box.left + box.width, box.top + box.height];
  if (score.cutoff && second.cutoff) {
    const [cutX, cutY] = [xAt(score.cutoff.value), yAt(second.cutoff.value)];
    const parts = dropRegion.map(({ aboveX, aboveY }) => {
      const [x0, x1] = aboveX ? [cutX, right] : [box.left, cutX];
      const [y0, y1] = aboveY ? [box.top, cutY] : [cutY, bottom];
      return rectangle(x0, y0, x1 - x0, y1 - y0);
    });
    shapes.push({ key: 'region', className: 'region', path: parts.join('') });
    shapes.push({ key: 'cut', className: 'cut', path: `M${cutX} ${box.top}V${bottom}M${box.left} ${cutY}H${right}` });
  }
  const marked = (key: string, wanted: (point: DecisionPoint) => boolean): Shape => ({
    key,
    className: `points ${key}`,
    path: dots(positions.filter((_, i) => wanted(points[i]!))),
  });
  shapes.push(
    marked('dropped', ({ outcome, key }) => outcome === 'dropped' && !key),
    marked('kept', ({ outcome, key }) => outcome === 'kept' && !key),
    marked('merged', ({ outcome, key }) => outcome === 'merged' && !key),
    marked('rescued', ({ outcome }) => outcome === 'rescued'),
    marked('key', ({ key }) => key),
  );
  return {
    shapes,
    labels: [
      ...ends(score, scale, box, tokens),
      {
        key: 'top',
        x: box.left - 4,
        y: box.top + 9,
        anchor: 'end',
        text: endText(second, secondScale, 'high', tokens),
      },
      { key: 'bottom', x: box.left - 4, y: bottom, anchor: 'end', text: endText(second, secondScale, 'low', tokens) },
    ],
    positions,
  };
}
