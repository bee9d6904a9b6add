/** What a method's worker and the pipeline say to each other. */

export type WorkerCall =
  'describe' | 'resolveBudget' | 'start' | 'visionLayer' | 'beforeDecoder' | 'decoderLayer' | 'afterPrefill';

export interface WorkerRequest {
  readonly id: number;
  readonly call: WorkerCall;
  readonly argument: unknown;
}

export type WorkerAnswer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly message: string; readonly stack: string };
