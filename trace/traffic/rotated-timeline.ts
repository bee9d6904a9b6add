/**
 * The timeline of `simulate` for thousands of ranks that all do the same on blocks moved on by their number, but need
 * not take equally long: operation by operation for all ranks at once, without an object per event.
 */
import type { BlockStarts, Costs, TimelineOptions, TimelineTotals } from './timeline.ts';
import type { Exchange, RankProgram } from './schedule.ts';

/** Starts and ends of one operation, [ranks]. */
interface Spans {
  readonly starts: Float64Array;
  readonly ends: Float64Array;
}

/**
 * @param program of rank 0 @param costs of its operations when another rank does the like; exchanges of all ranks take
 * as long as those of rank 0
 * @param rounds how many of them `starts` tells of
 */
export function simulateRotated(
  program: RankProgram,
  ranks: number,
  rounds: number,
  costs: Costs,
  { overlap = true, communicate = true }: TimelineOptions = {},
): { readonly totals: TimelineTotals; readonly starts: BlockStarts } {
  const now = new Float64Array(ranks);
  const stall = new Float64Array(ranks);
  const computes: Spans[] = [];
  const exchanges: Spans[] = [];
  const blockStarts = Array.from({ length: ranks }, () => Array.from({ length: rounds }, () => 0));
  const waitFor = ({ ends }: Spans): void => {
    for (let rank = 0; rank < ranks; rank++) {
      if (ends[rank]! <= now[rank]!) continue;
      stall[rank]! += ends[rank]! - now[rank]!;
      now[rank] = ends[rank]!;
    }
  };
  for (const operation of program.operations) {
    if (operation.op === 'exchange') {
      const starts = meet(operation, now, exchanges.at(-1)?.ends);
      const duration = communicate ? costs.exchange(operation, 0) : 0;
      const ends = starts.slice();
      for (let rank = 0; rank < ranks; rank++) ends[rank]! += duration;
      exchanges.push({ starts, ends });
      if (!overlap) waitFor(exchanges.at(-1)!);
    } else if (operation.op === 'wait') {
      waitFor(exchanges[operation.exchange]!);
    } else {
      const starts = now.slice();
      let longest = 0;
      for (let rank = 0; rank < ranks; rank++) {
        const seconds = costs.compute(operation, rank);
        now[rank]! += seconds;
        longest = Math.max(longest, seconds);
      }
      if (longest > 0) computes.push({ starts, ends: now.slice() });
      if (operation.op !== 'attend' && operation.op !== 'differentiate') continue;
      for (let rank = 0; rank < ranks; rank++) blockStarts[rank]![operation.round] = starts[rank]!;
    }
  }
  const communication = lengths(exchanges, ranks);
  const hidden = Array.from({ length: ranks }, (_, rank) => overlapOf(computes, exchanges, rank));
  const totals = {
    total: now.reduce((latest, end) => Math.max(latest, end), 0),
    compute: lengths(computes, ranks),
    communication,
    exposed: communication.map((length, rank) => length - hidden[rank]!),
    stall: [...stall],
  };
  return { totals, starts: blockStarts };
}

/** When an exchange starts on each rank: it and all its partners have posted it and are done with the one before. */
function meet({ sends, receives }: Exchange, now: Float64Array, before: Float64Array | undefined): Float64Array {
  const ranks = now.length;
  const ready = now.slice();
  let latest = 0;
  for (let rank = 0; rank < ranks; rank++) {
    if (before && before[rank]! > ready[rank]!) ready[rank] = before[rank]!;
    if (ready[rank]! > latest) latest = ready[rank]!;
  }
  const partners = new Set([...sends.map(({ destination }) => destination), ...receives.map(({ source }) => source)]);
  if (partners.size === ranks - 1) return ready.fill(latest);
  const starts = ready.slice();
  for (const partner of partners) {
    for (let rank = 0; rank < ranks; rank++) {
      const other = ready[(partner + rank) % ranks]!;
      if (other > starts[rank]!) starts[rank] = other;
    }
  }
  return starts;
}

function lengths(spans: readonly Spans[], ranks: number): number[] {
  return Array.from({ length: ranks }, (_, rank) =>
    spans.reduce((sum, { starts, ends }) => sum + ends[rank]! - starts[rank]!, 0),
  );
}

/** On one rank neither computes nor exchanges overlap each other, and both are in order. */
function overlapOf(left: readonly Spans[], right: readonly Spans[], rank: number): number {
  let [i, j, length] = [0, 0, 0];
  while (i < left.length && j < right.length) {
    const [a, b] = [left[i]!, right[j]!];
    const common = Math.min(a.ends[rank]!, b.ends[rank]!) - Math.max(a.starts[rank]!, b.starts[rank]!);
    if (common > 0) length += common;
    if (a.ends[rank]! < b.ends[rank]!) i++;
    else j++;
  }
  return length;
}
