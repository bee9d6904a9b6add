/** Compares what the ranks computed with the reference. */
import type { AgreementEvent } from '../../trace/traffic/ledger.ts';
import type { Algorithm, TensorKind } from '../../trace/traffic/schedule.ts';
import type { Sizes } from '../../trace/traffic/sizes.ts';
import type { RankResults, Snapshot } from './protocol.ts';
import type { Reference, ReferenceRow } from './reference.ts';

/** Collects differences of any number of values. */
class Difference {
  maxAbs = 0;
  lseMaxAbs = NaN;
  notFinite = 0;
  maskedNonZero = 0;
  private error = 0;
  private expected = 0;
  private found = 0;
  private product = 0;

  add(found: number, expected: number): void {
    if (!Number.isFinite(found)) {
      this.notFinite++;
      return;
    }
    const miss = found - expected;
    this.maxAbs = Math.max(this.maxAbs, Math.abs(miss));
    this.error += miss * miss;
    this.expected += expected * expected;
    this.found += found * found;
    this.product += found * expected;
  }

  addLogSum(found: number, expected: number): void {
    if (Number.isNaN(found) || (found === -Infinity) !== (expected === -Infinity)) this.notFinite++;
    else if (found !== -Infinity) this.lseMaxAbs = Math.max(this.lseMaxAbs || 0, Math.abs(found - expected));
  }

  event(run: number, rank: number, owner: number, round: number, kind: TensorKind): AgreementEvent {
    const norms = Math.sqrt(this.found * this.expected);
    const { maxAbs, lseMaxAbs, notFinite, maskedNonZero } = this;
    const relL2 = this.expected === 0 ? Math.sqrt(this.error) : Math.sqrt(this.error / this.expected);
    const cosine = norms === 0 ? (this.error === 0 ? 1 : 0) : this.product / norms;
    return { run, rank, owner, round, kind, maxAbs, relL2, cosine, lseMaxAbs, notFinite, maskedNonZero };
  }
}

/** Final results, one event per rank and kind. */
export function compareResults(
  run: number,
  results: readonly RankResults[],
  reference: Reference,
  { shape, sharding }: Pick<Sizes, 'shape' | 'sharding'>,
): AgreementEvent[] {
  return results.flatMap((result, rank) => {
    const events: AgreementEvent[] = [];
    const ownRows = reference.rows.filter(({ owner }) => owner === rank);
    for (const kind of ['O', 'dQ'] as const) {
      const found = result[kind];
      if (!found || ownRows.length === 0) continue;
      const difference = new Difference();
      for (const row of ownRows) {
        const logSums = kind === 'O' ? result.L : undefined;
        compareRow(difference, found, logSums, row, row[kind], row.L, sharding.queryRows[rank]!, shape.headSize);
      }
      events.push(difference.event(run, rank, rank, -1, kind));
    }
    for (const kind of ['dK', 'dV'] as const) {
      const found = result[kind];
      const expected = reference[kind][rank]!;
      if (!found || !reference.complete || expected.length !== found.length || found.length === 0) continue;
      const difference = new Difference();
      found.forEach((value, index) => {
        difference.add(value, expected[index]!);
      });
      events.push(difference.event(run, rank, rank, -1, kind));
    }
    return events;
  });
}

function compareRow(
  difference: Difference,
  found: Float32Array,
  logSums: Float32Array | undefined,
  { row, sees }: ReferenceRow,
  expected: Float64Array,
  expectedLogSums: Float64Array,
  rows: number,
  headSize: number,
): void {
  for (let head = 0; head < expectedLogSums.length; head++) {
    const start = (head * rows + row) * headSize;
    for (let i = 0; i < headSize; i++) {
      const value = found[start + i]!;
      difference.add(value, expected[head * headSize + i]!);
      if (!sees && value !== 0) difference.maskedNonZero++;
    }
    if (logSums) difference.addLogSum(logSums[head * rows + row]!, expectedLogSums[head]!);
  }
}

/** After t rounds, O and L of a block must equal attention over the t + 1 shards that it has met. */
export function compareSnapshots(
  run: number,
  snapshots: readonly Snapshot[],
  reference: Reference,
  { shape, sharding }: Pick<Sizes, 'shape' | 'sharding'>,
): AgreementEvent[] {
  return snapshots.flatMap(({ rank, owner, round, O, L }) => {
    const difference = new Difference();
    const rows = reference.rows.filter(row => row.owner === owner && row.prefixes[round] !== undefined);
    for (const row of rows) {
      const prefix = row.prefixes[round]!;
      const sees = prefix.L[0] !== -Infinity;
      compareRow(difference, O, L, { ...row, sees }, prefix.O, prefix.L, sharding.queryRows[owner]!, shape.headSize);
    }
    return rows.length === 0 ? [] : [difference.event(run, rank, owner, round, 'O')];
  });
}

/** In which order the blocks of an algorithm meet the shards. */
export function prefixOrder(algorithm: Algorithm): 'ascending' | 'descending' | 'none' {
  if (algorithm === 'lv-xattn') return 'ascending';
  return algorithm === 'ring' ? 'descending' : 'none';
}
