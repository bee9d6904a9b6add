/** Checks what a trace says about its long visual input: views build grids, scales and pictures from it. */
import type { CrossAttention } from './cross-attention.ts';
import {
  amount,
  type Check,
  count,
  list,
  listOf,
  modelSize,
  oneOf,
  positive,
  text,
  texts,
  valueAt,
} from './field-checks.ts';
import { isRecord } from './safetensors.ts';
import type { RunMetadata } from './schema.ts';

type Fail = (path: string, problem: string) => never;

const mostTokens = 10_000_000;
const mostFrames = 1000;
const largestPicture = 1_000_000;

const checkedFields: readonly (readonly [string, Check])[] = [
  ['input', oneOf('high-resolution', 'frames')],
  ['layers', list],
  ['heads', modelSize],
  ['keyValueHeads', modelSize],
  ['headSize', modelSize],
  ['gates', listOf(amount)],
  ['firstRow', count],
  ['grid.rows', modelSize],
  ['grid.columns', modelSize],
  ['tiles.rows', modelSize],
  ['tiles.columns', modelSize],
  ['tiles.side', positive],
  ['crop.x', amount],
  ['crop.y', amount],
  ['crop.width', amount],
  ['crop.height', amount],
  ['maps', oneOf('heads', 'mean')],
  ['frames', list],
  ['framesAvailable', count],
  ['sources', texts],
  ['weights', text],
  ['ms.encode', amount],
  ['ms.project', amount],
  ['ms.read', amount],
  ['cacheBytes', count],
  ['notes', texts],
];

export function checkCrossAttention(run: RunMetadata, fail: Fail): void {
  const described: unknown = run.crossAttention;
  if (described === undefined) return;
  if (!isRecord(described)) return fail('crossAttention', 'is not an object');
  for (const [path, check] of checkedFields) check(valueAt(described, path), `crossAttention.${path}`);
  const cross = run.crossAttention!;
  const { layers, gates, grid, frames, firstRow, input } = cross;
  let previous = -1;
  for (const layer of layers) {
    const legal = Number.isSafeInteger(layer) && layer > previous && layer < run.model.decoder.layers;
    if (!legal) fail('crossAttention.layers', `is not a list of ascending layers below ${run.model.decoder.layers}`);
    previous = layer;
  }
  if (gates.length !== layers.length)
    fail('crossAttention.gates', `has ${gates.length} values for ${layers.length} layers`);
  if (gates.some(gate => Math.abs(gate) > 1)) fail('crossAttention.gates', 'has values beyond -1 and 1');
  if (firstRow > run.promptTokens)
    fail('crossAttention.firstRow', `is ${firstRow}, but the prompt has ${run.promptTokens} tokens`);
  if ((input === 'frames') !== frames.length > 0) fail('crossAttention.frames', 'contradicts "input"');
  if (frames.length > mostFrames) fail('crossAttention.frames', `has more than ${mostFrames} frames`);
  if (grid.rows * grid.columns * Math.max(1, frames.length) > mostTokens) {
    fail('crossAttention.grid', `makes more than ${mostTokens} tokens`);
  }
  checkFrames(cross, fail);
}

/** Pictures lie one after another, so that a reader may cut them out. */
function checkFrames({ frames, framesAvailable }: CrossAttention, fail: Fail): void {
  if (frames.length > framesAvailable) fail('crossAttention.framesAvailable', `is less than ${frames.length}`);
  let [end, before] = [0, 0];
  frames.forEach((frame: unknown, index) => {
    const path = `crossAttention.frames[${index}]`;
    if (!isRecord(frame)) return fail(path, 'is not an object');
    text(frame['name'], `${path}.name`);
    oneOf('image/webp')(frame['mime'], `${path}.mime`);
    for (const key of ['number', 'width', 'height', 'bytes']) positive(frame[key], `${path}.${key}`);
    if (frame['offset'] !== end) fail(`${path}.offset`, `is ${String(frame['offset'])}, expected ${end}`);
    if ((frame['bytes'] as number) > largestPicture) fail(`${path}.bytes`, `is more than ${largestPicture}`);
    const number = frame['number'] as number;
    if (number <= before || number > framesAvailable) fail(`${path}.number`, 'is not one of the frames, in order');
    [end, before] = [end + (frame['bytes'] as number), number];
  });
}
