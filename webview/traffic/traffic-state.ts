/** What is chosen in the Traffic view, what the pointer is at, and what all of its parts show because of both. */
import { heldOwner, holderOf, type RoundChoice, type RunTraffic } from './run-traffic.ts';

export interface TrafficChoice {
  /** Index of the run that the ring axis, the readout and the chord show. */
  readonly run: number;
  readonly rank: number;
  /** One more than the last round stands for: everything is home. */
  readonly round: number;
  readonly matrix: 'hops' | 'owners';
  readonly rounds: RoundChoice;
  readonly timeAxis: 'shared' | 'own';
  readonly pass: 'forward' | 'backward';
}

/** What the pointer is at, as far as that says. */
export interface Pointed {
  readonly run?: number;
  readonly rank?: number;
  readonly round?: number;
  readonly owner?: number;
}

/** Pointed at, else chosen. */
export interface Focus {
  readonly run: RunTraffic;
  readonly rank: number;
  readonly round: number;
  /** Block that is marked everywhere. */
  readonly owner: number;
}

const initial: TrafficChoice = {
  run: 0,
  rank: 0,
  round: 0,
  matrix: 'hops',
  rounds: 'upTo',
  timeAxis: 'shared',
  pass: 'forward',
};

/** @param saved of this or of another trace, or nothing: what does not fit gets the default */
export function readChoice(saved: unknown, runs: readonly RunTraffic[]): TrafficChoice {
  const given = typeof saved === 'object' && saved !== null ? (saved as Partial<Record<string, unknown>>) : {};
  const oneOf = <Value extends string>(key: keyof TrafficChoice, values: readonly Value[]): Value =>
    values.find(value => value === given[key]) ?? values[0]!;
  const below = (key: keyof TrafficChoice, limit: number): number => {
    const value = given[key];
    return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < limit ? (value as number) : 0;
  };
  const passes = [...new Set(runs.map(({ run }) => run.pass))];
  const pass = oneOf('pass', passes.length > 0 ? passes : (['forward'] as const));
  const wanted = below('run', runs.length);
  const run =
    runs[wanted]?.run.pass === pass
      ? wanted
      : Math.max(
          0,
          runs.findIndex(each => each.run.pass === pass),
        );
  return {
    run,
    rank: below('rank', runs[run]?.ranks ?? 1),
    round: below('round', (runs[run]?.rounds ?? 0) + 1),
    matrix: oneOf('matrix', ['hops', 'owners']),
    rounds: oneOf('rounds', ['upTo', 'only', 'all']),
    timeAxis: oneOf('timeAxis', ['shared', 'own']),
    pass,
  };
}

/** What Esc goes back to. */
export function unlocked(choice: TrafficChoice): TrafficChoice {
  return { ...choice, rank: initial.rank, round: initial.round };
}

export function focusOf(runs: readonly RunTraffic[], choice: TrafficChoice, pointed: Pointed): Focus {
  const run = runs[pointed.run ?? choice.run] ?? runs[0]!;
  const round = Math.min(pointed.round ?? choice.round, run.rounds);
  const rank = Math.min(
    pointed.rank ?? (pointed.owner === undefined ? choice.rank : holderOf(run, pointed.owner, round)),
    run.ranks - 1,
  );
  return { run, rank, round, owner: pointed.owner ?? heldOwner(run, rank, round) };
}
