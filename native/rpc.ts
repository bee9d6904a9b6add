/**
 * The contract between the extension host and the pipeline process, spoken over vscode-jsonrpc on the child's IPC
 * channel. Data never travels here: results are a path to a trace.
 */
import { NotificationType, ProgressType, RequestType, RequestType0 } from 'vscode-jsonrpc';
import type { EvaluationCondition, EvaluationOutcome, EvaluationProblem } from '../trace/evaluation/evaluation.ts';
import type { ParameterValue, Sampling, StageTimings } from '../trace/schema.ts';
import type { Algorithm, AttentionShape, ElementType, Pass, Sharding, WireOptions } from '../trace/traffic/schedule.ts';
import type { FoveaErrorCode } from './errors.ts';

export type { FoveaErrorCode };
export type Device = 'cpu' | 'webgpu' | 'cuda' | 'coreml' | 'dml';
export const devices: readonly Device[] = ['cpu', 'webgpu', 'cuda', 'coreml', 'dml'];

/** Which token method runs, and how. What is left out has the method's defaults. */
export interface MethodRequest {
  /** "fastv", or "fastv+flexattention" with a second method that fetches high-resolution tokens beside it. */
  readonly name: string;
  readonly variant?: string;
  /** Visual tokens, mean over the decoder's layers. */
  readonly budget?: number;
  /** Values, or text that is understood as on the command line; those of a second method as "flexattention.count". */
  readonly parameters?: Readonly<Record<string, ParameterValue>>;
}

export interface AnalyzeRequest {
  /** An image, an animation, or a folder of frames. */
  readonly imagePath: string;
  /** Further images whose frames come after its own; only methods that read several take them. */
  readonly furtherImages?: readonly string[];
  readonly question: string;
  readonly modelFolder: string;
  /** Where the vision tower of a checkpoint that only names it is, if Fovea does not find it by itself. */
  readonly visionTower?: string;
  /** Where the finished trace is to be written; a temporary file beside it is renamed at the end. */
  readonly tracePath: string;
  readonly maxNewTokens: number;
  readonly sampling: Sampling;
  /** All visual tokens run if there is none. */
  readonly method?: MethodRequest;
  readonly device: Device;
  /** 0 lets the engine choose: one per physical core, at most 8. */
  readonly threads: number;
  /** Passed back in every `$/progress` of this request. */
  readonly progressToken: string;
}

export interface AnalyzeResult {
  readonly tracePath: string;
  readonly traceBytes: number;
  readonly answer: string;
  readonly bundledModel: boolean;
  readonly state: 'complete' | 'cancelled';
  readonly ms: StageTimings;
}

export type Stage =
  'queued' | 'image' | 'load' | 'vision' | 'tiles' | 'frames' | 'solve' | 'prefill' | 'decode' | 'write';

export interface StageProgress {
  readonly stage: Stage;
  /** Units finished and in all within the stage: layers, tokens when decoding, trials when solving (in all unknown: 0). */
  readonly done: number;
  readonly total: number;
  /** The answer so far, while decoding. */
  readonly text?: string;
}

export interface PipelineError {
  readonly code: FoveaErrorCode | 'internal';
  readonly hint: string;
}

export interface PipelineStatus {
  readonly pid: number;
  readonly residentBytes: number;
  /** Folder of the model whose weights are in memory. */
  readonly loadedModel?: string;
  readonly engine: string;
  /** How many times weights were loaded since the process started. */
  readonly loads: number;
}

export type ReportFormat = 'html' | 'pdf' | 'md' | 'json' | 'csv';
export const reportFormats: readonly ReportFormat[] = ['html', 'pdf', 'md', 'json', 'csv'];

export interface ReportRequest {
  /** One trace, several to compare, or whatever else a kind of report is made of; their order is kept. */
  readonly sources: readonly string[];
  /** The file, or for several the one they are named after; replaced if it exists. */
  readonly outPath: string;
  readonly format: ReportFormat;
}

export interface ReportResult {
  /** The one to open comes first. */
  readonly files: readonly string[];
  readonly bytes: number;
}

export interface EvaluateRequest {
  readonly setPath: string;
  /** Where results.jsonl, the summaries and the trace go; results that belong together are gone on with. */
  readonly outFolder: string;
  /** "name" or "name:variant". No pruning runs beside them. */
  readonly methods: readonly string[];
  /** Visual tokens. None: each method runs with its own parameters. */
  readonly budgets: readonly number[];
  /** By method name. */
  readonly parameters?: Readonly<Record<string, Readonly<Record<string, ParameterValue>>>>;
  /** The first so many questions of the set; all of them if absent. */
  readonly limit?: number;
  /** Runs at the same time, each with a model in memory of its own. */
  readonly jobs: number;
  readonly modelFolder: string;
  /** Where the vision tower of a checkpoint that only names it is, if Fovea does not find it by itself. */
  readonly visionTower?: string;
  readonly maxNewTokens: number;
  readonly device: Device;
  /** 0 shares the physical cores, at most 8, among the jobs. */
  readonly threads: number;
  readonly progressToken: string;
}

export interface EvaluateResult {
  readonly tracePath: string;
  /** summary.csv, summary.json and results.jsonl, too. */
  readonly files: readonly string[];
  readonly state: 'complete' | 'cancelled';
  readonly questions: number;
  readonly conditions: number;
  /** Runs that are done, those of earlier sessions included, and in all. */
  readonly done: number;
  readonly total: number;
  /** Lines and questions that could not be asked. */
  readonly problems: readonly EvaluationProblem[];
  /** Earlier results did not belong to this evaluation and were moved. */
  readonly startedAnew?: { readonly changed: readonly string[]; readonly movedTo: string };
}

export interface EvaluationProgress {
  /** Runs finished, those of earlier sessions included, and in all. */
  readonly done: number;
  readonly total: number;
  /** Milliseconds that the rest will take at the speed of this session; absent until that is known. */
  readonly remaining?: number;
  /** What was finished last. */
  readonly question?: string;
  readonly condition?: string;
}

/** One question under one condition, untraced: what a process that works for an evaluation is asked. */
export interface AnswerRequest {
  readonly imagePath: string;
  readonly question: string;
  /** Each of them counts as right. */
  readonly answers: readonly string[];
  readonly condition: Pick<EvaluationCondition, 'method' | 'variant' | 'budget' | 'parameters'>;
  readonly modelFolder: string;
  /** Where the vision tower of a checkpoint that only names it is, if Fovea does not find it by itself. */
  readonly visionTower?: string;
  readonly maxNewTokens: number;
  readonly device: Device;
  readonly threads: number;
}

/** Requests run one after the other; a second one reports `queued` until its turn. Cancellable. */
export const analyzeRequest = new RequestType<AnalyzeRequest, AnalyzeResult, PipelineError>('fovea/analyze');
/** Reads traces and needs no model. Waits for the runs before it. Cancellable. */
export const reportRequest = new RequestType<ReportRequest, ReportResult, PipelineError>('fovea/report');
/** Cancellable: what was answered until then stays and is gone on with by the next request. Waits for the runs before it. */
export const evaluateRequest = new RequestType<EvaluateRequest, EvaluateResult, PipelineError>('fovea/evaluate');
export const evaluationProgress = new ProgressType<EvaluationProgress>();
export const answerRequest = new RequestType<AnswerRequest, EvaluationOutcome, PipelineError>('fovea/answer');
export interface MethodsRequest {
  /** Absolute paths of the user's own methods, which are described, too. */
  readonly modules: readonly string[];
}

export interface MethodSummary {
  /** The path, of a method of the user's own. */
  readonly name: string;
  readonly title: string;
  /** One sentence for a list. */
  readonly summary: string;
  /** The first one is the default. */
  readonly variants: readonly ('code' | 'paper')[];
  /** By which mean over layers a budget is counted; absent where none can be asked for. */
  readonly budget?: 'entering' | 'leaving';
  readonly parameters: readonly ParameterSummary[];
  /** Of the user's own methods; with a problem where the module is no method as it is now. */
  readonly own?: { readonly problem?: string };
}

/** What can be set about a method; what is left out has a default that depends on the model. */
export interface ParameterSummary {
  readonly name: string;
  readonly title: string;
  /** `layers` and `numbers` are lists, written with commas. */
  readonly kind: 'number' | 'integer' | 'flag' | 'choice' | 'layers' | 'numbers';
  readonly least?: number;
  readonly most?: number;
  readonly choices?: readonly string[];
  readonly meaning: string;
}

/** The token methods that can be asked for, the user's own last. */
export const methodsRequest = new RequestType<MethodsRequest, readonly MethodSummary[], PipelineError>('fovea/methods');
export const statusRequest = new RequestType0<PipelineStatus, PipelineError>('fovea/status');
/** Forgets the loaded model and gives its memory back. */
export const releaseRequest = new RequestType0<void, PipelineError>('fovea/release');
export const logNotification = new NotificationType<{ level: 'info' | 'warn' | 'error'; message: string }>('fovea/log');
export const stageProgress = new ProgressType<StageProgress>();

/** Weights that images become queries, keys and values by. */
export type ImageWeights = 'cross-attention' | 'flexattention';
export const imageWeights: readonly ImageWeights[] = ['cross-attention', 'flexattention'];

/** What is computed: own sizes, a preset of the paper ("llama3-v:a30:2"), or the user's images through the model. */
export type TrafficWorkloadChoice =
  | { readonly kind: 'sizes'; readonly shape: AttentionShape; readonly sharding: Sharding }
  | { readonly kind: 'preset'; readonly name: string; readonly scale: number | 'auto' }
  | {
      readonly kind: 'images';
      /** Images, animations, or folders of frames. */
      readonly paths: readonly string[];
      readonly question: string;
      readonly modelFolder: string;
      /** Where the vision tower of a checkpoint that only names it is, if Fovea does not find it by itself. */
      readonly visionTower?: string;
      /** The most frames to take, spread evenly. */
      readonly frames: number;
      /** By default the model's own cross-attention where it has one. */
      readonly weights?: ImageWeights;
      /** Decoder layer; by default the one in the middle of those that the weights have. */
      readonly layer?: number;
    };

export interface TrafficRequest {
  readonly workload: TrafficWorkloadChoice;
  /** The first one, and those to compare it with. */
  readonly choices: readonly { readonly algorithm: Algorithm; readonly repeatKeyValueHeads: boolean }[];
  readonly ranks: number;
  readonly pass: Pass;
  readonly element: ElementType;
  readonly seed: number;
  readonly wire: Omit<WireOptions, 'repeatKeyValueHeads'>;
  /** Emulated: seconds and bytes per second. */
  readonly link?: { readonly latency: number; readonly bandwidth: number };
  /** Timed runs of each algorithm. */
  readonly repeats: number;
  /** Where the trace is to be written; replaced if it exists. */
  readonly tracePath: string;
  readonly progressToken: string;
}

export interface TrafficResult {
  readonly tracePath: string;
  readonly traceBytes: number;
  readonly state: 'complete' | 'partial';
  /** Why it broke off; the trace has what was recorded until then. */
  readonly cause?: { readonly code: string; readonly message: string; readonly hint: string };
  /** Messages of checks that failed. */
  readonly violations: readonly string[];
}

export interface TrafficProgress {
  readonly doing: 'queued' | 'workload' | 'reference' | 'run';
  /** The algorithm. */
  readonly label: string;
  readonly done: number;
  readonly total: number;
}

/** Distributed cross-attention on ranks that are threads of the pipeline process. Waits for the runs before it. Cancellable. */
export const trafficRequest = new RequestType<TrafficRequest, TrafficResult, PipelineError>('fovea/traffic');
export const trafficProgress = new ProgressType<TrafficProgress>();
