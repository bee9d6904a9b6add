/**
 * Attention rollout (Abnar and Zuidema 2020, section 3): attention followed through the residual connections, where a
 * token keeps one half of itself in every layer.
 */

/**
 * The share that every patch has in CLS after each layer.
 * @param attention per layer, mean over heads [1 + patches, 1 + patches], CLS first
 * @returns [layers, patches]; with what CLS keeps of itself, each row sums to 1
 */
export function attentionRollout(attention: readonly Float32Array[], patches: number): Float32Array {
  const tokens = patches + 1;
  const sums = attention.map(layer => rowSums(layer, tokens));
  const rollout = new Float32Array(attention.length * patches);
  for (let layer = 0; layer < attention.length; layer++) {
    let share: Float64Array = new Float64Array(tokens);
    share[0] = 1;
    for (let below = layer; below >= 0; below--) share = propagate(share, attention[below]!, sums[below]!);
    rollout.set(share.subarray(1), layer * patches);
  }
  return rollout;
}

function rowSums(attention: Float32Array, tokens: number): Float64Array {
  return Float64Array.from({ length: tokens }, (_, row) => {
    let sum = 0;
    for (let column = 0; column < tokens; column++) sum += attention[row * tokens + column]!;
    return sum;
  });
}

/**
 * Row vector times 0.5 A + 0.5 I with every row divided by its sum, so that one row of the product of all layers costs
 * no matrix product. Four rows at a time, since writing the result takes longer than reading the map.
 */
function propagate(share: Float64Array, attention: Float32Array, sums: Float64Array): Float64Array {
  const tokens = share.length;
  const weights = share.map((value, row) => value / (sums[row]! + 1));
  const result = weights.slice();
  let row = 0;
  for (; row + 4 <= tokens; row += 4) {
    const [first, second, third, fourth] = [0, 1, 2, 3].map(next => weights[row + next]!) as [
      number,
      number,
      number,
      number,
    ];
    const start = row * tokens;
    for (let column = 0; column < tokens; column++) {
      const at = start + column;
      result[column]! +=
        first * attention[at]! +
        second * attention[at + tokens]! +
        third * attention[at + 2 * tokens]! +
        fourth * attention[at + 3 * tokens]!;
    }
  }
  for (; row < tokens; row++) {
    const weight = weights[row]!;
    for (let column = 0; column < tokens; column++) result[column]! += weight * attention[row * tokens + column]!;
  }
  return result;
}
