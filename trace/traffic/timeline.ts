/**
 * When everything happens if operations take given times: per rank one compute stream and one communication stream,
 * first in, first out. An exchange starts when it was posted, the one before it has ended, and all partners are as far.
 */
import type { Interval } from './intervals.ts';
import { overlapLength, totalLength } from './intervals.ts';
import type { Exchange, Operation, RankProgram } from './schedule.ts';

export type ComputeOperation = Exclude<Operation, { readonly op: 'exchange' | 'wait' }>;

/** Seconds, or any other unit of time. */
export interface Costs {
  compute(operation: ComputeOperation, rank: number): number;
  exchange(exchange: Exchange, rank: number): number;
}

export interface TimelineOptions {
  /** False: every exchange is waited for when it is posted, as with the official code's `no_overlap`. */
  readonly overlap?: boolean;
  /** False: nothing is sent, as with its `nocomm`. */
  readonly communicate?: boolean;
}

export interface TimedCompute {
  readonly operation: ComputeOperation;
  readonly interval: Interval;
}

export interface TimedExchange {
  readonly exchange: Exchange;
  readonly posted: number;
  readonly interval: Interval;
}

export interface RankTimeline {
  readonly rank: number;
  readonly end: number;
  readonly computes: readonly TimedCompute[];
  readonly exchanges: readonly TimedExchange[];
  readonly waits: readonly { readonly exchange: number; readonly interval: Interval }[];
}

interface RankState {
  readonly program: RankProgram;
  next: number;
  now: number;
  readonly computes: TimedCompute[];
  readonly posted: { readonly exchange: Exchange; readonly posted: number }[];
  readonly exchanges: TimedExchange[];
  readonly waits: { exchange: number; interval: Interval }[];
}

/**
 * @param programs of all ranks; or of one alone, which then stands for all of them
 * @throws Error when ranks wait for each other for ever
 */
export function simulate(
  programs: readonly RankProgram[],
  costs: Costs,
  { overlap = true, communicate = true }: TimelineOptions = {},
): RankTimeline[] {
  const states = programs.map((program): RankState => {
    return { program, next: 0, now: 0, computes: [], posted: [], exchanges: [], waits: [] };
  });
  const alone = states.length === 1;
  for (;;) {
    let moved = false;
    for (const state of states) moved = advance(state, costs, overlap) || moved;
    for (const state of states) moved = resolve(state, states, alone, costs, communicate) || moved;
    if (states.every(({ next, program }) => next === program.operations.length)) break;
    if (!moved) throw new Error('The ranks of this schedule wait for each other for ever.');
  }
  return states.map(({ program, now, computes, exchanges, waits }) => {
    return { rank: program.rank, end: now, computes, exchanges, waits };
  });
}

/** Runs a rank's compute stream until it has to wait. */
function advance(state: RankState, costs: Costs, overlap: boolean): boolean {
  const { program, computes, posted, exchanges, waits } = state;
  let moved = false;
  for (; state.next < program.operations.length; state.next++, moved = true) {
    const operation = program.operations[state.next]!;
    if (operation.op === 'exchange') {
      if (posted.length === operation.exchange) posted.push({ exchange: operation, posted: state.now });
      if (overlap) continue;
    }
    if (operation.op === 'wait' || operation.op === 'exchange') {
      const done = exchanges[operation.exchange];
      if (!done) break;
      const end = Math.max(state.now, done.interval[1]);
      if (end > state.now) waits.push({ exchange: operation.exchange, interval: [state.now, end] });
      state.now = end;
      continue;
    }
    const end = state.now + costs.compute(operation, program.rank);
    computes.push({ operation, interval: [state.now, end] });
    state.now = end;
  }
  return moved;
}

/** Starts the exchanges of a rank whose partners are ready, too. */
function resolve(
  state: RankState,
  states: readonly RankState[],
  alone: boolean,
  costs: Costs,
  communicate: boolean,
): boolean {
  let moved = false;
  for (let index = state.exchanges.length; index < state.posted.length; index = state.exchanges.length) {
    const { exchange, posted } = state.posted[index]!;
    const partners = alone
      ? []
      : [...exchange.sends, ...exchange.receives].flatMap(({ source, destination }) => [source, destination]);
    const ready = [readyTime(state, index), ...[...new Set(partners)].map(rank => readyTime(states[rank]!, index))];
    if (ready.includes(undefined)) break;
    const start = Math.max(...(ready as number[]));
    const duration = communicate ? costs.exchange(exchange, state.program.rank) : 0;
    state.exchanges.push({ exchange, posted, interval: [start, start + duration] });
    moved = true;
  }
  return moved;
}

/** When a rank can begin an exchange; undefined while that is not known. */
function readyTime({ posted, exchanges }: RankState, index: number): number | undefined {
  const own = posted[index];
  if (!own) return undefined;
  if (index === 0) return own.posted;
  const before = exchanges[index - 1];
  return before && Math.max(own.posted, before.interval[1]);
}

export interface TimelineTotals {
  readonly total: number;
  /** Per rank: union of compute, union of communication, communication while nothing is computed, waiting. */
  readonly compute: readonly number[];
  readonly communication: readonly number[];
  readonly exposed: readonly number[];
  readonly stall: readonly number[];
}

export function timelineTotals(timelines: readonly RankTimeline[]): TimelineTotals {
  const computes = timelines.map(rank => rank.computes.map(({ interval }) => interval));
  const exchanges = timelines.map(rank => rank.exchanges.map(({ interval }) => interval));
  const communication = exchanges.map(totalLength);
  return {
    total: Math.max(...timelines.map(({ end }) => end)),
    compute: computes.map(totalLength),
    communication,
    exposed: communication.map((length, rank) => length - overlapLength(computes[rank]!, exchanges[rank]!)),
    stall: timelines.map(({ waits }) => totalLength(waits.map(({ interval }) => interval))),
  };
}

/** [ranks][rounds], when each rank begins attention, or its gradients, in each round. */
export type BlockStarts = readonly (readonly number[])[];

export function blockStarts(timelines: readonly RankTimeline[], rounds: number): BlockStarts {
  return timelines.map(({ computes }) => {
    const starts = Array.from({ length: rounds }, () => 0);
    for (const { operation, interval } of computes)
      if (operation.op === 'attend' || operation.op === 'differentiate') starts[operation.round] = interval[0];
    return starts;
  });
}
