/**
 * What is added to the scores so that no query sees a later position: [queries, keys], 0 or -infinity. Positions need
 * not be consecutive, as tokens may have been dropped.
 */
export function causalMask(queryPositions: Int32Array, keyPositions: Int32Array): Float32Array {
  const keys = keyPositions.length;
  const mask = new Float32Array(queryPositions.length * keys);
  queryPositions.forEach((query, row) => {
    for (let key = 0; key < keys; key++) if (keyPositions[key]! > query) mask[row * keys + key] = -Infinity;
  });
  return mask;
}
