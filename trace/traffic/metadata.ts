/** What a traffic trace says of itself: JSON under the key `fovea` of the file's `__metadata__`. */
import type { ModelIdentity } from '../model-files.ts';
import type { Algorithm, AttentionShape, ElementType, Pass, Sharding, TensorKind, WireOptions } from './schedule.ts';

export const trafficSchemaVersion = 1;
export const trafficKind = 'traffic';

/** A frame of the user's images; pictures lie one after the other in the tensor `workload.frames`. */
export interface WorkloadFrame {
  readonly name: string;
  /** Pixels of the picture in `workload.frames`. */
  readonly width: number;
  readonly height: number;
  readonly mime: string;
  readonly offset: number;
  readonly bytes: number;
  /** Its keys among all keys: [firstKey, firstKey + keys), row by row from the top left. */
  readonly firstKey: number;
  readonly keys: number;
  readonly grid: { readonly rows: number; readonly columns: number };
}

/** One query: a text token, as it is read in the prompt or the answer. */
export interface WorkloadToken {
  readonly text: string;
  readonly role: 'bos' | 'system' | 'question' | 'generated';
}

/** What images were turned into queries, keys and values from, so that it can be done again. */
export interface WorkloadOrigin {
  /** As they were named: files, or folders of frames; absolute paths. The digest is SHA-256 of the content, hex. */
  readonly sources: readonly { readonly path: string; readonly digest: string }[];
  /** The most frames that were to be taken. */
  readonly mostFrames: number;
  readonly weights: 'cross-attention' | 'flexattention';
  /** Decoder layer. */
  readonly layer: number;
  readonly model: ModelIdentity & {
    /** Folder of a vision tower that lies elsewhere. */
    readonly visionTower?: string;
  };
}

export interface TrafficWorkload {
  readonly name: string;
  readonly source: 'images' | 'preset' | 'sizes';
  /** What queries, keys and values are, for the reader: which weights and layer, or "seeded normal noise". */
  readonly description: string;
  readonly shape: AttentionShape;
  readonly sharding: Sharding;
  readonly element: ElementType;
  /** Cross-attention layers in the model; one of them was run. */
  readonly layers: number;
  /** What a query sees, masks.ts: everything, frames up to its own place, its own frame, or all but the last keys. */
  readonly mask: 'none' | 'staircase' | 'own-frame' | 'padding';
  /** Frames that the mask divides the keys of noise into; images have `frames`. */
  readonly maskFrames?: number;
  /** Of the keys, those that are padding: above 0, below 1. */
  readonly maskShare?: number;
  /** Seed of generated inputs. */
  readonly seed?: number;
  /** Preset sizes were divided by this to fit memory. */
  readonly scaledBy?: number;
  /** Values of a preset that nobody could check against the paper or a published configuration. */
  readonly unverified?: readonly string[];
  readonly question?: string;
  readonly answer?: string;
  /** One per query row, in order: query block b holds `sharding.queryRows[b]` of them. */
  readonly tokens?: readonly WorkloadToken[];
  readonly frames?: readonly WorkloadFrame[];
  readonly origin?: WorkloadOrigin;
}

export interface LinkDescription {
  /** Delivered by an emulated link: the lanes are no measurement of hardware. */
  readonly simulated: boolean;
  /** Seconds per message; 0 where none is emulated. */
  readonly latency: number;
  /** Bytes per second of one directed link; null where unknown or unlimited. */
  readonly bandwidth: number | null;
  readonly description: string;
}

export interface BackendDescription {
  /** "embedded", "torch-nccl", "torch-gloo" ... */
  readonly name: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly hardware: string;
  readonly hosts: number;
  /** Device of each rank; the same name twice means that two ranks share it. */
  readonly devices: readonly string[];
  readonly kernel: string;
}

/** Seconds. Measured ones are of `repeats`' median run, whose events are in the ledger. */
export interface RunTimes {
  /** From the common start until the last rank was done. */
  readonly total: number;
  /** Per rank: union of compute intervals, of communication intervals, communication outside compute, and waiting. */
  readonly compute: readonly number[];
  readonly communication: readonly number[];
  readonly exposed: readonly number[];
  readonly stall: readonly number[];
}

export interface Prediction extends RunTimes {
  readonly bound: 'compute' | 'communication' | 'latency';
  /** What was assumed: FLOP/s of a rank, bytes/s and seconds of a link. */
  readonly flopsPerSecond: number;
  readonly bandwidth: number;
  readonly latency: number;
  /** Bytes at most on a rank. */
  readonly peakMemory: number;
}

/** One assertion made after a run. */
export interface RunCheck {
  /** "bytes", "bytes-by-kind", "ownership", "overlap", "agreement", "prefix" ... */
  readonly name: string;
  readonly passed: boolean;
  /** What was found, for the reader; for a violation also what was expected. */
  readonly message: string;
}

export interface RunAgreement {
  /** Largest absolute difference, and |found - expected| / |expected|, to the same attention on one device. */
  readonly maxAbs: number;
  readonly relL2: number;
  readonly cosine: number;
  readonly tolerance: number;
  readonly reference: string;
}

export type RunState =
  | { readonly state: 'complete' }
  | {
      readonly state: 'partial';
      /** Why it ended early, and on which rank where that is known. */
      readonly cause: {
        readonly code: string;
        readonly message: string;
        readonly hint: string;
        readonly rank?: number;
      };
    };

/** One algorithm on the workload. */
export interface TrafficRun {
  readonly algorithm: Algorithm;
  readonly pass: Pass;
  readonly wire: WireOptions;
  readonly rounds: number;
  readonly status: RunState;
  readonly backend: BackendDescription;
  readonly links: LinkDescription;
  /** How clocks of ranks were aligned, and the largest error that is known, in nanoseconds. */
  readonly clock: { readonly source: string; readonly errorNs: number };
  /** Absent when the run did not end. */
  readonly times?: RunTimes;
  readonly repeats: { readonly warmups: number; readonly totals: readonly number[] };
  readonly predicted?: Prediction;
  readonly bytes: {
    /** Payload that each rank sent. */
    readonly sentPerRank: readonly number[];
    readonly sentByKind: Readonly<Partial<Record<TensorKind, readonly number[]>>>;
    /** What the formulas say; equal to `sentPerRank` in a complete run. */
    readonly expectedPerRank: readonly number[];
  };
  /** Bytes at most per rank, and how that was found. */
  readonly memory: { readonly peakPerRank: readonly number[]; readonly method: string };
  readonly agreement?: RunAgreement;
  readonly checks: readonly RunCheck[];
}

export interface TrafficMetadata {
  readonly kind: typeof trafficKind;
  readonly schema: number;
  readonly id: string;
  /** ISO 8601. */
  readonly created: string;
  readonly producer: { readonly name: string; readonly version: string };
  /** `partial` when one of the runs is. */
  readonly status: RunState;
  readonly workload: TrafficWorkload;
  /** Side by side on the same workload; the ledger's `run` column is the index. */
  readonly runs: readonly TrafficRun[];
}

export function rankCount(workload: Pick<TrafficWorkload, 'sharding'>): number {
  return workload.sharding.queryRows.length;
}

export function rowTotal(rows: readonly number[]): number {
  return rows.reduce((sum, count) => sum + count, 0);
}

/** E.g. "ring, repeated heads". */
export function runLabel({
  algorithm,
  wire,
}: {
  readonly algorithm: Algorithm;
  readonly wire: Pick<WireOptions, 'repeatKeyValueHeads'>;
}): string {
  const name = algorithmNames[algorithm];
  return wire.repeatKeyValueHeads ? `${name}, repeated heads` : name;
}

export const algorithmNames: Readonly<Record<Algorithm, string>> = {
  'lv-xattn': 'LV-XAttn',
  ring: 'Ring attention',
  'all-gather': 'All-gather KV',
  ulysses: 'DeepSpeed-Ulysses',
  'pass-q': 'Pass-Q',
  'gather-q': 'Gather-Q',
};
