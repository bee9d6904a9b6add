/** Traffic of the size of a real run, played from the schedules with given rates: the same in every test. */
import sharp from 'sharp';
import { writeTrafficFile } from '../../trace/file.ts';
import { checkRun, measuredTimes, sentByKind } from '../../trace/traffic/checks.ts';
import { expectedBytes, sumByRank } from '../../trace/traffic/formulas.ts';
import type { ComputeEvent, Ledger, TransferEvent, WaitEvent } from '../../trace/traffic/ledger.ts';
import { type TrafficMetadata, type TrafficRun, trafficSchemaVersion } from '../../trace/traffic/metadata.ts';
import { costsOf, flopsOf, predict, type Rates } from '../../trace/traffic/planner.ts';
import { peakBytes } from '../../trace/traffic/residency.ts';
import { type Algorithm, type Operation, type Schedule } from '../../trace/traffic/schedule.ts';
import { buildSchedule } from '../../trace/traffic/schedules/build-schedule.ts';
import { defaultWire, type Sizes, splitEvenly } from '../../trace/traffic/sizes.ts';
import { simulate } from '../../trace/traffic/timeline.ts';
import { bytesOf } from '../../trace/writer.ts';

const answerWords =
  'ASSISTANT: Four moose , a green apple in the center and a yellow sign that says " LOVE " on a brown background .';
const asked = '⏎ Describe this picture . ⏎'.split(' ');
const tokens = [
  ...asked.map(text => ({ text: text === '⏎' ? '\n' : ` ${text}`, role: 'question' as const })),
  ...answerWords.split(' ').map(text => ({ text: ` ${text}`, role: 'generated' as const })),
];
const grid = 72;
const side = 24;
const rates: Rates = { flopsPerSecond: 1.2e9, bandwidth: 3e9, latency: 2e-5, memoryBandwidth: 4e9 };

export interface SyntheticTraffic {
  readonly ranks: number;
  readonly algorithms: readonly Algorithm[];
  /** Of so many images; 0 for seeded noise without text. */
  readonly frames: number;
  /** The last run broke off: what happened later is not in the ledger. */
  readonly brokenAfter?: number;
  /** Rank 1 counted so many bytes too many in the first run. */
  readonly surplus?: number;
}

export async function writeSyntheticTraffic(path: string, picture: string, order: SyntheticTraffic): Promise<void> {
  const { ranks, frames } = order;
  const queries = frames > 0 ? tokens.length : 64;
  const keys = grid * grid * Math.max(1, frames);
  const sizes: Sizes = {
    shape: { queryHeads: 6, keyValueHeads: 6, headSize: 64 },
    sharding: { queryRows: splitEvenly(queries, ranks), keyRows: splitEvenly(keys, ranks) },
    wire: defaultWire,
  };
  const played = order.algorithms.map((algorithm, run) => {
    const schedule = buildSchedule(algorithm, 'forward', sizes);
    const whole = play(schedule, sizes, run);
    const broken =
      order.brokenAfter !== undefined && run === order.algorithms.length - 1 ? order.brokenAfter : Infinity;
    const ledger = cut(whole, broken);
    return { ledger, run: describe(schedule, sizes, ledger, broken < Infinity, run === 0 ? (order.surplus ?? 0) : 0) };
  });
  const image = await sharp(picture).resize(168, 168, { fit: 'fill' }).webp().toBuffer();
  const pictures = Buffer.concat(Array.from({ length: frames }, () => image));
  const partial = played.find(({ run }) => run.status.state === 'partial')?.run.status;
  const metadata: TrafficMetadata = {
    kind: 'traffic',
    schema: trafficSchemaVersion,
    id: '5d0f6c1e-0000-4000-8000-000000000008',
    created: '2026-11-21T12:00:00.000Z',
    producer: { name: 'fovea', version: '0.1.0' },
    status: partial ?? { state: 'complete' },
    workload: {
      name: frames === 0 ? `${queries} queries × ${keys} keys` : frames === 1 ? 'scene-04.png' : `${frames} frames`,
      source: frames === 0 ? 'sizes' : 'images',
      description:
        frames === 0 ? 'Normal noise from seed 1' : 'Keys and values: FlexAttention’s high-resolution projections',
      ...sizes,
      element: 'F32',
      layers: 1,
      mask: 'none',
      ...(frames === 0
        ? { seed: 1 }
        : {
            tokens,
            question: 'Describe this picture.',
            answer: answerWords,
            frames: Array.from({ length: frames }, (_, index) => ({
              name: `frame ${index}`,
              width: 168,
              height: 168,
              mime: 'image/webp',
              offset: index * image.length,
              bytes: image.length,
              firstKey: index * grid * grid,
              keys: grid * grid,
              grid: { rows: grid, columns: grid },
            })),
          }),
    },
    runs: played.map(({ run }) => run),
  };
  const merged = <Key extends keyof Ledger>(key: Key): Ledger[Key] =>
    played.flatMap(({ ledger }) => ledger[key] as readonly unknown[]) as unknown as Ledger[Key];
  const ledger: Ledger = {
    transfers: merged('transfers'),
    computes: merged('computes'),
    waits: merged('waits'),
    memory: merged('memory'),
    agreement: merged('agreement'),
  };
  const seen = lookAround(frames);
  await writeTrafficFile(path, metadata, {
    ledger,
    ...(frames > 0 && {
      tensors: {
        'workload.frame_attention': { dtype: 'F32', shape: [queries, frames], data: bytesOf(seen.frames) },
        'workload.region_attention': {
          dtype: 'F32',
          shape: [queries, frames, side, side],
          data: bytesOf(seen.regions),
        },
        'workload.frames': { dtype: 'U8', shape: [pictures.length], data: new Uint8Array(pictures) },
      },
    }),
  });
}

/** Each query looks at a spot of its own. */
function lookAround(frames: number): { readonly frames: Float32Array; readonly regions: Float32Array } {
  const regions = new Float32Array(tokens.length * frames * side * side);
  const byFrame = new Float32Array(tokens.length * frames);
  tokens.forEach((_, row) => {
    const [y, x] = [(row * 5) % side, (row * 11) % side];
    const at = (frame: number, r: number, c: number): number =>
      Math.exp(-((r - y) ** 2 + (c - x) ** 2) / 12) * (frame === row % frames ? 2 : 1) + 0.02;
    let sum = 0;
    for (let frame = 0; frame < frames; frame++)
      for (let cell = 0; cell < side * side; cell++) sum += at(frame, Math.floor(cell / side), cell % side);
    for (let frame = 0; frame < frames; frame++)
      for (let cell = 0; cell < side * side; cell++) {
        const value = at(frame, Math.floor(cell / side), cell % side) / sum;
        regions[((row * frames + frame) * side * side + cell) | 0] = value;
        byFrame[row * frames + frame]! += value;
      }
  });
  return { frames: byFrame, regions };
}

const nanoseconds = (seconds: number): number => Math.round(seconds * 1e9);

function play(schedule: Schedule, sizes: Sizes, run: number): Ledger {
  const transfers: TransferEvent[] = [];
  const computes: ComputeEvent[] = [];
  const waits: WaitEvent[] = [];
  const shared = { run, layer: 0, pass: schedule.pass };
  const memory = schedule.programs.map(program => ({
    run,
    rank: program.rank,
    time: 1000,
    ...peakBytes(program, sizes, false).held,
  }));
  for (const { rank, ...timeline } of simulate(schedule.programs, costsOf(schedule.programs, sizes, rates))) {
    for (const { operation, interval } of timeline.computes) {
      const [started, ended] = interval.map(nanoseconds) as [number, number];
      const attends = operation.op === 'attend';
      computes.push({
        ...shared,
        round: operation.round,
        rank,
        kind: attends ? 'attention' : operation.op === 'assemble' ? 'assemble' : 'merge',
        owner: attends ? one(operation.queries) : 'owner' in operation ? operation.owner : -1,
        keyOwner: attends ? one(operation.keys) : -1,
        flops: flopsOf(operation, sizes),
        rowsVisible: 1,
        skipped: false,
        started,
        ended,
      });
    }
    for (const { exchange, posted, interval } of timeline.exchanges) {
      const whole = exchange.sends.reduce((sum, { bytes }) => sum + bytes, 0);
      let at = interval[0];
      for (const { kind, owner, source, destination, bytes, hop, home } of exchange.sends) {
        const end = at + ((interval[1] - interval[0]) * bytes) / whole;
        const message = { kind, owner, source, destination, bytes, hop, home };
        const times = { posted: nanoseconds(posted), started: nanoseconds(at), ended: nanoseconds(end) };
        transfers.push({ ...shared, round: exchange.round, ...message, ...times });
        at = end;
      }
    }
    const exchanges = timeline.exchanges.map(({ exchange }) => exchange);
    for (const { exchange, interval } of timeline.waits) {
      const awaited = exchanges[exchange]!;
      const first = awaited.receives[0] ?? awaited.sends[0]!;
      const [started, ended] = interval.map(nanoseconds) as [number, number];
      waits.push({ run, round: awaited.round, rank, kind: first.kind, owner: first.owner, started, ended });
    }
  }
  const agreement = schedule.programs.map(({ rank }) => {
    const differences = { maxAbs: 2.4e-7, relL2: 3e-7 * (1 + rank / 10), cosine: 1, lseMaxAbs: NaN };
    return { run, rank, owner: rank, round: -1, kind: 'O' as const, ...differences, notFinite: 0, maskedNonZero: 0 };
  });
  return { transfers, computes, waits, memory, agreement };
}

const one = (owners: Extract<Operation, { op: 'attend' }>['queries']): number =>
  owners.length === 1 ? owners[0]! : -1;

/** What a run that broke off at this time, in nanoseconds, has left. */
function cut(ledger: Ledger, at: number): Ledger {
  if (at === Infinity) return ledger;
  const before = <Event extends { readonly started: number }>(events: readonly Event[]): Event[] =>
    events.filter(({ started }) => started < at);
  return {
    ...ledger,
    transfers: before(ledger.transfers).map(event => (event.ended > at ? { ...event, ended: NaN } : event)),
    computes: before(ledger.computes).filter(({ ended }) => ended <= at),
    waits: before(ledger.waits).filter(({ ended }) => ended <= at),
    agreement: [],
  };
}

function describe(schedule: Schedule, sizes: Sizes, ledger: Ledger, partial: boolean, surplus: number): TrafficRun {
  const { algorithm, pass, ranks } = schedule;
  const expected = sumByRank(expectedBytes(algorithm, pass, sizes), ranks);
  const sentByRank = sentByKind(ledger.transfers, ranks);
  const sent = Array.from(
    { length: ranks },
    (_, rank) =>
      Object.values(sentByRank).reduce((sum, perRank) => sum + perRank[rank]!, 0) + (rank === 1 ? surplus : 0),
  );
  const agreement = { maxAbs: 2.4e-7, relL2: 3e-7, cosine: 1, tolerance: 1e-5, reference: 'float64 on one device' };
  const cause = {
    code: 'rank-lost',
    message: 'Rank 2 ended without a word.',
    hint: 'Look into the log, then run again.',
    rank: 2,
  };
  return {
    algorithm,
    pass,
    wire: sizes.wire,
    rounds: schedule.rounds,
    status: partial ? { state: 'partial', cause } : { state: 'complete' },
    backend: {
      name: 'played',
      versions: {},
      hardware: 'no hardware',
      hosts: 1,
      devices: Array.from({ length: ranks }, () => 'none'),
      kernel: 'none',
    },
    links: { simulated: true, latency: 2e-5, bandwidth: 3e9, description: 'simulated: 3 GB/s, 20 µs' },
    clock: { source: 'one clock', errorNs: 0 },
    ...(!partial && { times: measuredTimes(ledger, ranks), agreement }),
    repeats: { warmups: 0, totals: [] },
    predicted: predict(algorithm, pass, sizes, rates),
    bytes: { sentPerRank: sent, sentByKind: sentByRank, expectedPerRank: expected },
    memory: { peakPerRank: expected, method: 'counted from sizes' },
    checks: partial ? [] : checkRun(schedule, ledger, undefined),
  };
}
