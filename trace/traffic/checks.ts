/** Assertions on a finished run: its ledger against formulas, schedule, ownership order, overlap and agreement. */
import { expectedBytes, sumByRank } from './formulas.ts';
import { type Interval, overlapLength, totalLength } from './intervals.ts';
import type { AgreementEvent, ComputeEvent, Ledger, TransferEvent } from './ledger.ts';
import type { RunAgreement, RunCheck, RunTimes } from './metadata.ts';
import { type ElementType, type Schedule, type TensorKind, tensorKinds } from './schedule.ts';

export function sentByKind(transfers: readonly TransferEvent[], ranks: number): Partial<Record<TensorKind, number[]>> {
  const byKind: Partial<Record<TensorKind, number[]>> = {};
  for (const kind of tensorKinds) {
    const sent = Array.from({ length: ranks }, () => 0);
    for (const transfer of transfers) if (transfer.kind === kind) sent[transfer.source]! += transfer.bytes;
    if (sent.some(bytes => bytes > 0)) byKind[kind] = sent;
  }
  return byKind;
}

/** Nanoseconds of the ledger as seconds per rank. Transfers that did not end are left out. */
export function measuredTimes({ computes, transfers, waits }: Ledger, ranks: number): RunTimes {
  const perRank = (intervals: (rank: number) => Interval[]): Interval[][] =>
    Array.from({ length: ranks }, (_, rank) => intervals(rank));
  const computing = perRank(rank => spans(computes.filter(event => event.rank === rank)));
  const sending = perRank(rank =>
    spans(transfers.filter(({ source, destination }) => source === rank || destination === rank)),
  );
  const stalled = perRank(rank => spans(waits.filter(event => event.rank === rank)));
  const seconds = (length: number): number => length / 1e9;
  return {
    // There are more events than a call takes arguments.
    total: seconds([...computing, ...sending, ...stalled].flat().reduce((latest, [, end]) => Math.max(latest, end), 0)),
    compute: computing.map(rank => seconds(totalLength(rank))),
    communication: sending.map(rank => seconds(totalLength(rank))),
    exposed: sending.map((rank, index) => seconds(totalLength(rank) - overlapLength(rank, computing[index]!))),
    stall: stalled.map(rank => seconds(totalLength(rank))),
  };
}

function spans(events: readonly { readonly started: number; readonly ended: number }[]): Interval[] {
  return events
    .filter(({ started, ended }) => Number.isFinite(started) && Number.isFinite(ended))
    .map(({ started, ended }): Interval => [started, ended]);
}

/** @param ledger of this run alone */
export function checkRun(schedule: Schedule, ledger: Ledger, agreement: RunAgreement | undefined): RunCheck[] {
  return [
    checkBytes(schedule, ledger.transfers),
    checkMessages(schedule, ledger.transfers),
    checkOwnership(schedule, ledger),
    checkOverlap(schedule, ledger),
    ...(agreement ? [checkAgreement(agreement, ledger.agreement), ...checkPrefixes(agreement, ledger.agreement)] : []),
  ];
}

function verdict(name: string, problems: readonly string[], fine: string): RunCheck {
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return { name, passed: problems.length === 0, message: problems.length === 0 ? fine : problems[0]! + more };
}

/** Sent bytes, per rank and kind, are what the formulas say. */
function checkBytes(schedule: Schedule, transfers: readonly TransferEvent[]): RunCheck {
  const { algorithm, pass, ranks } = schedule;
  const expected = expectedBytes(algorithm, pass, schedule);
  const found = sentByKind(transfers, ranks);
  const problems = tensorKinds.flatMap(kind =>
    Array.from({ length: ranks }, (_, rank) => {
      const [sent, formula] = [found[kind]?.[rank] ?? 0, expected[kind]?.[rank] ?? 0];
      return sent === formula ? '' : `Rank ${rank} sent ${sent} bytes of ${kind}; the formula says ${formula}.`;
    }).filter(problem => problem !== ''),
  );
  const total = sumByRank(expected, ranks).reduce((sum, bytes) => sum + bytes, 0);
  return verdict('bytes', problems, `${total} bytes sent by ${ranks} ranks, by kind and rank as the formulas say.`);
}

/** Every message of the schedule was delivered once, and no other. */
function checkMessages(schedule: Schedule, transfers: readonly TransferEvent[]): RunCheck {
  const key = (message: Pick<TransferEvent, 'kind' | 'owner' | 'source' | 'destination' | 'hop' | 'bytes'>): string =>
    `${message.kind} of rank ${message.owner} from ${message.source} to ${message.destination}, hop ${message.hop}, ${message.bytes} bytes`;
  const open = new Map<string, number>();
  for (const { operations } of schedule.programs) {
    for (const operation of operations) {
      if (operation.op !== 'exchange') continue;
      for (const send of operation.sends) open.set(key(send), (open.get(key(send)) ?? 0) + 1);
    }
  }
  const problems: string[] = [];
  for (const transfer of transfers) {
    const left = open.get(key(transfer)) ?? 0;
    if (left === 0) problems.push(`Not in the schedule: ${key(transfer)}.`);
    else open.set(key(transfer), left - 1);
    if (!Number.isFinite(transfer.ended)) problems.push(`Not delivered: ${key(transfer)}.`);
  }
  for (const [message, left] of open) if (left > 0) problems.push(`Never sent: ${message}.`);
  return verdict('messages', problems, `${transfers.length} messages, each as scheduled.`);
}

/** Rank r works in round t on the block, or on the shard, that rank r - t owns; what travelled comes home at last. */
function checkOwnership({ algorithm, ranks }: Schedule, { computes, transfers }: Ledger): RunCheck {
  const work = computes.filter(({ kind }) => kind === 'attention' || kind === 'gradient');
  const problems: string[] = [];
  const blockOf = (event: ComputeEvent): number => (algorithm === 'ring' ? event.keyOwner : event.owner);
  if (['lv-xattn', 'ring', 'pass-q'].includes(algorithm)) {
    const seen = new Set<string>();
    for (const event of work) {
      const owner = (((event.rank - event.round) % ranks) + ranks) % ranks;
      if (blockOf(event) !== owner) {
        problems.push(
          `Rank ${event.rank} worked in round ${event.round} on block ${blockOf(event)} instead of ${owner}.`,
        );
      }
      seen.add(`${event.rank} ${blockOf(event)}`);
    }
    if (seen.size !== ranks * ranks) problems.push(`${seen.size} of ${ranks * ranks} blocks were worked on.`);
  } else if (new Set(work.map(({ rank }) => rank)).size !== ranks) {
    problems.push('Not every rank computed attention.');
  }
  for (const { kind, owner, destination, home } of transfers) {
    if (home && owner !== destination) problems.push(`${kind} of rank ${owner} came home to rank ${destination}.`);
  }
  return verdict('ownership', problems, `${work.length} blocks, each on its rank in its round.`);
}

/** A lane does one thing at a time, and compute, stall and communication outside compute fit into the run. */
function checkOverlap({ ranks }: Schedule, ledger: Ledger): RunCheck {
  const problems: string[] = [];
  const { total, compute, communication, exposed } = measuredTimes(ledger, ranks);
  for (let rank = 0; rank < ranks; rank++) {
    const computing = spans(ledger.computes.filter(event => event.rank === rank));
    const waiting = spans(ledger.waits.filter(event => event.rank === rank));
    const sum = computing.reduce((length, [start, end]) => length + end - start, 0);
    if (Math.abs(sum - totalLength(computing)) > 1) problems.push(`Rank ${rank} computed two things at once.`);
    if (overlapLength(computing, waiting) > 1) problems.push(`Rank ${rank} computed while it was waiting.`);
    if (exposed[rank]! > communication[rank]! + 1e-9 || exposed[rank]! > total - compute[rank]! + 1e-9) {
      problems.push(`Rank ${rank} has more exposed communication than time without compute.`);
    }
  }
  return verdict('overlap', problems, 'Compute, stall and exposed communication of every rank fit together.');
}

/** Largest relative difference that rounding explains: inputs, wire and accumulation of this element type. */
export const agreementTolerance: Readonly<Record<ElementType, number>> = { F32: 1e-5, F16: 5e-3, BF16: 3e-2 };
const leastCosine = 0.999;

/** The worst of the final comparisons. */
export function summarizeAgreement(
  events: readonly AgreementEvent[],
  tolerance: number,
  reference: string,
): RunAgreement | undefined {
  const final = events.filter(({ round }) => round === -1);
  if (final.length === 0) return undefined;
  return {
    maxAbs: Math.max(...final.map(({ maxAbs }) => maxAbs)),
    relL2: Math.max(...final.map(({ relL2 }) => relL2)),
    cosine: Math.min(...final.map(({ cosine }) => cosine)),
    tolerance,
    reference,
  };
}

function checkAgreement(
  { maxAbs, relL2, cosine, tolerance }: RunAgreement,
  events: readonly AgreementEvent[],
): RunCheck {
  const problems = disagreements(
    events.filter(({ round }) => round === -1),
    tolerance,
  );
  if (cosine < leastCosine) problems.push(`The results point elsewhere: cosine ${cosine.toFixed(6)}.`);
  const fine = `Like one device: at most ${maxAbs.toExponential(1)} apart, relative ${relL2.toExponential(1)} (allowed ${Number(tolerance.toPrecision(2))}).`;
  return verdict('agreement', problems, fine);
}

function checkPrefixes({ tolerance }: RunAgreement, events: readonly AgreementEvent[]): RunCheck[] {
  const rounds = events.filter(({ round }) => round >= 0);
  if (rounds.length === 0) return [];
  const worst = Math.max(...rounds.map(({ relL2 }) => relL2));
  const fine = `After each of ${rounds.length} merges the block is attention over the shards met so far, relative difference ${worst.toExponential(1)} at most.`;
  return [verdict('prefix', disagreements(rounds, tolerance), fine)];
}

function disagreements(events: readonly AgreementEvent[], tolerance: number): string[] {
  return events.flatMap(({ kind, rank, owner, round, relL2, notFinite, maskedNonZero }) => {
    const what = `${kind} of block ${owner} on rank ${rank}${round < 0 ? '' : ` after round ${round}`}`;
    if (notFinite > 0) return [`${what} has ${notFinite} values that are no numbers.`];
    if (maskedNonZero > 0) return [`${what} has ${maskedNonZero} values in rows that see no key.`];
    if (!(relL2 <= tolerance))
      return [`${what} misses by ${relL2.toExponential(1)}, allowed ${Number(tolerance.toPrecision(2))}.`];
    return [];
  });
}
