/** Two sequences of tokens side by side: what they share, in order, and what only one has. */

export interface AlignedPair {
  /** Index in the first sequence; undefined where only the second has a token. */
  readonly first: number | undefined;
  readonly second: number | undefined;
}

/** Answers beyond this many pairs of tokens are aligned by their beginning and end alone. */
const mostCells = 4_000_000;

/**
 * The longest common subsequence. What lies between two shared tokens is paired one by one, as replaced.
 * @param first token ids
 */
export function alignTokens(first: readonly number[], second: readonly number[]): AlignedPair[] {
  let start = 0;
  while (start < first.length && start < second.length && first[start] === second[start]) start++;
  let tail = 0;
  while (
    tail < first.length - start &&
    tail < second.length - start &&
    first[first.length - 1 - tail] === second[second.length - 1 - tail]
  )
    tail++;
  const [a, b] = [first.slice(start, first.length - tail), second.slice(start, second.length - tail)];
  const shared = a.length * b.length > mostCells ? [] : commonSubsequence(a, b);
  const pairs: AlignedPair[] = Array.from({ length: start }, (_, i) => ({ first: i, second: i }));
  let [i, j] = [0, 0];
  const until = (nextA: number, nextB: number): void => {
    for (; i < nextA || j < nextB;) {
      pairs.push({
        first: i < nextA ? start + i++ : undefined,
        second: j < nextB ? start + j++ : undefined,
      });
    }
  };
  for (const [atA, atB] of shared) {
    until(atA, atB);
    pairs.push({ first: start + i++, second: start + j++ });
  }
  until(a.length, b.length);
  for (let k = tail; k > 0; k--) pairs.push({ first: first.length - k, second: second.length - k });
  return pairs;
}

/** Indices of the shared tokens, in order. */
function commonSubsequence(a: readonly number[], b: readonly number[]): [number, number][] {
  const width = b.length + 1;
  /** Longest from here on. */
  const length = new Int32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      length[i * width + j] =
        a[i] === b[j]
          ? length[(i + 1) * width + j + 1]! + 1
          : Math.max(length[(i + 1) * width + j]!, length[i * width + j + 1]!);
  const shared: [number, number][] = [];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) shared.push([i++, j++]);
    else if (length[(i + 1) * width + j]! >= length[i * width + j + 1]!) i++;
    else j++;
  }
  return shared;
}
