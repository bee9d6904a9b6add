/** What a run takes of memory besides the weights, so that it can be refused before it starts. */
import { gridSide, type ModelConfig, visualTokenCount } from '../checkpoint/model-config.ts';
import type { CrossAttentionInput } from './cross-attention-input.ts';
import { crossAttentionBytes } from './cross-attention-recorder.ts';
import type { HighResolutionInput } from './high-resolution-run.ts';
import { type RecordedShape, recordingBytes } from './trace-recorder.ts';

export interface RunSize {
  /** Positions of the prompt, visual tokens included. */
  readonly promptLength: number;
  readonly textTokens: number;
  readonly maxNewTokens: number;
  /** What is recorded, if anything is. */
  readonly recorded: RecordedShape | undefined;
  /** What the method may be handed of a layer, if any: all rows of its attention, and whether a copy of them goes to a thread. */
  readonly method?: { readonly allRows: boolean; readonly copied: boolean } | undefined;
}

const floatBytes = 4;

/** Bytes at the run's height: the key-value cache, the trace, and the larger of the vision tower's and prefill's layers. */
export function runBytes(config: ModelConfig, size: RunSize): number {
  const { layers, keyValueHeads, headSize } = config.decoder;
  const { promptLength, textTokens, maxNewTokens, recorded } = size;
  const cache = (promptLength + maxNewTokens) * layers * 2 * keyValueHeads * headSize * floatBytes;
  const trace = recorded ? recordingBytes(recorded, textTokens + maxNewTokens) : 0;
  return cache + trace + Math.max(visionBytes(config), prefillBytes(config, size));
}

/**
 * One decoder layer over the whole prompt: the scores and their softmax, the rows cut out of it for the trace and the method, the
 * mask, the mean over heads, and the MLP; and what is copied for a method in a thread of its own.
 */
function prefillBytes(config: ModelConfig, { promptLength, textTokens, recorded, method }: RunSize): number {
  const { heads, intermediateSize, hiddenSize } = config.decoder;
  const attention = 2 * heads * promptLength ** 2;
  const mask = promptLength ** 2;
  const visual = visualTokenCount(config);
  const rows = method?.allRows ? promptLength : recorded ? textTokens : 0;
  const cut = rows * (heads * (promptLength + visual) + promptLength);
  // Sent and received.
  const copied = method?.copied ? 2 * (rows * heads * visual + visual * hiddenSize) : 0;
  const mlp = 3 * promptLength * intermediateSize;
  return (attention + mask + cut + copied + mlp) * floatBytes;
}

function visionBytes({ vision }: ModelConfig): number {
  const tokens = gridSide(vision) ** 2 + 1;
  return (2 * vision.heads * tokens ** 2 + 2 * tokens * vision.intermediateSize) * floatBytes;
}

/**
 * What high-resolution tokens add at most: their features, kept keys and values and those that one layer reads, its attention to
 * them, weights and selections; and bytes of the trace.
 */
export function highResolutionSize(
  { vision, decoder }: ModelConfig,
  { image, plan, projections }: Pick<HighResolutionInput, 'image' | 'plan' | 'projections'>,
  { promptLength, maxNewTokens }: Pick<RunSize, 'promptLength' | 'maxNewTokens'>,
): { readonly memoryBytes: number; readonly traceBytes: number } {
  const patches = gridSide(vision) ** 2;
  const tokens = patches * image.tiles ** 2;
  const layers = plan.attending.length;
  const keyWidth = decoder.keyValueHeads * decoder.headSize;
  const kept = plan.keepProjections ? 2 * layers * tokens * keyWidth : 0;
  const rows = plan.rows === 'all' ? promptLength : 1;
  // Scores, those beside the plain ones, and their softmax.
  const read = 2 * tokens * keyWidth + 3 * decoder.heads * rows * (promptLength + tokens);
  const weights = (projections.requiredBytes * layers) / projections.layers.size;
  // Of each patch: attention and normalised in F32, binarised and cells in a byte each.
  const traceBytes = maxNewTokens * (layers + 1) * (tokens * 2 + patches * 10 + decoder.heads * 24);
  const floats = image.pixels.length + 2 * tokens * decoder.hiddenSize + kept + read;
  return { memoryBytes: floats * floatBytes + weights + 2 * traceBytes, traceBytes };
}

/**
 * What a long visual input adds at most: its features, kept keys and values, the scores of all rows of prefill and their softmax, weights
 * and maps; and bytes of the trace.
 */
export function crossAttentionSize(
  { vision, decoder }: ModelConfig,
  { large, frames, weights, plan }: Pick<CrossAttentionInput, 'large' | 'frames' | 'weights' | 'plan'>,
  { textTokens, maxNewTokens }: Pick<RunSize, 'textTokens' | 'maxNewTokens'>,
): { readonly memoryBytes: number; readonly traceBytes: number } {
  const { heads, keyValueHeads, headSize } = weights.description;
  const tokens = gridSide(vision) ** 2 * (large ? large.tiles ** 2 : frames.length);
  const layers = plan.layers.length;
  const rows = textTokens + maxNewTokens;
  const traceBytes = crossAttentionBytes({ layers, heads, tokens, frames: frames.length }, rows);
  const kept = 2 * layers * tokens * keyValueHeads * headSize;
  const floats = (large?.pixels.length ?? 0) + 3 * tokens * decoder.hiddenSize + kept + 3 * heads * textTokens * tokens;
  return { memoryBytes: floats * floatBytes + weights.requiredBytes + 2 * traceBytes, traceBytes };
}
