/** A checkpoint's tokenizer: text to ids, and ids back to the text that each of them stands for. */
import { readdir } from 'node:fs/promises';
import { Tokenizer } from '@huggingface/tokenizers';
import { readCheckpointJson } from '../checkpoint-file.ts';
import { FoveaError } from '../errors.ts';

/** UTF-8 needs at most this many bytes a character, hence as many tokens. */
const longestCharacter = 4;
const replacementCharacter = '\uFFFD';

/** @throws FoveaError `checkpoint-missing` or `checkpoint-malformed` */
export async function loadTextTokenizer(folder: string): Promise<TextTokenizer> {
  const [tokenizer, config] = await Promise.all([
    readCheckpointJson(folder, 'tokenizer.json'),
    readCheckpointJson(folder, 'tokenizer_config.json'),
  ]);
  if (!tokenizer) {
    const sentencePiece = (await readdir(folder).catch((): string[] => [])).includes('tokenizer.model');
    throw new FoveaError(
      'checkpoint-missing',
      sentencePiece
        ? 'The model folder has no tokenizer.json, only tokenizer.model, which Fovea does not read.'
        : 'The model folder has no tokenizer.json.',
      sentencePiece
        ? `Make one, with a Python that has transformers and sentencepiece: python3 -c "from transformers import LlamaTokenizerFast as T; T.from_pretrained(r'${folder}').save_pretrained(r'${folder}')"`
        : 'Download it with the weights.',
    );
  }
  try {
    return new TextTokenizer(new Tokenizer(tokenizer, config ?? {}), config ?? {});
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FoveaError('checkpoint-malformed', `tokenizer.json cannot be used: ${reason}.`, 'Download it again.', {
      cause: error,
    });
  }
}

export class TextTokenizer {
  /** Contents of the special tokens, longest first. */
  readonly specialTexts: readonly string[];
  private readonly specials = new Map<number, string>();
  private readonly anchor: readonly number[];

  constructor(
    private readonly tokenizer: Tokenizer,
    /** `tokenizer_config.json` as it is. */
    readonly config: Readonly<Record<string, unknown>>,
  ) {
    for (const [id, token] of tokenizer.get_added_tokens_decoder()) {
      if (token.special) this.specials.set(id, token.content);
    }
    this.specialTexts = [...this.specials.values()].sort((a, b) => b.length - a.length);
    this.anchor = tokenizer.encode('a', { add_special_tokens: false }).ids.slice(-1);
  }

  /** Ids of `text`, with the tokens that the tokenizer puts around every text, such as `<s>`, where asked for. */
  encode(text: string, addSpecialTokens: boolean): number[] {
    return this.tokenizer.encode(text, { add_special_tokens: addSpecialTokens }).ids;
  }

  /** Content of a special token, such as `</s>`. */
  specialText(id: number): string | undefined {
    return this.specials.get(id);
  }

  /** Whether a token is part of an answer: no special one, and none of the ids that pad the embedding. */
  isText(id: number): boolean {
    return !this.specials.has(id) && this.entry(id) !== undefined;
  }

  /** An entry of the vocabulary as it is written there. */
  entry(id: number): string | undefined {
    return this.tokenizer.id_to_token(id);
  }

  /** A named special token of `tokenizer_config.json`, e.g. `bos_token`, which may be text or an object. */
  namedToken(name: string): string | undefined {
    const value = this.config[name];
    if (typeof value === 'string') return value;
    const content = typeof value === 'object' && value !== null && 'content' in value ? value.content : undefined;
    return typeof content === 'string' ? content : undefined;
  }

  /** Reads a sequence token by token. */
  startDecoding(): TokenDecoder {
    return new TokenDecoder(this.tokenizer, this.specials, this.anchor);
  }
}

/**
 * Text of one token after another, leading spaces kept. A character that is split over several tokens belongs to the
 * token that completes it; the ones before it have no text. The tokenizer's own decoder sees a window of tokens,
 * because what a token stands for may depend on its neighbours.
 */
export class TokenDecoder {
  private window: number[];
  private settled: number;

  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly specials: ReadonlyMap<number, string>,
    private readonly anchor: readonly number[],
  ) {
    this.window = [...anchor];
    this.settled = anchor.length;
  }

  push(id: number): string {
    const name = this.nameOutsideText(id);
    if (name !== undefined) {
      this.restart();
      return name;
    }
    this.window.push(id);
    const text = this.textAfterSettled(this.window);
    const pending = this.window.length - this.settled;
    if (text.endsWith(replacementCharacter) && pending < longestCharacter) return '';
    this.window = this.window.slice(this.settled);
    this.settled = this.window.length;
    return text;
  }

  /** What `id` would read as if it came next; bytes that complete no character are shown as `<0xE2>`. */
  peek(id: number): string {
    const name = this.nameOutsideText(id);
    if (name !== undefined) return name;
    const text = this.textAfterSettled([...this.window, id]);
    return text.endsWith(replacementCharacter) ? showBytes(this.tokenizer.id_to_token(id) ?? text) : text;
  }

  /** Special tokens read as written; ids that the vocabulary lacks, which padded embeddings allow, as numbers. */
  private nameOutsideText(id: number): string | undefined {
    return this.specials.get(id) ?? (this.tokenizer.id_to_token(id) === undefined ? `[${id}]` : undefined);
  }

  private textAfterSettled(ids: number[]): string {
    const before = this.decode(ids.slice(0, this.settled));
    return this.decode(ids).slice(before.length);
  }

  private decode(ids: number[]): string {
    return ids.length === 0 ? '' : this.tokenizer.decode(ids, { clean_up_tokenization_spaces: false });
  }

  private restart(): void {
    this.window = [...this.anchor];
    this.settled = this.anchor.length;
  }
}

let byteOfLetter: ReadonlyMap<string, number> | undefined;

/** GPT-2's byte-level alphabet: printable Latin-1 stands for itself, the other bytes for U+0100 and up. */
function byteAlphabet(): ReadonlyMap<string, number> {
  if (byteOfLetter) return byteOfLetter;
  const letters = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    letters.set(String.fromCharCode(printable ? byte : next++), byte);
  }
  byteOfLetter = letters;
  return letters;
}

/** `<0xE2><0x9C>` for a byte-level piece; anything else stays. */
function showBytes(piece: string): string {
  const bytes = Array.from(piece, letter => byteAlphabet().get(letter));
  if (/^<0x[0-9A-F]{2}>$/.test(piece) || bytes.some(byte => byte === undefined)) return piece;
  return bytes.map(byte => `<0x${byte!.toString(16).toUpperCase().padStart(2, '0')}>`).join('');
}
