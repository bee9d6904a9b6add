/** What a report of one run says, read from its trace once for all formats. */
import type { TraceReader } from '../../trace/reader.ts';
import { massGroups, type RunMetadata } from '../../trace/schema.ts';
import { answerRows, headMean, summarizeAttention } from '../cli/attention-summary.ts';
import { readFloats } from '../cli/trace-values.ts';
import { type FetchedTokens, readFetchedTokens } from './fetched-tokens.ts';
import { readInput, type ReadInput } from './read-input.ts';

/** Small maps are made of at most so many tokens, so that a long answer's report stays small. */
const mostTokenMaps = 256;

export interface AnswerAttention {
  /** Decoder layer that singles out parts of the image most, 0-based. */
  readonly layer: number;
  /** Tokens of the answer that the maps are the mean of. */
  readonly answerTokens: number;
  /** [layers][patches], probability, mean over heads and answer tokens */
  readonly maps: readonly Float32Array[];
}

export interface TokenAttention {
  /** Index into `metadata.tokens`. */
  readonly token: number;
  /** Share of its attention at `AnswerAttention.layer` that is on the image, mean over heads, 0 to 1. */
  readonly imageShare: number;
  /** [patches] at that layer, mean over heads; absent for tokens beyond the first few hundred. */
  readonly map?: Float32Array;
}

export interface RunContent {
  readonly metadata: RunMetadata;
  /** Absent where no token of an answer was computed. */
  readonly answer: AnswerAttention | undefined;
  readonly tokens: readonly TokenAttention[];
  /** [layers][groups], mean over heads and the rows that predict the answer; empty where there is none. */
  readonly masses: readonly (readonly number[])[];
  /** [rows, layers, heads, groups] as recorded */
  readonly allMasses: Float32Array;
  /** Absent for a run in low resolution only. */
  readonly fetched: FetchedTokens | undefined;
  /** Absent for a run without cross-attention. */
  readonly read: ReadInput | undefined;
  /** Encoded as `metadata.image.display.mime`. */
  readonly display: Uint8Array;
}

export async function readContent(trace: TraceReader): Promise<RunContent> {
  const { metadata } = trace;
  const summary = await summarizeAttention(trace);
  const allMasses = await readFloats(trace, 'decoder.attention_mass');
  const answer = summary && { layer: summary.layer, answerTokens: summary.answerTokens, maps: summary.maps };
  return {
    metadata,
    answer,
    tokens: answer ? await tokenAttention(trace, answer.layer, allMasses) : [],
    masses: answer ? layerMasses(metadata, allMasses) : [],
    allMasses,
    fetched: await readFetchedTokens(trace),
    read: await readInput(trace),
    display: (await trace.slice('image.display')).data,
  };
}

async function tokenAttention(trace: TraceReader, layer: number, masses: Float32Array): Promise<TokenAttention[]> {
  const { metadata } = trace;
  const { layers, heads } = metadata.model.decoder;
  const { count, leading } = metadata.visual;
  const tokens: TokenAttention[] = [];
  for (let token = metadata.promptTokens; token < metadata.tokens.length; token++) {
    const row = token - 1;
    const start = (row * layers + layer) * heads * massGroups.length;
    let imageShare = 0;
    for (let head = 0; head < heads; head++) imageShare += masses[start + head * massGroups.length]! / heads;
    if (tokens.length >= mostTokenMaps) {
      tokens.push({ token, imageShare });
      continue;
    }
    const ranges = [
      [row, row + 1],
      [layer, layer + 1],
    ] as const;
    const perHead = await readFloats(trace, 'decoder.attention_to_image', ranges);
    tokens.push({ token, imageShare, map: headMean(perHead, heads, count, leading) });
  }
  return tokens;
}

function layerMasses(metadata: RunMetadata, masses: Float32Array): number[][] {
  const { layers, heads } = metadata.model.decoder;
  const [first, end] = answerRows(metadata);
  const share = 1 / ((end - first) * heads);
  return Array.from({ length: layers }, (_, layer) =>
    massGroups.map((_name, group) => {
      let sum = 0;
      for (let row = first; row < end; row++)
        for (let head = 0; head < heads; head++)
          sum += masses[((row * layers + layer) * heads + head) * massGroups.length + group]!;
      return sum * share;
    }),
  );
}
