/** What the user's images become before they are spread over ranks. */
import type { TrafficWorkload, WorkloadToken } from '../../trace/traffic/metadata.ts';
import type { ModelFiles } from '../analysis/loaded-model.ts';
import type { Engine } from '../engine/engine.ts';
import type { Frame } from '../image/decode-frames.ts';
import type { ModelInput } from '../image/preprocess.ts';
import type { Prompt } from '../prompt/build-prompt.ts';

/** Longer answers are cut off. */
export const longestAnswer = 48;

/** One image, or several, as they go through the model. */
export interface ImageSetting {
  readonly engine: Engine;
  readonly files: ModelFiles;
  readonly prompt: Prompt;
  /** At least one. */
  readonly images: readonly Frame[];
  /** The same, as the vision tower sees them. */
  readonly small: readonly ModelInput[];
  readonly signal: AbortSignal | undefined;
}

/** Queries, keys and values of one layer. */
export interface ImageParts {
  readonly shape: TrafficWorkload['shape'];
  /** Layers that do the same in the model. */
  readonly layers: number;
  /** Tokens of each image. */
  readonly grid: { readonly rows: number; readonly columns: number };
  /** [all tokens, key-value heads x head size], images one after another */
  readonly keys: Float32Array;
  readonly values: Float32Array;
  /** [text rows, heads x head size], not scaled */
  readonly queries: Float32Array;
  /** Of the rows. */
  readonly tokens: readonly WorkloadToken[];
  readonly answer: string;
  /** Which layer and which weights, for the reader. */
  readonly words: string;
}

/** Names of images in a sentence. */
export const imageWords = (count: number): string => (count === 1 ? 'the image in high resolution' : 'every frame');

/** Text tokens that are queries: those behind the image, and all of the answer that were fed. */
export function queryTokens(prompt: Prompt, fed: readonly WorkloadToken[]): WorkloadToken[] {
  const { first, count } = prompt.visual;
  const after = prompt.tokens.filter(({ position }) => position >= first + count);
  return [...after, ...fed].map(({ text, role }) => ({ text, role }));
}

export function stack(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((offset, part) => {
    whole.set(part, offset);
    return offset + part.length;
  }, 0);
  return whole;
}
