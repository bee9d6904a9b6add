/** The contract between the panel (a webview) and its host. Both ends compile against it. */
import type { Evaluation } from '../trace/evaluation/evaluation.ts';
import type { RunMetadata, TensorName, TraceDtype } from '../trace/schema.ts';
import type { TrafficMetadata } from '../trace/traffic/metadata.ts';
import type { TrafficTensors } from '../trace/traffic/reader.ts';

export type { TrafficTensors };

/** Half-open index range on one axis: [first, end). */
export type AxisRange = readonly [first: number, end: number];

export interface TensorShape {
  readonly dtype: TraceDtype;
  readonly shape: readonly number[];
}

/** What the panel asks for or reports. */
export type ToHost =
  /** Sent once the panel's script listens; the host answers with `run` or `failed`. */
  | { readonly type: 'ready' }
  /** One hyper-rectangle of one tensor; missing trailing ranges mean the whole axis. */
  | {
      readonly type: 'slice';
      readonly request: number;
      /** 0 for the run of this panel, else the number that `comparison` gave a run. */
      readonly run: number;
      readonly tensor: TensorName;
      readonly ranges: readonly AxisRange[];
    }
  | { readonly type: 'command'; readonly command: PanelCommand }
  /** Runs a question of the shown evaluation under one of its conditions; both are indices. */
  | { readonly type: 'askQuestion'; readonly question: number; readonly condition: number }
  /** Which further runs are compared from now on, by their addresses; the host answers with `comparison`. */
  | { readonly type: 'compare'; readonly addresses: readonly string[] }
  /** Asks for the token methods; the host answers with `methods`. */
  | { readonly type: 'methods' }
  /** Runs the shown run's image and question once more with another method or other settings. */
  | { readonly type: 'runAgain'; readonly request: RunAgain }
  /** One line for the status bar: what is locked or hovered. */
  | { readonly type: 'status'; readonly text: string }
  | { readonly type: 'error'; readonly message: string }
  /** The user asked to save a figure: this one, or one that the host lets them choose. */
  | { readonly type: 'saveFigure'; readonly figure?: number | undefined }
  /** What can be saved at present; answers `listFigures`. */
  | { readonly type: 'figures'; readonly request: number; readonly figures: readonly FigureName[] }
  /** Answers `drawFigure`: the bytes of the file. */
  | { readonly type: 'figure'; readonly request: number; readonly data: Uint8Array }
  | { readonly type: 'figureFailed'; readonly request: number; readonly message: string };

/** What is left out has the method's default. */
export interface RunAgain {
  readonly method: string;
  readonly variant?: 'code' | 'paper';
  /** Visual tokens, mean over the decoder's layers. */
  readonly budget?: number;
  /** By name, as the user wrote them; lists with commas. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** A token method of the pipeline, and what can be set about it. */
export interface PanelMethod {
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  /** The first one is the default. */
  readonly variants: readonly ('code' | 'paper')[];
  /** By which mean over layers a budget is counted; absent where none can be asked for. */
  readonly budget?: 'entering' | 'leaving';
  readonly parameters: readonly PanelParameter[];
}

export interface PanelParameter {
  readonly name: string;
  readonly title: string;
  readonly kind: 'number' | 'integer' | 'flag' | 'choice' | 'layers' | 'numbers';
  readonly least?: number;
  readonly most?: number;
  readonly choices?: readonly string[];
  readonly meaning: string;
}

export interface FigureName {
  /** As long as the panel shows the same run. */
  readonly id: number;
  readonly title: string;
  /** Proposed for its file, without ending and without anything that a file system refuses. */
  readonly fileName: string;
}

export type FigureFormat = 'svg' | 'png';

/** `light`: VS Code's light theme, for paper; `shown`: as the window is. */
export type FigureTheme = 'light' | 'shown';

export type PanelCommand = 'askAgain' | 'chooseModel' | 'compareRuns' | 'exportPerfetto' | 'runTraffic' | 'showLog';

/** A run next to the panel's own. It keeps its number as long as its file stays as it is; numbers are not used again. */
export interface ComparedEntry {
  readonly run: number;
  /** Of its file, as text; what `compare` names it by. */
  readonly address: string;
  /** File name. */
  readonly name: string;
  /** Absent when the file cannot be read. */
  readonly content?: {
    readonly metadata: RunMetadata;
    readonly tensors: Readonly<Partial<Record<TensorName, TensorShape>>>;
  };
  /** Why it cannot be read, or can no longer be; what the panel has of it stays. */
  readonly problem?: { readonly message: string; readonly hint: string };
}

/** What the host sends. `data` is always a tightly sized Uint8Array in the tensor's own dtype, little-endian. */
export type ToPanel =
  | {
      readonly type: 'run';
      readonly metadata: RunMetadata;
      readonly tensors: Readonly<Partial<Record<TensorName, TensorShape>>>;
      /** False in an untrusted workspace: viewing works, running does not. */
      readonly canRun: boolean;
    }
  | {
      readonly type: 'slice';
      readonly request: number;
      readonly dtype: TraceDtype;
      readonly shape: readonly number[];
      readonly data: Uint8Array;
    }
  | { readonly type: 'sliceFailed'; readonly request: number; readonly message: string }
  | { readonly type: 'methods'; readonly methods: readonly PanelMethod[] }
  | { readonly type: 'evaluation'; readonly evaluation: Evaluation; readonly canRun: boolean }
  /** A traffic trace, whole: its ledger is small. */
  | {
      readonly type: 'traffic';
      readonly metadata: TrafficMetadata;
      readonly tensors: TrafficTensors;
      readonly canRun: boolean;
    }
  | { readonly type: 'failed'; readonly message: string; readonly hint: string }
  /** All further runs of the comparison, after each change. `show` when somebody asked to see it just now. */
  | { readonly type: 'comparison'; readonly runs: readonly ComparedEntry[]; readonly show: boolean }
  /** A command of VS Code that acts on the panel, e.g. jump to a layer or head. */
  | { readonly type: 'show'; readonly layer?: number; readonly head?: number }
  | { readonly type: 'listFigures'; readonly request: number }
  | {
      readonly type: 'drawFigure';
      readonly request: number;
      readonly figure: number;
      readonly format: FigureFormat;
      readonly theme: FigureTheme;
    };
