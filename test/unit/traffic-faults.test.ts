/** What goes wrong on one rank ends the whole run at its next step, says which rank, and leaves no thread behind. No clock decides. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { noiseInputs } from '../../native/traffic/noise.ts';
import type { RankMessage, RankSetup } from '../../native/traffic/protocol.ts';
import { type EmbeddedOutcome, type EmbeddedRequest, runEmbedded } from '../../native/traffic/run-embedded.ts';
import { runTraffic } from '../../native/traffic/run-traffic.ts';
import type { ThreadStarter } from '../../native/traffic/threads.ts';
import { sizesWorkload } from '../../native/traffic/workload.ts';
import { buildSchedule } from '../../trace/traffic/schedules/build-schedule.ts';
import { defaultWire, type Sizes } from '../../trace/traffic/sizes.ts';
import { validateTrafficMetadata } from '../../trace/traffic/validation.ts';
import { bundledThreads } from '../fixtures/traffic-threads.ts';

const start = await bundledThreads('traffic-faults');
const threads: Worker[] = [];

const sizes: Sizes = {
  shape: { queryHeads: 4, keyValueHeads: 2, headSize: 16 },
  sharding: { queryRows: [3, 3, 3, 3], keyRows: [40, 40, 40, 40] },
  wire: defaultWire,
};

/** Starts threads as usual but for one rank. */
const except =
  (rank: number, other: (setup: RankSetup, usual: () => Worker) => Worker): ThreadStarter =>
  (setup, transfer) => {
    const usual = (): Worker => start(setup, transfer);
    const thread = setup.role === 'rank' && setup.rank === rank ? other(setup, usual) : usual();
    threads.push(thread);
    return thread;
  };

/**
 * Eleven days a message: no run over it comes to an end by itself, and no rank past what it can do without messages. What
 * ends nevertheless was ended, and not waited out, however slow the machine is.
 */
const endless = { latency: 1e6, bandwidth: 1e9 };

interface Ended {
  readonly outcome: EmbeddedOutcome;
}

async function runFailing(change: Partial<EmbeddedRequest>): Promise<Ended> {
  threads.length = 0;
  const schedule = buildSchedule('lv-xattn', 'forward', sizes);
  const outcome = await runEmbedded({ schedule, inputs: noiseInputs(sizes, 'forward', 1), repeats: 1, ...change });
  for (const thread of threads) assert.equal(thread.threadId, -1, 'a thread is left');
  return { outcome };
}

function causeOf({ outcome: { status } }: Ended): { code: string; message: string; hint: string; rank?: number } {
  assert.equal(status.state, 'partial');
  return status.cause;
}

/**
 * Runs over endless links until ranks 0 and 2 have computed, then does `then`.
 * @returns besides the outcome the ranks that saw by themselves that the run was over, before anybody ended their threads
 */
async function runUntilComputed(
  then: (rankTwo: Worker) => void,
  change: Partial<EmbeddedRequest> = {},
): Promise<Ended & { readonly sawTheEnd: ReadonlySet<number> }> {
  const computed = new Set<number>();
  const sawTheEnd = new Set<number>();
  let rankTwo: Worker | undefined;
  const ended = await runFailing({
    ...change,
    link: endless,
    start: (setup, transfer) => {
      const thread = start(setup, transfer);
      threads.push(thread);
      if (setup.role !== 'rank') return thread;
      if (setup.rank === 2) rankTwo = thread;
      thread.on('message', (message: RankMessage) => {
        if (message.type === 'interrupted') sawTheEnd.add(setup.rank);
        if (message.type !== 'events' || message.events.computes.length === 0) return;
        const before = computed.has(0) && computed.has(2);
        computed.add(setup.rank);
        if (!before && computed.has(0) && computed.has(2)) then(rankTwo!);
      });
      return thread;
    },
  });
  return { ...ended, sawTheEnd };
}

/** After what ended it, a run does nothing: no message arrived, and no rank went beyond its own block. */
function assertNothingAfter({ outcome: { ledger } }: Ended): void {
  assert.ok(ledger.transfers.length > 0);
  for (const { ended, round } of ledger.transfers) assert.deepEqual([ended, round], [NaN, 0]);
  for (const { round, owner, rank } of ledger.computes) assert.deepEqual([round, owner], [0, rank]);
}

test('a rank that is killed in mid-run: named, and what all ranks did until then is kept', async () => {
  const ended = await runUntilComputed(rankTwo => void rankTwo.terminate());
  const { code, message, rank, hint } = causeOf(ended);
  assert.deepEqual({ code, rank }, { code: 'rank-failed', rank: 2 });
  assert.match(message, /Rank 2 ended in the middle of the run/);
  assert.notEqual(hint, '');
  const { computes } = ended.outcome.ledger;
  assert.ok(computes.some(({ rank: of }) => of === 0) && computes.some(({ rank: of }) => of === 2));
  assertNothingAfter(ended);
  assert.deepEqual([...ended.sawTheEnd].toSorted(), [0, 1, 3], 'the others stopped by themselves');
});

test('a rank that never starts is given up', async () => {
  const ended = await runFailing({
    // Runs out when the links and all other ranks have reported, and only then.
    patience: over => {
      let reports = 0;
      return {
        refresh: () => {
          if (++reports === 4) over();
        },
        end: () => undefined,
      };
    },
    start: except(1, () => new Worker('setInterval(() => undefined, 1000);', { eval: true })),
  });
  assert.deepEqual(causeOf(ended).code, 'rank-failed');
  assert.match(causeOf(ended).message, /no sign of rank 1\./);
  assert.equal(causeOf(ended).rank, 1);
});

test('a rank whose thread cannot even load', async () => {
  const broken = except(0, () => new Worker('throw new Error("no such module");', { eval: true }));
  const cause = causeOf(await runFailing({ start: broken }));
  assert.deepEqual({ code: cause.code, rank: cause.rank }, { code: 'rank-failed', rank: 0 });
  assert.match(cause.message, /Rank 0 failed: no such module/);
});

test('a rank that was given other sizes than its neighbours: the first message that does not fit is named', async () => {
  const other = buildSchedule('lv-xattn', 'forward', {
    ...sizes,
    sharding: { ...sizes.sharding, queryRows: [3, 3, 3, 2] },
  });
  const ended = await runFailing({
    start: (setup, transfer) => {
      const wrong = setup.role === 'rank' && setup.rank === 3;
      const changed = wrong
        ? {
            ...setup,
            program: other.programs[3]!,
            sizes: { ...sizes, sharding: other.sharding },
            inputs: { ...setup.inputs, Q: setup.inputs.Q.slice(0, 4 * 2 * 16) },
          }
        : setup;
      const thread = start(changed, wrong ? transfer.filter(item => item !== setup.inputs.Q.buffer) : transfer);
      threads.push(thread);
      return thread;
    },
  });
  const { code, message } = causeOf(ended);
  assert.equal(code, 'shape-mismatch');
  assert.match(message, /was to send \d+ bytes of Q of rank \d and sent \d+ bytes/);
});

test('a rank that ends without sending what another waits for is no endless wait', async () => {
  const { programs } = buildSchedule('lv-xattn', 'forward', sizes);
  const ended = await runFailing({
    start: (setup, transfer) => {
      const silent = setup.role === 'rank' && setup.rank === 3;
      const thread = start(silent ? { ...setup, program: { ...programs[3]!, operations: [] } } : setup, transfer);
      threads.push(thread);
      return thread;
    },
  });
  assert.equal(causeOf(ended).code, 'shape-mismatch');
  assert.match(causeOf(ended).message, /Rank 3 has ended without sending/);
});

test('memory that runs out on one rank is told as that', async () => {
  const ended = await runFailing({
    start: (setup, transfer) => {
      const large = setup.role === 'rank' && setup.rank === 1;
      const rows = [2 ** 44, 3, 3, 3];
      const thread = start(
        large ? { ...setup, sizes: { ...sizes, sharding: { ...sizes.sharding, queryRows: rows } } } : setup,
        transfer,
      );
      threads.push(thread);
      return thread;
    },
  });
  const { code, rank, message } = causeOf(ended);
  assert.deepEqual({ code, rank }, { code: 'out-of-memory', rank: 1 }, message);
});

test('cancelling ends the run at the next step', async () => {
  const abort = new AbortController();
  const ended = await runUntilComputed(
    () => {
      abort.abort();
    },
    { signal: abort.signal },
  );
  assert.equal(causeOf(ended).code, 'cancelled');
  assertNothingAfter(ended);
  assert.deepEqual([...ended.sawTheEnd].toSorted(), [0, 1, 2, 3], 'all stopped by themselves');
});

test('cancelled between two algorithms, the first one is kept, with why there is no second', async () => {
  const { shape, sharding, wire } = sizes;
  const abort = new AbortController();
  const { metadata, content } = await runTraffic({
    workload: sizesWorkload(shape, sharding, 'F32', 1),
    choices: (['lv-xattn', 'ring'] as const).map(algorithm => ({ algorithm, repeatKeyValueHeads: false })),
    pass: 'forward',
    wire,
    link: undefined,
    repeats: 1,
    signal: abort.signal,
    progress: ({ doing, done }) => {
      if (doing === 'reference' && done === 1) abort.abort();
    },
    start,
  });
  assert.deepEqual(
    metadata.runs.map(run => [run.algorithm, run.status.state]),
    [['lv-xattn', 'complete']],
  );
  assert.equal(metadata.status.state === 'partial' && metadata.status.cause.code, 'cancelled');
  assert.ok(content.ledger.transfers.length > 0);
  validateTrafficMetadata(JSON.parse(JSON.stringify(metadata)));
});
