/** The Chrome trace of a run follows the format's rules, and its bytes are the ledger's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ledger, TransferEvent } from '../../trace/traffic/ledger.ts';
import { chromeTrace, type TraceEvent } from '../../trace/traffic/perfetto.ts';
import { smallLedger, smallTraffic } from '../fixtures/small-traffic.ts';

const transfer = (change: Partial<TransferEvent>): TransferEvent => {
  return { ...smallLedger.transfers[0]!, kind: 'Q', bytes: 100, started: 0, ended: 10_000, ...change };
};

/** Messages that overlap on one link, in both directions, one that never arrived, and a second run. */
const ledger: Ledger = {
  ...smallLedger,
  transfers: [
    transfer({ source: 0, destination: 1 }),
    transfer({ source: 0, destination: 1, kind: 'O', started: 4000, ended: 9000, bytes: 2 ** 33 }),
    transfer({ source: 1, destination: 0, started: 2000, ended: 6000, bytes: 7 }),
    transfer({ source: 1, destination: 0, started: 5000, ended: NaN, bytes: 11 }),
    transfer({ source: 1, destination: 0, run: 1 }),
  ],
};
const [run] = smallTraffic.runs;
const { traceEvents } = chromeTrace({ ...smallTraffic, runs: [run!, { ...run!, algorithm: 'ring' }] }, ledger);
const ofKind = <Kind extends TraceEvent['ph']>(kind: Kind): Extract<TraceEvent, { ph: Kind }>[] =>
  traceEvents.filter((event): event is Extract<TraceEvent, { ph: Kind }> => event.ph === kind);

const flows = traceEvents.filter((event): event is Extract<TraceEvent, { id: number }> => 'id' in event);

test('slices of one thread never overlap in part', () => {
  const lanes = new Map<string, { ts: number; dur: number }[]>();
  for (const slice of ofKind('X')) {
    const lane = `${slice.pid} ${slice.tid}`;
    lanes.set(lane, [...(lanes.get(lane) ?? []), slice]);
  }
  assert.ok(lanes.size >= 6);
  for (const [lane, slices] of lanes) {
    slices.sort((a, b) => a.ts - b.ts);
    slices.forEach((slice, index) => {
      assert.ok(slice.dur >= 0);
      const next = slices[index + 1];
      if (next) assert.ok(next.ts >= slice.ts + slice.dur, `lane ${lane}: ${JSON.stringify([slice, next])}`);
    });
  }
});

test('every flow starts in one send slice and ends in one receive slice', () => {
  const [starts, ends] = [flows.filter(({ ph }) => ph === 's'), flows.filter(({ ph }) => ph === 'f')];
  assert.equal(starts.length, ledger.transfers.length);
  assert.deepEqual(starts.map(({ id }) => id).sort(), ends.map(({ id }) => id).sort());
  assert.equal(new Set(starts.map(({ id }) => id)).size, starts.length);
  for (const flow of [...starts, ...ends]) {
    const lane = flow.ph === 's' ? 'send' : 'receive';
    const holding = ofKind('X').filter(
      ({ cat, pid, tid, ts, dur }) =>
        cat === lane && pid === flow.pid && tid === flow.tid && ts <= flow.ts && flow.ts <= ts + dur,
    );
    assert.ok(holding.length >= 1, JSON.stringify(flow));
  }
});

test('the bytes of all slices add up to the ledger, and runs are processes of their own', () => {
  const bytes = ofKind('X').reduce((sum, { args }) => sum + (typeof args['bytes'] === 'number' ? args['bytes'] : 0), 0);
  assert.equal(
    bytes,
    ledger.transfers.reduce((sum, event) => sum + event.bytes, 0),
  );
  const names = ofKind('M').filter(({ name }) => name === 'process_name');
  assert.equal(new Set(names.map(({ pid }) => pid)).size, 4);
  assert.match(String(names[0]!.args['name']), /LV-XAttn forward, rank 0, simulated links/);
});
