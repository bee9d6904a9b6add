import type { Grid } from '../methods/high-resolution/selection.ts';

/**
 * Lengths of high-resolution features, and how much each visual token is like the mean of those that cover its patch.
 * @param features [grid, width]; @param visual [patches, width]; without as many visual tokens as patches nothing is compared
 */
export function featureTensors(
  features: Float32Array,
  visual: Float32Array,
  width: number,
  grid: Grid,
  patches: Grid,
): { readonly norm: Float32Array; readonly similarity: Float32Array | undefined } {
  const tokens = grid.rows * grid.columns;
  const norm = Float32Array.from({ length: tokens }, (_, token) =>
    lengthOf(features.subarray(token * width, (token + 1) * width)),
  );
  const count = patches.rows * patches.columns;
  if (visual.length !== count * width) return { norm, similarity: undefined };
  const sums = new Float32Array(visual.length);
  for (let token = 0; token < tokens; token++) {
    const row = Math.floor((Math.floor(token / grid.columns) * patches.rows) / grid.rows);
    const column = Math.floor(((token % grid.columns) * patches.columns) / grid.columns);
    const place = (row * patches.columns + column) * width;
    for (let index = 0; index < width; index++) sums[place + index]! += features[token * width + index]!;
  }
  const similarity = Float32Array.from({ length: count }, (_, patch) => {
    const mean = sums.subarray(patch * width, (patch + 1) * width);
    const own = visual.subarray(patch * width, (patch + 1) * width);
    let product = 0;
    for (let index = 0; index < width; index++) product += mean[index]! * own[index]!;
    return product / (lengthOf(mean) * lengthOf(own));
  });
  return { norm, similarity };
}

function lengthOf(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum);
}
