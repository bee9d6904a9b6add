/** Two answers side by side: the tokens they share, in order, and those that only one of them has. */

export interface AlignedPair {
  /** Index in the first answer; undefined where only the second one has a token. */
  readonly first: number | undefined;
  readonly second: number | undefined;
  /** Both have it; else one stands in the place of the other, or alone. */
  readonly same: boolean;
}

/** The table of the subsequence has one cell a pair of tokens; beyond, only beginning and end are compared. */
const mostCells = 4_000_000;

/**
 * Aligns by the longest common subsequence; ties skip a token of the first. What lies between two shared tokens is paired
 * one by one, so that every token has a counterpart where there is one to be had.
 * @param first texts or ids of tokens
 */
export function alignTokens<T extends string | number>(first: readonly T[], second: readonly T[]): AlignedPair[] {
  const shorter = Math.min(first.length, second.length);
  let head = 0;
  while (head < shorter && first[head] === second[head]) head++;
  let tail = 0;
  while (tail < shorter - head && first[first.length - 1 - tail] === second[second.length - 1 - tail]) tail++;
  const middleFirst = first.slice(head, first.length - tail);
  const middleSecond = second.slice(head, second.length - tail);
  const shared =
    middleFirst.length * middleSecond.length <= mostCells ? commonSubsequence(middleFirst, middleSecond) : [];

  const pairs: AlignedPair[] = Array.from({ length: head }, (_, i) => ({ first: i, second: i, same: true }));
  let [atFirst, atSecond] = [head, head];
  const differUntil = (endFirst: number, endSecond: number): void => {
    while (atFirst < endFirst || atSecond < endSecond)
      pairs.push({
        first: atFirst < endFirst ? atFirst++ : undefined,
        second: atSecond < endSecond ? atSecond++ : undefined,
        same: false,
      });
  };
  const sharedTail = Array.from({ length: tail }, (_, i): [number, number] => [
    middleFirst.length + i,
    middleSecond.length + i,
  ]);
  for (const [inFirst, inSecond] of [...shared, ...sharedTail]) {
    differUntil(head + inFirst, head + inSecond);
    pairs.push({ first: atFirst++, second: atSecond++, same: true });
  }
  differUntil(first.length, second.length);
  return pairs;
}

/** Index pairs of the longest common subsequence, in order. */
function commonSubsequence<T>(first: readonly T[], second: readonly T[]): [number, number][] {
  const width = second.length + 1;
  /** Length of the longest one of what comes from (i, j) on. */
  const longest = new Int32Array((first.length + 1) * width);
  for (let i = first.length - 1; i >= 0; i--)
    for (let j = second.length - 1; j >= 0; j--) {
      const [skipFirst, skipSecond] = [longest[(i + 1) * width + j]!, longest[i * width + j + 1]!];
      longest[i * width + j] =
        first[i] === second[j] ? longest[(i + 1) * width + j + 1]! + 1 : Math.max(skipFirst, skipSecond);
    }
  const shared: [number, number][] = [];
  let [i, j] = [0, 0];
  while (i < first.length && j < second.length) {
    if (first[i] === second[j]) shared.push([i++, j++]);
    else if (longest[(i + 1) * width + j]! >= longest[i * width + j + 1]!) i++;
    else j++;
  }
  return shared;
}
