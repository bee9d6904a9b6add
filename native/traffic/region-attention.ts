/** Where the queries of a workload look: their attention by frame and by region of the frame. */

export interface SeenFrame {
  readonly firstKey: number;
  readonly grid: { readonly rows: number; readonly columns: number };
}

export interface RegionAttention {
  /** [queries, frames], probability, mean over heads */
  readonly frames: Float32Array;
  /** [queries, frames, side, side] */
  readonly regions: Float32Array;
}

/**
 * @param queries [queries, heads x size]
 * @param keys [keys, key-value heads x size]
 * @param side regions along each side of a frame
 */
export function regionAttention(
  queries: Float32Array,
  keys: Float32Array,
  frames: readonly SeenFrame[],
  { queryHeads, keyValueHeads, headSize }: { queryHeads: number; keyValueHeads: number; headSize: number },
  side: number,
): RegionAttention {
  const rows = queries.length / (queryHeads * headSize);
  const count = keys.length / (keyValueHeads * headSize);
  const byFrame = new Float32Array(rows * frames.length);
  const byRegion = new Float32Array(rows * frames.length * side * side);
  const logits = new Float64Array(count);
  for (let row = 0; row < rows; row++) {
    for (let head = 0; head < queryHeads; head++) {
      const keyHead = Math.floor((head * keyValueHeads) / queryHeads);
      const q = (row * queryHeads + head) * headSize;
      let largest = -Infinity;
      for (let key = 0; key < count; key++) {
        const k = (key * keyValueHeads + keyHead) * headSize;
        let product = 0;
        for (let i = 0; i < headSize; i++) product += queries[q + i]! * keys[k + i]!;
        logits[key] = product / Math.sqrt(headSize);
        largest = Math.max(largest, logits[key]!);
      }
      let sum = 0;
      for (let key = 0; key < count; key++) sum += logits[key] = Math.exp(logits[key]! - largest);
      frames.forEach(({ firstKey, grid }, frame) => {
        for (let patch = 0; patch < grid.rows * grid.columns; patch++) {
          const share = logits[firstKey + patch]! / sum / queryHeads;
          const y = Math.floor((Math.floor(patch / grid.columns) * side) / grid.rows);
          const x = Math.floor(((patch % grid.columns) * side) / grid.columns);
          byFrame[row * frames.length + frame]! += share;
          byRegion[((row * frames.length + frame) * side + y) * side + x]! += share;
        }
      });
    }
  }
  return { frames: byFrame, regions: byRegion };
}
