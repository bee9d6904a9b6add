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
  const mixing = attention.map(layer => residualMixing(layer, tokens));
  const rollout = new Float32Array(attention.length * patches);
  for (let layer = 0; layer < mixing.length; layer++) {
    let share: Float64Array = new Float64Array(tokens);
    share[0] = 1;
    for (let below = layer; below >= 0; below--) share = propagate(share, mixing[below]!, tokens);
    rollout.set(share.subarray(1), layer * patches);
  }
  return rollout;
}

/** 0.5 A + 0.5 I, each row divided by its sum. */
function residualMixing(attention: Float32Array, tokens: number): Float32Array {
  const mixing = new Float32Array(attention.length);
  for (let row = 0; row < tokens; row++) {
    const start = row * tokens;
    let sum = 0;
    for (let column = 0; column < tokens; column++) sum += attention[start + column]!;
    const scale = 1 / (sum + 1);
    for (let column = 0; column < tokens; column++) {
      mixing[start + column] = (attention[start + column]! + (column === row ? 1 : 0)) * scale;
    }
  }
  return mixing;
}

/** Row vector times matrix, so that one row of the product of all layers costs no matrix product. */
function propagate(share: Float64Array, mixing: Float32Array, tokens: number): Float64Array {
  const result = new Float64Array(tokens);
  for (let row = 0; row < tokens; row++) {
    const weight = share[row]!;
    if (weight === 0) continue;
    const start = row * tokens;
    for (let column = 0; column < tokens; column++) result[column]! += weight * mixing[start + column]!;
  }
  return result;
}
