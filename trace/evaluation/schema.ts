/** What an evaluation's trace contains beside its metadata: the one place that lists its tensors. */
import type { EvaluationMetadata } from './evaluation.ts';

export type EvaluationAxis = 'conditions' | 'questions' | 'columns' | 'bytes';

export interface EvaluationTensorSpec {
  readonly dtypes: readonly ('F64' | 'U8')[];
  readonly axes: readonly EvaluationAxis[];
  readonly unit: string;
  readonly meaning: string;
  /** Left out where nothing has it. */
  readonly optional?: true;
}

/** Columns of `evaluation.outcomes`; NaN in all of them where nothing was computed. */
export const outcomeColumns = [
  'correct',
  'entering',
  'leaving',
  'macs_prefill',
  'macs_decode',
  'kv_bytes',
  'ms_vision',
  'ms_prefill',
  'ms_decode',
  'answer_tokens',
] as const;

export const evaluationTensorSpecs = {
  'evaluation.outcomes': {
    dtypes: ['F64'],
    axes: ['conditions', 'questions', 'columns'],
    unit: '0 or 1, visual tokens, multiply-accumulates, bytes, ms, text tokens',
    meaning: `Of every question under every condition: ${outcomeColumns.join(', ')}; NaN where nothing was computed`,
  },
  'evaluation.high_resolution_share': {
    dtypes: ['F64'],
    axes: ['conditions', 'questions'],
    unit: '0 to 1',
    meaning:
      'Share of the high-resolution tokens that a layer read, mean over layers and steps; NaN without such tokens',
    optional: true,
  },
  'evaluation.questions': {
    dtypes: ['U8'],
    axes: ['bytes'],
    unit: 'JSON, UTF-8',
    meaning: 'The questions: a list of {id, image, question, answers, kind}',
  },
  'evaluation.answers': {
    dtypes: ['U8'],
    axes: ['bytes'],
    unit: 'JSON, UTF-8',
    meaning: 'The answers, [conditions][questions]; null where nothing was computed',
  },
} as const satisfies Record<`evaluation.${string}`, EvaluationTensorSpec>;

export type EvaluationTensorName = keyof typeof evaluationTensorSpecs;
export const evaluationTensorNames = Object.keys(evaluationTensorSpecs) as EvaluationTensorName[];

/** The length of an axis as the metadata implies it; `undefined` where only the file knows. */
export function evaluationAxisLength(axis: EvaluationAxis, metadata: EvaluationMetadata): number | undefined {
  switch (axis) {
    case 'conditions':
      return metadata.conditions.length;
    case 'questions':
      return metadata.questions;
    case 'columns':
      return outcomeColumns.length;
    case 'bytes':
      return undefined;
  }
}
