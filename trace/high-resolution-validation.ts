/** Checks what a trace says about its high-resolution tokens: views build grids and scales from it. */
import {
  amount,
  type Check,
  count,
  list,
  modelSize,
  oneOf,
  optional,
  positive,
  text,
  texts,
  valueAt,
} from './field-checks.ts';
import { selectionSources } from './high-resolution.ts';
import { isRecord } from './safetensors.ts';
import type { RunMetadata } from './schema.ts';

type Fail = (path: string, problem: string) => never;

const mostTokens = 1_000_000;

const checkedFields: readonly (readonly [string, Check])[] = [
  ['variant', oneOf('code', 'paper')],
  ['source', oneOf(...selectionSources)],
  ['rule.kind', oneOf('threshold', 'count')],
  ['pooling', oneOf('adaptive-max', 'none')],
  ['rows', oneOf('last', 'all')],
  ['map', oneOf('separate', 'joint')],
  ['rotary', oneOf('fractional', 'interpolated')],
  ['lowResolution', optional(oneOf('resized', 'scaled'))],
  ['grid.rows', modelSize],
  ['grid.columns', modelSize],
  ['cells.rows', modelSize],
  ['cells.columns', modelSize],
  ['tiles.rows', modelSize],
  ['tiles.columns', modelSize],
  ['tiles.side', positive],
  ['crop.x', amount],
  ['crop.y', amount],
  ['crop.width', amount],
  ['crop.height', amount],
  ['margin.rows', count],
  ['margin.columns', count],
  ['layers', list],
  ['attending', list],
  ['weights.kind', oneOf('bundled', 'released', 'copied')],
  ['weights.source', text],
  ['ms.encode', amount],
  ['ms.project', amount],
  ['cacheBytes', count],
  ['meanSelected', amount],
  ['notes', texts],
];

export function checkHighResolution(run: RunMetadata, fail: Fail): void {
  const described: unknown = run.highResolution;
  if (described === undefined) return;
  if (!isRecord(described)) return fail('highResolution', 'is not an object');
  for (const [path, check] of checkedFields) check(valueAt(described, path), `highResolution.${path}`);
  const { rule, grid, cells, layers, attending } = run.highResolution!;
  const limit = rule.kind === 'count' ? rule.count : rule.threshold;
  amount(limit, `highResolution.rule.${rule.kind}`);
  if (grid.rows * grid.columns > mostTokens) fail('highResolution.grid', `has more than ${mostTokens} tokens`);
  if (cells.rows > grid.rows || cells.columns > grid.columns) fail('highResolution.cells', 'are smaller than a token');
  checkLayers(layers, run.model.decoder.layers, 'highResolution.layers', fail);
  checkLayers(attending, run.model.decoder.layers, 'highResolution.attending', fail);
  if (attending.some(layer => !layers.includes(layer))) fail('highResolution.attending', 'has layers not in "layers"');
}

function checkLayers(layers: readonly unknown[], depth: number, path: string, fail: Fail): void {
  let previous = -1;
  for (const layer of layers) {
    const legal = Number.isSafeInteger(layer) && (layer as number) > previous && (layer as number) < depth;
    if (!legal) fail(path, `is not a list of ascending layers below ${depth}`);
    previous = layer as number;
  }
}
