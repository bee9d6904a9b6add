/**
 * Outlier patches: patches that draw attention whatever is asked, often plain background on which vision transformers
 * keep global information (Darcet et al. 2024, "Vision Transformers Need Registers"). Taken out, the rest can be seen.
 *
 * The rule asks for robust evidence. In one row a patch stands out when its value is above the row's median by more
 * than `deviations` median absolute deviations (scaled by 1.4826, so that they are standard deviations for a normal
 * distribution) and above `timesMean` times the row's mean; it is an outlier when it stands out in at least `rowShare`
 * of the rows that see the image, of which there must be `leastRows`.
 */
export interface OutlierRule {
  readonly deviations: number;
  readonly timesMean: number;
  readonly rowShare: number;
  readonly leastRows: number;
}

export const outlierRule: OutlierRule = { deviations: 8, timesMean: 8, rowShare: 0.75, leastRows: 4 };

/**
 * @param rows [rows, patches], attention of each row (or head) to each patch; rows of zeros see no image and are left out
 * @returns [patches], 1 for an outlier patch
 */
export function outlierPatches(rows: Float32Array, patches: number, rule: OutlierRule = outlierRule): Uint8Array {
  const outliers = new Uint8Array(patches);
  if (patches === 0) return outliers;
  const timesOut = new Uint32Array(patches);
  const sorted = new Float32Array(patches);
  let seeing = 0;
  for (let start = 0; start + patches <= rows.length; start += patches) {
    const row = rows.subarray(start, start + patches);
    const mean = row.reduce((sum, value) => sum + value, 0) / patches;
    if (mean <= 0) continue;
    seeing++;
    sorted.set(row);
    const middle = median(sorted);
    for (let i = 0; i < patches; i++) sorted[i] = Math.abs(row[i]! - middle);
    const limit = Math.max(middle + rule.deviations * 1.4826 * median(sorted), rule.timesMean * mean);
    for (let i = 0; i < patches; i++) if (row[i]! > limit) timesOut[i]!++;
  }
  if (seeing < rule.leastRows) return outliers;
  for (let i = 0; i < patches; i++) if (timesOut[i]! >= rule.rowShare * seeing) outliers[i] = 1;
  return outliers;
}

/** Sorts its argument. */
function median(values: Float32Array): number {
  values.sort();
  const half = values.length >> 1;
  return values.length % 2 === 1 ? values[half]! : (values[half - 1]! + values[half]!) / 2;
}
