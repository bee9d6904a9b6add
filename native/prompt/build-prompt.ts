/** A question as the decoder gets it: ids with the visual tokens in their place, and where each text token comes from. */
import type { TokenRole, TraceToken } from '../../trace/schema.ts';
import { imagePlaceholder } from '../checkpoint/llava-layout.ts';
import { type ModelConfig, visualTokenCount } from '../checkpoint/model-config.ts';
import { FoveaError } from '../errors.ts';
import { type ChatTemplate, renderPrompt } from './chat-template.ts';
import type { TextTokenizer } from './text-tokenizer.ts';

export interface Prompt {
  readonly question: string;
  /** As rendered, the image placeholder once. */
  readonly text: string;
  readonly templateSource: string;
  /** The decoder's positions; visual ones hold the image token's id. */
  readonly ids: readonly number[];
  readonly visual: { readonly first: number; readonly count: number };
  /** Text tokens only, by position. */
  readonly tokens: readonly TraceToken[];
}

const largestQuestion = 100_000;

/**
 * @throws FoveaError `question-invalid`, `question-too-long`, or `checkpoint-malformed` when tokenizer, template and
 * config do not agree on the image placeholder
 */
export function buildPrompt(
  question: string,
  maxNewTokens: number,
  model: ModelConfig,
  tokenizer: TextTokenizer,
  template: ChatTemplate,
): Prompt {
  const asked = question.trim();
  const imageToken = placeholderOf(model, tokenizer);
  checkQuestion(asked, imageToken, tokenizer);
  const rendered = renderPrompt(template, tokenizer, imageToken, asked);
  const textIds = tokenize(rendered.text, imageToken, model, tokenizer);
  const first = textIds.indexOf(model.imageTokenId);
  const count = visualTokenCount(model);
  checkLength(textIds.length - 1, count, maxNewTokens, longestSequence(model.decoder));
  const ids = [
    ...textIds.slice(0, first),
    ...Array<number>(count).fill(model.imageTokenId),
    ...textIds.slice(first + 1),
  ];
  return {
    question: asked,
    text: rendered.text,
    templateSource: rendered.templateSource,
    ids,
    visual: { first, count },
    tokens: describeTokens(textIds, rendered, imageToken, model, tokenizer, count),
  };
}

/** @throws FoveaError `checkpoint-malformed` */
function placeholderOf(model: ModelConfig, tokenizer: TextTokenizer): string {
  if (model.imageTokenId < 0) return imagePlaceholder;
  const token = tokenizer.entry(model.imageTokenId);
  if (token !== undefined) return token;
  throw new FoveaError(
    'checkpoint-malformed',
    `The tokenizer has no token ${model.imageTokenId}, which config.json names as the image placeholder.`,
    'Use the tokenizer files that belong to this checkpoint.',
  );
}

/** Ids with the image's in one place. @throws FoveaError `checkpoint-malformed` */
function tokenize(text: string, imageToken: string, model: ModelConfig, tokenizer: TextTokenizer): number[] {
  const bos = tokenizer.namedToken('bos_token');
  const startsItself = bos !== undefined && bos !== '' && text.startsWith(bos);
  if (model.imageTokenId < 0) {
    // As tokenizer_image_token of LLaVA's own code: what comes before and after the image is tokenized apart.
    const [before = '', after = ''] = text.split(imageToken);
    return [...tokenizer.encode(before, !startsItself), model.imageTokenId, ...tokenizer.encode(after, false)];
  }
  const ids = tokenizer.encode(text, !startsItself);
  if (ids.filter(id => id === model.imageTokenId).length === 1) return ids;
  throw new FoveaError(
    'checkpoint-malformed',
    `The tokenizer does not turn the image placeholder ${imageToken} into the one token ${model.imageTokenId}.`,
    'Use the tokenizer files that belong to this checkpoint.',
  );
}

function checkQuestion(question: string, imageToken: string, tokenizer: TextTokenizer): void {
  if (question === '')
    throw new FoveaError('question-invalid', 'The question is empty.', 'Ask something about the image.');
  const bytes = Buffer.byteLength(question);
  if (bytes > largestQuestion) {
    throw new FoveaError(
      'question-too-long',
      `The question has ${Math.round(bytes / 1000)} kB; at most ${largestQuestion / 1000} kB are read.`,
      'Ask a shorter question.',
    );
  }
  const special = [imageToken, ...tokenizer.specialTexts].find(text => text !== '' && question.includes(text));
  if (special === undefined) return;
  const meaning = special === imageToken ? 'the placeholder of the image' : 'a special token of this model';
  throw new FoveaError(
    'question-invalid',
    `The question contains "${special}", ${meaning}.`,
    'Remove it; the chat template writes all special tokens itself.',
  );
}

/** Dynamically scaled RoPE stretches to `factor` times the positions that the config names; others name their limit. */
function longestSequence({ rope, maxPositions }: ModelConfig['decoder']): number {
  return rope.kind === 'dynamic' ? Math.floor(maxPositions * rope.factor) : maxPositions;
}

function checkLength(textTokens: number, visualTokens: number, maxNewTokens: number, maxPositions: number): void {
  const needed = textTokens + visualTokens + maxNewTokens;
  if (needed <= maxPositions) return;
  const room = maxPositions - textTokens - visualTokens;
  throw new FoveaError(
    'question-too-long',
    `The run would need ${needed} positions (${textTokens} of text, ${visualTokens} of the image, ${maxNewTokens} for the answer); the model has ${maxPositions}.`,
    room >= 1
      ? `Ask a shorter question, or allow an answer of at most ${room} tokens.`
      : `Shorten the question by ${1 - room} tokens or more.`,
  );
}

function describeTokens(
  textIds: readonly number[],
  rendered: { readonly text: string; readonly question: readonly [number, number] },
  imageToken: string,
  model: ModelConfig,
  tokenizer: TextTokenizer,
  visualTokens: number,
): TraceToken[] {
  const decoder = tokenizer.startDecoding();
  const tokens: TraceToken[] = [];
  let cursor = 0;
  let position = 0;
  for (const [index, id] of textIds.entries()) {
    const pushed = decoder.push(id);
    const text = id === model.imageTokenId ? imageToken : pushed;
    const special = tokenizer.specialText(id);
    const [start, end] = findSpan(rendered.text, cursor, text, special !== undefined);
    cursor = end;
    if (id === model.imageTokenId) {
      position += visualTokens;
      continue;
    }
    // The tokenizer writes it, and the configs of some fine-tuned checkpoints still name another model's.
    const bos =
      index === 0 &&
      (id === model.bosTokenId || (special !== undefined && special === tokenizer.namedToken('bos_token')));
    tokens.push({ id, text, role: bos ? 'bos' : roleOf(start, end, rendered.question), position });
    position++;
  }
  return tokens;
}

function roleOf(start: number, end: number, question: readonly [number, number]): TokenRole {
  const inside = start === end ? start >= question[0] && start < question[1] : start < question[1] && end > question[0];
  return inside ? 'question' : 'system';
}

/** How far a token whose text a normaliser changed may lie ahead. */
const lookahead = 64;

/**
 * Characters of the prompt that a token stands for. Tokenizers add spaces at the start of a text, swallow them beside
 * special tokens, and may normalise; a token found nowhere near stands for nothing.
 */
function findSpan(prompt: string, cursor: number, text: string, special: boolean): readonly [number, number] {
  if (text === '' || prompt.startsWith(text, cursor)) return [cursor, cursor + text.length];
  const bare = text.trimStart();
  if (bare !== '' && prompt.startsWith(bare, cursor)) return [cursor, cursor + bare.length];
  const afterSpace = cursor + (/^\s*/.exec(prompt.slice(cursor, cursor + lookahead))?.[0].length ?? 0);
  if (bare !== '' && prompt.startsWith(bare, afterSpace)) return [afterSpace, afterSpace + bare.length];
  const found = special || bare === '' ? -1 : prompt.slice(cursor, cursor + lookahead).indexOf(bare);
  return found < 0 ? [cursor, cursor] : [cursor + found, cursor + found + bare.length];
}
