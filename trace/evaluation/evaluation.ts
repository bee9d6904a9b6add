/** An evaluation: a set of questions, each asked under several conditions (token method and budget). Plain data. */
import type { ModelIdentity } from '../model-files.ts';
import type { ParameterValue } from '../schema.ts';

export const evaluationKind = 'evaluation';
export const evaluationSchemaVersion = 1;

/** Questions of this kind are told apart from all others: reading small print is what high resolution is for. */
export const smallTextKind = 'small_text';
/** `id` and `method` of the condition that every other one is compared with. */
export const unprunedId = 'none';

export interface EvaluationCondition {
  /** Unique within the evaluation, e.g. "mustdrop@64", "fastv:paper@192", "none". */
  readonly id: string;
  readonly method: string;
  /** For the reader, e.g. "MustDrop". */
  readonly title: string;
  readonly variant?: 'code' | 'paper';
  /** Visual tokens asked for; absent where the method has no budget or ran with its own parameters. */
  readonly budget?: number;
  /** By which mean over layers the budget is counted. */
  readonly counted?: 'entering' | 'leaving';
  /** Those that were asked for; a budget may have set others. */
  readonly parameters: Readonly<Record<string, ParameterValue>>;
}

export interface EvaluationQuestion {
  readonly id: string;
  /** As the set names it. */
  readonly image: string;
  readonly question: string;
  /** Each of them counts as right. */
  readonly answers: readonly string[];
  readonly kind: string;
}

/** One question under one condition. */
export interface EvaluationOutcome {
  readonly answer: string;
  readonly correct: boolean;
  /** Visual tokens, mean over decoder layers in prefill: E_in and E_out. */
  readonly entering: number;
  readonly leaving: number;
  /** Multiply-accumulates of the decoder. */
  readonly macs: { readonly prefill: number; readonly decode: number };
  /** Of the key-value cache at the end, as allocated. */
  readonly kvBytes: number;
  /** Milliseconds, wall clock. */
  readonly ms: { readonly vision: number; readonly prefill: number; readonly decode: number };
  readonly answerTokens: number;
  /** Of all high-resolution tokens those that a layer read, mean over layers and steps, 0 to 1; absent where none were there. */
  readonly highResolutionShare?: number;
}

/** A line of the set, or a question, that could not be used. */
export interface EvaluationProblem {
  /** 1-based, in the file of the set. */
  readonly line: number;
  readonly message: string;
  /** The condition that failed; absent when the question itself cannot be asked. */
  readonly condition?: string;
}

export interface EvaluationMetadata {
  readonly kind: typeof evaluationKind;
  readonly schema: number;
  readonly id: string;
  /** ISO 8601, of the first result. */
  readonly created: string;
  readonly producer: {
    readonly name: string;
    readonly version: string;
    /** Digest of the code that answered: other code, even of one version, may answer otherwise. */
    readonly code?: string;
  };
  readonly status: { readonly state: 'complete' | 'partial' };
  readonly model: ModelIdentity & {
    readonly visualTokens: number;
    readonly decoderLayers: number;
  };
  readonly engine: {
    readonly device: string;
    readonly hardware: string;
    readonly threads: number;
    /** Runs at the same time; more than one make each other slower. */
    readonly jobs: number;
  };
  readonly set: {
    readonly name: string;
    readonly path: string;
    readonly digest: string;
    /** Usable questions in the file; `questions` counts those that were asked for. */
    readonly size: number;
    readonly bundled: boolean;
  };
  readonly questions: number;
  readonly conditions: readonly EvaluationCondition[];
  readonly maxNewTokens: number;
  /** How answers were compared, for the reader. */
  readonly matching: string;
  /** Which multiply-accumulates were counted, for the reader. */
  readonly macFormula: string;
  readonly problems: readonly EvaluationProblem[];
}

/** All of it; `outcomes[condition][question]`, undefined where nothing was computed. */
export interface Evaluation {
  readonly metadata: EvaluationMetadata;
  readonly questions: readonly EvaluationQuestion[];
  readonly outcomes: readonly (readonly (EvaluationOutcome | undefined)[])[];
}
