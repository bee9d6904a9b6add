import { rowCount, type RunMetadata } from '../../trace/schema.ts';
import { visibleToken } from '../format.ts';

type Tokens = Pick<RunMetadata, 'tokens' | 'promptTokens' | 'visual'>;

/** The row that is shown for a token, or why there is none. */
export interface ShownRow {
  /** Index on the axis `rows`; undefined when this token was never a query. */
  readonly row: number | undefined;
  readonly kind: 'predicts' | 'own';
  /** For a title: "row that predicts it" or "its own row". */
  readonly words: string;
  /** Set when the row comes before the image, which it therefore could not read. */
  readonly beforeImage: boolean;
}

/** Whether both the row that predicts the token and its own row were recorded. */
export function hasBothRows(token: number, run: Tokens): boolean {
  return token >= run.promptTokens && token < rowCount(run);
}

/**
 * A generated token is read through the row that predicts it, the query one position earlier, or through its own row;
 * a token of the prompt was not predicted, so it has its own row only. The last token was never fed back.
 */
export function shownRow(token: number, wanted: 'predicts' | 'own', run: Tokens): ShownRow {
  const generated = token >= run.promptTokens;
  const own = !generated || (wanted === 'own' && hasBothRows(token, run));
  const index = own ? token : token - 1;
  const row = index >= 0 && index < rowCount(run) ? index : undefined;
  return {
    row,
    kind: own ? 'own' : 'predicts',
    words: own ? 'its own row' : 'row that predicts it',
    beforeImage: row !== undefined && run.tokens[row]!.position < run.visual.first,
  };
}

/** “apple”, with quotes; blanks and line feeds as signs. */
export function quoted(text: string): string {
  return `“${visibleToken(text)}”`;
}

/** row of “picture” · row that predicts “apple” */
export function rowName(token: number, kind: 'predicts' | 'own', run: Tokens): string {
  const text = quoted(run.tokens[token]?.text ?? '');
  return kind === 'own' ? `row of ${text}` : `row that predicts ${text}`;
}

/** answer token 6 of 28, or: prompt token 4 */
export function tokenPlace(token: number, run: Tokens): string {
  return token < run.promptTokens
    ? `prompt token ${token}`
    : `answer token ${token - run.promptTokens} of ${run.tokens.length - run.promptTokens}`;
}
