/** Schedules as data: bytes against published vectors and against the formulas, hops, ownership, and refusals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrafficError } from '../../trace/traffic/errors.ts';
import { expectedBytes, sumByRank } from '../../trace/traffic/formulas.ts';
import { rowTotal } from '../../trace/traffic/metadata.ts';
import {
  type Algorithm,
  algorithms,
  type Exchange,
  type Pass,
  passes,
  type RankProgram,
  type Schedule,
  type TensorKind,
  type WireOptions,
} from '../../trace/traffic/schedule.ts';
import { buildSchedule, hasPass } from '../../trace/traffic/schedules/build-schedule.ts';
import { defaultWire, type Sizes, splitEvenly } from '../../trace/traffic/sizes.ts';

const half: WireOptions = { ...defaultWire, element: 'F16' };

function evenSizes(
  ranks: number,
  [queryHeads, keyValueHeads, headSize]: readonly [number, number, number],
  queries: number,
  keys: number,
  wire = half,
): Sizes {
  return {
    shape: { queryHeads, keyValueHeads, headSize },
    sharding: { queryRows: splitEvenly(queries, ranks), keyRows: splitEvenly(keys, ranks) },
    wire,
  };
}

const exchangesOf = ({ operations }: RankProgram): Exchange[] =>
  operations.filter(operation => operation.op === 'exchange');

function sentBytes({ programs }: Schedule): number[] {
  return programs.map(program =>
    exchangesOf(program)
      .flatMap(({ sends }) => sends)
      .reduce((sum, { bytes }) => sum + bytes, 0),
  );
}

function sentByKind({ programs }: Schedule, kind: TensorKind): number[] {
  return programs.map(program =>
    exchangesOf(program)
      .flatMap(({ sends }) => sends)
      .reduce((sum, transfer) => sum + (transfer.kind === kind ? transfer.bytes : 0), 0),
  );
}

interface Vector {
  readonly ranks: number;
  readonly shape: readonly [heads: number, keyValueHeads: number, headSize: number];
  readonly queries: number;
  readonly keys: number;
  readonly queryHop: number;
  readonly statisticsHop: number;
  readonly lv: readonly [forward: number, backward: number];
  readonly ringRepeated: number;
  readonly ring: number;
  readonly ringBackward: number;
  readonly ulysses: number;
}

/**
 * Bytes sent per rank, one layer, 2 bytes an element; worked out by hand from the official code's messages (the second
 * row is its own test, the last one the first row of the paper's table 3), not with this project's formulas.
 */
const vectors: readonly Vector[] = [
  {
    ranks: 2,
    shape: [8, 8, 64],
    queries: 512,
    keys: 8192,
    queryHop: 262144,
    statisticsHop: 8192,
    lv: [802816, 1318912],
    ringRepeated: 8388608,
    ring: 8388608,
    ringBackward: 25165824,
    ulysses: 4456448,
  },
  {
    ranks: 4,
    shape: [16, 16, 128],
    queries: 1024,
    keys: 4096,
    queryHop: 1048576,
    statisticsHop: 16384,
    lv: [7405568, 13680640],
    ringRepeated: 25165824,
    ring: 25165824,
    ringBackward: 58720256,
    ulysses: 7864320,
  },
  {
    ranks: 4,
    shape: [32, 8, 128],
    queries: 256,
    keys: 307392,
    queryHop: 524288,
    statisticsHop: 8192,
    lv: [3702784, 6864896],
    ringRepeated: 3777232896,
    ring: 944308224,
    ringBackward: 8813543424,
    ulysses: 236863488,
  },
  {
    ranks: 8,
    shape: [8, 8, 64],
    queries: 8192,
    keys: 524288,
    queryHop: 1048576,
    statisticsHop: 32768,
    lv: [15990784, 30638080],
    ringRepeated: 939524096,
    ring: 939524096,
    ringBackward: 2013265920,
    ulysses: 119275520,
  },
  {
    ranks: 16,
    shape: [32, 8, 128],
    queries: 2048,
    keys: 2459136,
    queryHop: 1048576,
    statisticsHop: 16384,
    lv: [32768000, 64208896],
    ringRepeated: 37772328960,
    ring: 9443082240,
    ringBackward: 78062813184,
    ulysses: 592158720,
  },
];

for (const vector of vectors) {
  const { ranks, shape, queries, keys } = vector;
  test(`bytes per rank for ${ranks} ranks, heads ${shape.join('/')}, ${queries} queries, ${keys} keys`, () => {
    const sizes = evenSizes(ranks, shape, queries, keys);
    const repeated = { ...sizes, wire: { ...half, repeatKeyValueHeads: true } };
    const everyRank = (bytes: number): number[] => Array.from({ length: ranks }, () => bytes);
    const check = (algorithm: Algorithm, pass: Pass, of: Sizes, bytes: number): void => {
      assert.deepEqual(sentBytes(buildSchedule(algorithm, pass, of)), everyRank(bytes), `${algorithm} ${pass}`);
      assert.deepEqual(
        sumByRank(expectedBytes(algorithm, pass, of), ranks),
        everyRank(bytes),
        `${algorithm} ${pass} formula`,
      );
    };
    const lv = buildSchedule('lv-xattn', 'forward', sizes);
    const hop = exchangesOf(lv.programs[0]!).flatMap(({ sends }) => sends);
    assert.equal(hop.find(({ kind }) => kind === 'Q')?.bytes, vector.queryHop);
    assert.equal(hop.find(({ kind }) => kind === 'L')?.bytes, vector.statisticsHop);
    check('lv-xattn', 'forward', sizes, vector.lv[0]);
    check('lv-xattn', 'backward', sizes, vector.lv[1]);
    check('ring', 'forward', repeated, vector.ringRepeated);
    check('ring', 'forward', sizes, vector.ring);
    check('ring', 'backward', repeated, vector.ringBackward);
    // With 8 key-value heads on 16 ranks whole heads have to go to two ranks each, which costs more than is quoted.
    if (shape[1] % ranks === 0) check('ulysses', 'forward', sizes, vector.ulysses);
  });
}

test('uneven shards: LV-XAttn moves Q n - 1 times, O and L n times; every rank sends what the formula says', () => {
  const sizes: Sizes = {
    shape: { queryHeads: 6, keyValueHeads: 2, headSize: 16 },
    sharding: { queryRows: [7, 0, 12, 3, 5], keyRows: [100, 41, 0, 77, 13] },
    wire: half,
  };
  const schedule = buildSchedule('lv-xattn', 'forward', sizes);
  const whole = 27 * 6 * 16 * 2;
  assert.equal(rowTotal(sentByKind(schedule, 'Q')), 4 * whole);
  assert.equal(rowTotal(sentByKind(schedule, 'O')), 5 * whole);
  assert.equal(rowTotal(sentByKind(schedule, 'L')), 5 * 27 * 6 * 4);
  assert.equal(sentByKind(schedule, 'Q')[1], (27 - 12) * 6 * 16 * 2, 'all but the block it sees last');
  const ring = buildSchedule('ring', 'forward', sizes);
  assert.equal(sentByKind(ring, 'K')[4]! + sentByKind(ring, 'V')[4]!, 2 * 2 * 2 * 16 * (231 - 100));
});

const wires: readonly WireOptions[] = [
  half,
  { ...half, output: 'float32', gradient: 'float32', backward: 'delta' },
  { ...defaultWire, element: 'BF16', repeatKeyValueHeads: true },
];

for (const algorithm of algorithms) {
  for (const pass of passes.filter(pass => hasPass(algorithm, pass))) {
    test(`${algorithm} ${pass}: schedule and formula agree per rank and kind; every send is received in the same exchange`, () => {
      for (const wire of wires) {
        if (wire.repeatKeyValueHeads && !['ring', 'all-gather'].includes(algorithm)) continue;
        for (const ranks of [1, 2, 3, 4, 6]) {
          const sizes: Sizes = {
            shape: { queryHeads: 12, keyValueHeads: algorithm === 'ulysses' && ranks === 4 ? 2 : 12, headSize: 8 },
            sharding: {
              queryRows: Array.from({ length: ranks }, (_, rank) => (4 + rank * 7) % 5),
              keyRows: Array.from({ length: ranks }, (_, rank) => 3 + ((rank * 11) % 7)),
            },
            wire,
          };
          const schedule = buildSchedule(algorithm, pass, sizes);
          const expected = expectedBytes(algorithm, pass, sizes);
          for (const kind of Object.keys(expected) as TensorKind[]) {
            assert.deepEqual(sentByKind(schedule, kind), expected[kind], `${kind}, ${ranks} ranks`);
          }
          assert.deepEqual(sentBytes(schedule), sumByRank(expected, ranks));
          matchMessages(schedule);
        }
      }
    });
  }
}

/** Per pair of ranks and exchange number, both ends list the same messages in the same order. */
function matchMessages({ programs, ranks }: Schedule): void {
  for (const program of programs) {
    for (const { exchange, sends } of exchangesOf(program)) {
      for (let other = 0; other < ranks; other++) {
        const sent = sends.filter(({ destination }) => destination === other);
        const received = exchangesOf(programs[other]!)
          .flatMap(candidate => (candidate.exchange === exchange ? candidate.receives : []))
          .filter(({ source }) => source === program.rank);
        assert.deepEqual(received, sent, `exchange ${exchange}, rank ${program.rank} to ${other}`);
        assert.ok(sent.length === 0 || other !== program.rank, 'no rank sends to itself');
      }
    }
  }
}

test('query block b visits ranks b, b + 1 ... b + n - 1, is attended once on each, and its output comes home', () => {
  for (const ranks of [1, 2, 3, 5, 8]) {
    const { programs } = buildSchedule('lv-xattn', 'forward', evenSizes(ranks, [2, 1, 4], 2 * ranks, 3 * ranks));
    for (let block = 0; block < ranks; block++) {
      const visited = Array.from({ length: ranks }, (_, round) =>
        programs.findIndex(({ operations }) =>
          operations.some(step => step.op === 'attend' && step.round === round && step.queries[0] === block),
        ),
      );
      assert.deepEqual(
        visited,
        Array.from({ length: ranks }, (_, step) => (block + step) % ranks),
      );
      const outputs = programs
        .flatMap(exchangesOf)
        .flatMap(({ sends }) => sends)
        .filter(({ kind, owner }) => kind === 'O' && owner === block)
        .toSorted((a, b) => a.hop - b.hop);
      assert.equal(outputs.length, ranks === 1 ? 0 : ranks);
      outputs.forEach(({ source, home }, hop) => {
        assert.equal(source, (block + hop) % ranks);
        assert.equal(home, hop === ranks - 1);
      });
    }
  }
});

const refusals: [string, TrafficError['code'], RegExp, () => unknown][] = [
  [
    'Ulysses with more ranks than it can split heads over',
    'heads',
    /8 query heads cannot be split over 3 ranks/,
    () => buildSchedule('ulysses', 'forward', evenSizes(3, [8, 8, 4], 9, 9)),
  ],
  [
    'Ulysses with key-value heads that fit neither way',
    'heads',
    /6 key-value heads can be neither/,
    () => buildSchedule('ulysses', 'forward', evenSizes(4, [12, 6, 4], 9, 9)),
  ],
  [
    'a backward pass that nobody published',
    'pass',
    /without a backward pass/,
    () => buildSchedule('pass-q', 'backward', evenSizes(2, [8, 8, 4], 9, 9)),
  ],
  [
    'heads that do not share evenly',
    'sizes',
    /8 query heads cannot share 3/,
    () => buildSchedule('ring', 'forward', evenSizes(2, [8, 3, 4], 9, 9)),
  ],
  [
    'no keys at all',
    'sizes',
    /no queries or no keys/,
    () => buildSchedule('ring', 'forward', evenSizes(2, [8, 8, 4], 9, 0)),
  ],
  [
    'rows that are no number',
    'sizes',
    /NaN rows/,
    () => buildSchedule('ring', 'forward', evenSizes(2, [8, 8, 4], NaN, 5)),
  ],
];

for (const [what, code, words, attempt] of refusals) {
  test(`refuses ${what}`, () => {
    assert.throws(
      attempt,
      error => error instanceof TrafficError && error.code === code && words.test(error.message) && error.hint !== '',
    );
  });
}
