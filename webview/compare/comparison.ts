import type { RunMetadata } from '../../trace/schema.ts';
import type { Host } from '../host.ts';
import { Store } from '../selection.ts';
import type { TraceSource } from '../source/trace-source.ts';

/** A run that was put next to the panel's own. */
export interface FurtherRun {
  /** What it is told apart by: the address of its file, or its place in a document. */
  readonly address: string;
  /** File name, for the reader. */
  readonly name: string;
  /** Absent when it could not be read at all. */
  readonly source?: TraceSource;
  readonly problem?: { readonly message: string; readonly hint: string };
}

/** Stands for the panel's own run where further runs have their address. */
export const ownRun = 'own';

export interface CompareChoice {
  /** Addresses of the runs that are A and B; null until there is one. */
  readonly first: string;
  readonly second: string | null;
  /** What is compared in the images; null: what there is to see. */
  readonly shown: 'tokens' | 'attention' | null;
  /** Whether tokens are those that decode reads, after all stages, instead of those of the chosen layer in prefill. */
  readonly decode: boolean;
  /** Which of the three is shown where there is room for one. */
  readonly place: 'first' | 'second' | 'difference';
  /** B stands in the place of A, until Space is pressed again. */
  readonly blinked: boolean;
}

export const initialChoice: CompareChoice = {
  first: ownRun,
  second: null,
  shown: null,
  decode: false,
  place: 'difference',
  blinked: false,
};

/** What a panel saves of its comparison. */
export interface SavedComparison {
  readonly addresses: readonly string[];
  readonly choice: CompareChoice;
}

/** The runs of a panel next to its own, and which two of them are A and B. */
export class Comparison {
  readonly runs = new Store<{ readonly list: readonly FurtherRun[] }>({ list: [] });
  readonly choice: Store<CompareChoice>;
  /** From an earlier life of the panel, until they are asked for. */
  private remembered: readonly string[];

  constructor(
    private readonly host: Host,
    saved: unknown,
    runId: string,
  ) {
    const { addresses, choice } = restoreComparison(saved, runId);
    this.remembered = addresses;
    this.choice = new Store(choice);
  }

  get list(): readonly FurtherRun[] {
    return this.runs.get().list;
  }

  /** Takes over what is compared from now on; an empty list right after a reload asks for what was compared before. */
  take(list: readonly FurtherRun[]): void {
    const remembered = this.remembered;
    this.remembered = [];
    if (list.length === 0 && remembered.length > 0) {
      this.host.post({ type: 'compare', addresses: remembered });
      return;
    }
    this.runs.set({ list });
    this.choice.set(validPair(this.choice.get(), list));
  }

  /** Puts a run into the place of A or B; the other one makes room where both would be the same. */
  choose(place: 'first' | 'second', address: string): void {
    const { first, second } = this.choice.get();
    const other = place === 'first' ? second : first;
    if (other === address) this.swap();
    else this.choice.set({ [place]: address, blinked: false });
  }

  swap(): void {
    const { first, second } = this.choice.get();
    if (second !== null) this.choice.set({ first: second, second: first, blinked: false });
  }

  blink(): void {
    const { blinked, place } = this.choice.get();
    this.choice.set({ blinked: !blinked, place: place === 'first' ? 'second' : 'first' });
  }

  /** @param address of a further run; the panel's own cannot be removed */
  remove(address: string): void {
    const rest = this.list.filter(run => run.address !== address).map(run => run.address);
    this.host.post({ type: 'compare', addresses: rest });
  }

  toSaved(): SavedComparison {
    // Until the host has answered, what was compared before is still wanted.
    const addresses = this.list.length > 0 ? this.list.map(({ address }) => address) : this.remembered;
    return { addresses, choice: this.choice.get() };
  }
}

/** A and B, two different runs of those that are there. */
export function validPair(
  { first, second }: Pick<CompareChoice, 'first' | 'second'>,
  list: readonly FurtherRun[],
): Pick<CompareChoice, 'first' | 'second'> {
  const addresses = [ownRun, ...list.map(({ address }) => address)];
  const there = (address: string | null): address is string => address !== null && addresses.includes(address);
  const b = there(second) && second !== first ? second : null;
  const a = there(first) ? first : addresses.find(address => address !== b)!;
  return { first: a, second: b ?? addresses.find(address => address !== a) ?? null };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** State may come from another version, or from another run, whose comparison is of no use. */
export function restoreComparison(saved: unknown, runId: RunMetadata['id']): SavedComparison {
  const nothing = { addresses: [], choice: initialChoice };
  if (!isObject(saved) || saved['run'] !== runId || !isObject(saved['comparison'])) return nothing;
  const { addresses, choice } = saved['comparison'];
  if (!Array.isArray(addresses) || !addresses.every(address => typeof address === 'string')) return nothing;
  if (!isObject(choice)) return { addresses, choice: initialChoice };
  const { first, second, shown, decode, place } = choice;
  return {
    addresses,
    choice: {
      ...initialChoice,
      ...(typeof first === 'string' && { first }),
      ...(typeof second === 'string' && { second }),
      ...((shown === 'tokens' || shown === 'attention') && { shown }),
      ...(typeof decode === 'boolean' && { decode }),
      ...((place === 'first' || place === 'second' || place === 'difference') && { place }),
    },
  };
}
