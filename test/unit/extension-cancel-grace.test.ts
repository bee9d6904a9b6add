import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CancelGrace } from '../../extension/pipeline/cancel-grace.ts';
import type { Clock } from '../../extension/pipeline/clock.ts';

/** A clock that moves by hand; `waits` are the delays that were asked for. */
function handClock(): Clock & { time: number; readonly waits: number[] } {
  const waits: number[] = [];
  return {
    time: 0,
    waits,
    now() {
      return this.time;
    },
    after(milliseconds) {
      waits.push(milliseconds);
      return () => undefined;
    },
  };
}

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

function waitAfterCancel(silences: readonly number[], stage: 'prefill' | 'write' = 'prefill'): number | undefined {
  const clock = handClock();
  const control = new AbortController();
  const grace = new CancelGrace({ kill: () => undefined }, control.signal, { clock, log });
  for (const silence of silences) {
    clock.time += silence;
    grace.stageIs(stage);
  }
  control.abort();
  return clock.waits.at(-1);
}

test('a quick process is given 1.5 s after Cancel', () => {
  assert.equal(waitAfterCancel([20, 30, 10]), 1_500);
});

test('a process whose layers take seconds is given three of them, at most 15 s', () => {
  assert.equal(waitAfterCancel([100, 2_000, 900]), 6_000);
  assert.equal(waitAfterCancel([100, 60_000]), 15_000);
});

test('a process that is writing its trace is given 15 s', () => {
  assert.equal(waitAfterCancel([20, 30], 'write'), 15_000);
});
