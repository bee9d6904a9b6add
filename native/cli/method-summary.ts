/** What a token method left of the image, for the terminal: a map of the patches that are left, and the counts beside it. */
import { runMacs } from '../../trace/costs.ts';
import { meanEntering, meanLeaving } from '../../trace/fates.ts';
import { readingMacs } from '../../trace/high-resolution-costs.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { wrapText } from './terminal.ts';

const gap = 3;
const leastWords = 30;

/**
 * Map and words side by side, or one below the other where there is no room; nothing for a run of all visual tokens.
 * @param kept [patches], 1 where a patch is part of a token after the last stage
 */
export function methodLines(run: RunMetadata, kept: Uint8Array, width: number): string[] {
  const words = methodWords(run, kept);
  if (words.length === 0) return [];
  const { columns } = run.visual.grid;
  const map = kept.includes(0) ? keptMap(kept, columns) : [];
  if (map.length === 0) return words.flatMap(text => wrapText(text, width));
  const room = width - columns - gap;
  const wrap = (at: number): string[] => words.flatMap(text => wrapText(text, at));
  if (room < leastWords) return [...wrap(width), ...(columns <= width ? map : [])];
  const beside = wrap(room);
  return Array.from({ length: Math.max(map.length, beside.length) }, (_, index) => {
    const text = beside[index] ?? '';
    return `${(map[index] ?? '').padEnd(columns)}${' '.repeat(gap)}${text}`.trimEnd();
  });
}

/** Two rows of patches a line, one column a patch. */
export function keptMap(kept: Uint8Array, columns: number): string[] {
  const lines: string[] = [];
  for (let start = 0; start < kept.length; start += 2 * columns) {
    const cells = Array.from({ length: columns }, (_, column) => {
      const [upper, lower] = [kept[start + column] === 1, kept[start + columns + column] === 1];
      return upper ? (lower ? '█' : '▀') : lower ? '▄' : '·';
    });
    lines.push(cells.join(''));
  }
  return lines;
}

function methodWords(run: RunMetadata, kept: Uint8Array): string[] {
  const { method, reduction, model, visual } = run;
  if (!reduction || method.name === 'none') return [];
  const { layers } = reduction;
  const entering = layers.map(layer => layer.entering);
  const title = [method.title ?? method.name, ...(method.variant ? [`(${method.variant})`] : [])].join(' ');
  const budget = method.budget ? `, budget ${method.budget.asked} by tokens ${method.budget.counted}` : '';
  const patches = kept.reduce((sum, value) => sum + value, 0);
  const macs = runMacs('F3', reduction, model);
  const all = macs && runMacs('F3', unpruned(reduction), model);
  const bytes = layers.reduce((sum, layer) => sum + layer.cacheBytes, 0);
  const last = reduction.stages.at(-1);
  return [
    `${title}${budget}`,
    `Visual tokens, mean over layers: ${rounded(meanEntering(layers))} enter (E_in) and ${rounded(meanLeaving(layers))} leave (E_out) of ${visual.count}`,
    `Entering layer by layer: ${runs(entering)}`,
    ...(macs && all
      ? [
          `Prefill ${((100 * (macs.prefill + readingMacs(run).prefill)) / all.prefill).toFixed(0)} % of the MACs of all tokens (F3); cache ${(bytes / 1e6).toFixed(1)} MB`,
        ]
      : []),
    ...(last
      ? [
          patches < kept.length
            ? `${patches} of ${kept.length} patches are part of a token after the last stage (${last.title}): filled here`
            : `All ${patches} patches are part of a token: none was dropped`,
        ]
      : []),
  ];
}

/** The same run with every visual token in every layer. */
function unpruned(reduction: NonNullable<RunMetadata['reduction']>): NonNullable<RunMetadata['reduction']> {
  const { visualTokens } = reduction;
  const layers = reduction.layers.map(layer => ({
    ...layer,
    entering: visualTokens,
    sequence: layer.sequence - layer.entering + visualTokens,
  }));
  return { ...reduction, layers };
}

/** "208 × 2, 52 × 4": equal neighbours together. */
function runs(values: readonly number[]): string {
  const groups: { value: number; count: number }[] = [];
  for (const value of values) {
    const last = groups.at(-1);
    if (last?.value === value) last.count++;
    else groups.push({ value, count: 1 });
  }
  return groups.map(({ value, count }) => (count > 1 ? `${value} × ${count}` : String(value))).join(', ');
}

function rounded(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}
