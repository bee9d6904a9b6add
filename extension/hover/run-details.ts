/** What the hover shows of one run, read from its trace: header, two small pictures, and how much the answer looked. */
import { openTraceFile } from '../../trace/file.ts';
import type { TraceReader } from '../../trace/reader.ts';
import { massGroups, thumbnailSide, type HoverDescription } from '../../trace/schema.ts';
import type { RunSummary } from '../runs/run-index.ts';
import { fatesPicture, readTokenFates, type TokenFates } from './token-fates.ts';

export interface Picture {
  readonly uri: string;
  readonly width: number;
  readonly height: number;
}

export interface AnswerToken {
  readonly text: string;
  /** Attention on the image in the row that predicts this token, mean of layers and heads: 0 to 1. */
  readonly imageShare: number;
}

export interface RunDetails {
  /** Without the token that ends it; the beginning of a long one. */
  readonly answer: readonly AnswerToken[];
  /** Tokens of the answer that were left out. */
  readonly leftOut: number;
  readonly thumbnail?: Picture;
  readonly overlay?: Picture & HoverDescription & { readonly modelHeads: number };
  /** What a token method did, where one ran. */
  readonly reduction?: { readonly fates: TokenFates; readonly picture?: Picture };
}

/** More would not fit the card, and their attention takes time to read. */
const mostTokens = 240;
/** Bytes of attention that are read for a hover; models with many heads show fewer tokens. */
const mostBytes = 4_000_000;

/** @throws TraceError when the file is damaged; errors of the file system as they come */
export async function readRunDetails(path: string): Promise<RunDetails> {
  const trace = await openTraceFile(path);
  try {
    const { hover, image, model } = trace.metadata;
    const size = pictureSize(image);
    const thumbnail = await pictureUri(trace, 'image.thumbnail');
    const overlay = hover && (await pictureUri(trace, 'hover.answer_overlay'));
    const fates = await readTokenFates(trace);
    const fatesUri = fates && thumbnail !== undefined && fatesPicture(fates, thumbnail, size, trace.metadata);
    return {
      ...(await readAnswer(trace)),
      ...(thumbnail !== undefined && { thumbnail: { uri: thumbnail, ...size } }),
      ...(overlay !== undefined && {
        overlay: { uri: overlay, ...size, ...hover!, modelHeads: model.decoder.heads },
      }),
      ...(fates && { reduction: { fates, ...(fatesUri && { picture: { uri: fatesUri, ...size } }) } }),
    };
  } finally {
    await trace.close();
  }
}

async function readAnswer(trace: TraceReader): Promise<Pick<RunDetails, 'answer' | 'leftOut'>> {
  const { tokens, promptTokens, generation, model } = trace.metadata;
  const answered = tokens.slice(promptTokens, generation.stop === 'end-of-sequence' ? -1 : undefined);
  const cells = model.decoder.layers * model.decoder.heads;
  const groups = massGroups.length;
  const shown = answered.slice(0, Math.max(1, Math.min(mostTokens, Math.floor(mostBytes / (cells * groups * 4)))));
  if (shown.length === 0 || promptTokens === 0) return { answer: [], leftOut: 0 };
  // The row that predicts a token belongs to the token before it.
  const first = promptTokens - 1;
  const { data } = await trace.slice('decoder.attention_mass', [[first, first + shown.length]]);
  const masses = new Float32Array(data.buffer);
  const image = massGroups.indexOf('image');
  const answer = shown.map(({ text }, index) => {
    let sum = 0;
    for (let cell = 0; cell < cells; cell++) sum += masses[(index * cells + cell) * groups + image]!;
    const share = sum / cells;
    return { text, imageShare: share >= 0 && share <= 1 ? share : 0 };
  });
  return { answer, leftOut: answered.length - shown.length };
}

async function pictureUri(
  trace: TraceReader,
  name: 'image.thumbnail' | 'hover.answer_overlay',
): Promise<string | undefined> {
  if (!trace.tensors[name]) return undefined;
  const bytes = Buffer.from((await trace.slice(name)).data);
  const mime = pictureType(bytes);
  return mime === undefined ? undefined : `data:${mime};base64,${bytes.toString('base64')}`;
}

/** By its first bytes: a trace of other software may hold anything. */
function pictureType(bytes: Buffer): string | undefined {
  const starts = (text: string, offset = 0): boolean => bytes.toString('latin1', offset, offset + text.length) === text;
  if (starts('RIFF') && starts('WEBP', 8)) return 'image/webp';
  if (starts('\x89PNG\r\n\x1a\n')) return 'image/png';
  return starts('\xff\xd8\xff') ? 'image/jpeg' : undefined;
}

function pictureSize({ width, height }: { readonly width: number; readonly height: number }): Omit<Picture, 'uri'> {
  const factor = thumbnailSide / Math.max(width, height);
  return { width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) };
}

/** Details of runs that were shown; forgotten with the summary, which is replaced when the file changes. */
export class RunDetailsCache {
  private readonly known = new WeakMap<RunSummary, Promise<RunDetails>>();

  get(run: RunSummary): Promise<RunDetails> {
    const known = this.known.get(run);
    if (known) return known;
    const details = readRunDetails(run.path);
    this.known.set(run, details);
    // What failed may work the next time, e.g. when a lock is gone.
    details.catch(() => {
      this.known.delete(run);
    });
    return details;
  }
}
