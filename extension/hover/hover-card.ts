/** The card as Markdown, within what VS Code's renderer keeps: `span` with hex colours, `img` with data, links. */
import type { RunSummary } from '../runs/run-index.ts';
import { plainMarkdown } from '../plain-words.ts';
import { shortened } from './shortened.ts';
import type { AnswerToken, Picture, RunDetails } from './run-details.ts';
import type { ConditionResult } from './question-results.ts';
import { shade } from './shade.ts';
import type { TokenFates } from './token-fates.ts';

export interface CardLink {
  readonly label: string;
  /** `command:…` with its arguments encoded. */
  readonly target: string;
}

export interface CardOptions {
  readonly run: RunSummary;
  readonly details: RunDetails;
  /** Empty where commands may not be offered. */
  readonly links: readonly CardLink[];
  /** What evaluations say of the question whose line is hovered. */
  readonly results?: readonly ConditionResult[];
  /** Whether the picture itself is shown beside the overlay: not where VS Code's own hover does. */
  readonly withThumbnail: boolean;
  /** Language tag for dates and numbers. */
  readonly locale: string;
  readonly now: Date;
  /** Puts `{0}` … into a text in the user's language, like `vscode.l10n.t`. */
  readonly translate: (text: string, ...values: string[]) => string;
}

/** Characters. A long card stalls VS Code's renderer; it cuts text off at 100 000. */
export const cardLimit = 40_000;

const lineBreak = '  \n';

/** Over the limit, the second picture is dropped first, then the overlay, then the colours. */
export function hoverCard(options: CardOptions): string {
  const { details, withThumbnail } = options;
  const { overlay, thumbnail, reduction } = details;
  const second = reduction?.picture ?? (withThumbnail || !overlay ? thumbnail : undefined);
  const plain = { ...details, answer: [] };
  const attempts: readonly (readonly [RunDetails, readonly Picture[]])[] = [
    [details, [...(overlay ? [overlay] : []), ...(second ? [second] : [])]],
    [details, overlay ? [overlay] : []],
    [details, []],
    [plain, []],
  ];
  let card = '';
  for (const [shown, pictures] of attempts) {
    card = compose(options, shown, pictures);
    if (card.length < cardLimit) break;
  }
  return card;
}

function compose(options: CardOptions, details: RunDetails, pictures: readonly Picture[]): string {
  const { run, links } = options;
  const head = [
    headline(options),
    `_${plainMarkdown(shortened(run.metadata.question.trim(), 300))}_`,
    links.map(({ label, target }) => `[${plainMarkdown(label)}](${target})`).join(' &nbsp; '),
  ];
  // VS Code shows the first 250 pixels of a hover; the rest is reached by scrolling.
  const parts = [
    head.filter(line => line !== '').join(lineBreak),
    pictureRow(pictures, options),
    details.reduction ? reductionLine(details.reduction.fates, options) : '',
    resultLines(options.results ?? [], options),
    details.answer.length > 0 ? shadedAnswer(details, options) : plainMarkdown(shortened(run.metadata.answer, 1000)),
  ];
  return parts.filter(part => part !== '').join('\n\n');
}

function headline({ run, locale, now, translate }: CardOptions): string {
  const { answer, model, method, created } = run.metadata;
  const title = answer.trim() === '' ? translate('no answer') : shortened(answer.replace(/\s+/g, ' ').trim(), 48);
  const facts = [
    shortened(model.name, 60),
    timeOf(new Date(created), now, locale, translate),
    method.name === 'none' ? translate('no pruning') : shortened(methodName(method), 60),
  ];
  return `**${plainMarkdown(title)}** ${facts.map(plainMarkdown).join(', ')}`;
}

function timeOf(time: Date, now: Date, locale: string, translate: CardOptions['translate']): string {
  if (Number.isNaN(time.getTime())) return translate('unknown time');
  const clock = time.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit' });
  if (time.toDateString() === now.toDateString()) return translate('today {0}', clock);
  return `${time.toLocaleDateString(locale, { dateStyle: 'medium' })} ${clock}`;
}

function shadedAnswer({ answer, leftOut }: RunDetails, { locale, translate }: CardOptions): string {
  const maximum = Math.max(...answer.map(({ imageShare }) => imageShare));
  const spans = answer.map((token, index) => span(token, index, maximum)).join('');
  const rest = leftOut > 0 ? ` … ${translate('{0} more tokens', String(leftOut))}` : '';
  const percent = new Intl.NumberFormat(locale, { style: 'percent', maximumSignificantDigits: 2 }).format(maximum);
  const scale = translate('shade: attention on the image, 0 to {0}, mean of layers and heads', percent);
  return `${spans}${plainMarkdown(rest)}${lineBreak}${plainMarkdown(scale)}`;
}

/** The renderer keeps a style only as `color`, then `background-color`, in hex, each with its semicolon. */
function span({ text, imageShare }: AnswerToken, index: number, maximum: number): string {
  const { ground, ink } = shade(maximum > 0 ? imageShare / maximum : 0);
  const shown = plainMarkdown(index === 0 ? text.trimStart() : text);
  return shown === '' ? '' : `<span style="color:${ink};background-color:${ground};">${shown}</span>`;
}

function pictureRow(
  pictures: readonly Picture[],
  { details: { overlay, reduction }, locale, translate }: CardOptions,
): string {
  if (pictures.length === 0) return '';
  const images = pictures.map(picture => {
    const alt =
      picture === overlay
        ? translate('Attention of the answer on the image')
        : picture === reduction?.picture
          ? translate('Patches that were kept, merged (outlined) and dropped (hatched)')
          : translate('The image');
    return `<img src="${picture.uri}" width="${picture.width}" height="${picture.height}" alt="${plainMarkdown(alt)}">`;
  });
  const row = images.join(' ');
  if (!overlay || !pictures.includes(overlay)) return row;
  const maximum = new Intl.NumberFormat(locale, { maximumSignificantDigits: 2 }).format(overlay.maximum);
  const scale = translate(
    'attention of the answer, layer {0}, mean of {1} heads, probability 0 to {2}',
    `D${overlay.layer}`,
    String(overlay.modelHeads),
    maximum,
  );
  return `${row}${lineBreak}${plainMarkdown(scale)}`;
}

function methodName({ name, title, variant }: RunSummary['metadata']['method']): string {
  return `${title ?? name}${variant === undefined ? '' : ` (${variant})`}`;
}

function reductionLine(fates: TokenFates, { locale, translate }: CardOptions): string {
  const text = translate(
    'visual tokens {0} to {1}, {2} enter a layer in the mean; patches: {3} kept, {4} merged, {5} dropped',
    String(fates.before),
    String(fates.after),
    new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }).format(fates.meanEntering),
    String(fates.kept),
    String(fates.merged),
    String(fates.dropped),
  );
  return plainMarkdown(text);
}

const mostResults = 24;

/** Right and wrong in words, too: signs alone are not read out. @returns empty without results */
export function resultLines(
  results: readonly ConditionResult[],
  { translate }: Pick<CardOptions, 'translate'>,
): string {
  const lines = results.slice(0, mostResults).map(({ title, budget, correct, answer }) => {
    const name = budget === undefined ? title : translate('{0} at {1} tokens', title, String(budget));
    const verdict = correct ? translate('✓ right') : translate('✗ wrong');
    return plainMarkdown(`${verdict}: ${shortened(name, 60)}, “${shortened(answer.replace(/\s+/g, ' ').trim(), 80)}”`);
  });
  const rest = results.length - lines.length;
  return [...lines, ...(rest > 0 ? [plainMarkdown(translate('and {0} more', String(rest)))] : [])].join(lineBreak);
}
