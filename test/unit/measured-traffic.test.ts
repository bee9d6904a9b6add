/** The traces that were measured on GPUs open with this version, and what they say of themselves follows from their ledgers. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openTrafficFile } from '../../trace/file.ts';
import { measuredTimes, sentByKind } from '../../trace/traffic/checks.ts';
import { expectedBytes, sumByRank } from '../../trace/traffic/formulas.ts';
import type { Ledger } from '../../trace/traffic/ledger.ts';
import { rankCount } from '../../trace/traffic/metadata.ts';

const folder = fileURLToPath(new URL('../../media/traffic/', import.meta.url));
const files = readdirSync(folder).filter(name => name.endsWith('.fovea'));
assert.ok(files.length > 0);

const ofRun = (ledger: Ledger, index: number): Ledger => {
  const own = <Event extends { readonly run: number }>(events: readonly Event[]): Event[] =>
    events.filter(({ run }) => run === index);
  const { transfers, computes, waits, memory, agreement } = ledger;
  return {
    transfers: own(transfers),
    computes: own(computes),
    waits: own(waits),
    memory: own(memory),
    agreement: own(agreement),
  };
};

for (const name of files) {
  test(`${name}: checks hold, bytes are the formulas', times the ledger's`, async () => {
    const reader = await openTrafficFile(`${folder}${name}`);
    const ledger = await reader.ledger();
    await reader.close();
    const { workload, runs, status } = reader.metadata;
    const ranks = rankCount(workload);
    assert.equal(status.state, 'complete');
    for (const [index, run] of runs.entries()) {
      const label = `${run.algorithm} ${run.pass}`;
      assert.match(run.backend.hardware, /NVIDIA/, label);
      assert.deepEqual(
        run.checks.filter(({ passed }) => !passed),
        [],
        label,
      );
      const own = ofRun(ledger, index);
      const { shape, sharding } = workload;
      const expected = sumByRank(expectedBytes(run.algorithm, run.pass, { shape, sharding, wire: run.wire }), ranks);
      assert.deepEqual(run.bytes.sentPerRank, expected, label);
      assert.deepEqual(sumByRank(sentByKind(own.transfers, ranks), ranks), expected, label);
      const found = measuredTimes(own, ranks);
      const close = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-6 + 1e-3 * Math.abs(b);
      for (const part of ['compute', 'stall', 'exposed'] as const)
        for (let rank = 0; rank < ranks; rank++)
          assert.ok(close(found[part][rank]!, run.times![part][rank]!), `${label}: ${part} of rank ${rank}`);
      if (run.agreement) assert.ok(run.agreement.maxAbs <= run.agreement.tolerance, label);
    }
    assert.ok(runs.some(({ agreement, pass }) => agreement && pass === 'backward'));
  });
}
