import { massGroups, type MassGroup } from '../../trace/schema.ts';
import { element, setText } from '../element.ts';
import { probability, share, tokenProbability, visibleToken } from '../format.ts';
import { linkButton } from '../controls.ts';
import { aggregate } from '../attention/aggregate.ts';
import { quoted, tokenPlace } from '../attention/rows.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { Scene } from '../scene.ts';

const groupOrder: readonly MassGroup[] = ['image', 'question', 'generated', 'system', 'bos'];
export const groupName = (group: MassGroup): string => (group === 'bos' ? '<s>' : group);
const alternativesShown = 5;

interface Line {
  readonly row: HTMLElement;
  readonly name: HTMLElement;
  readonly bar: HTMLElement;
  readonly value: HTMLElement;
}

function line(className: string): Line {
  const name = element('span', { class: 'name', dir: 'auto' });
  const bar = element('b', { class: className });
  const value = element('span', { class: 'value' });
  const row = element('div', { class: 'bar-line' }, name, element('span', { class: 'bar' }, bar), value);
  return { row, name, bar, value };
}

function setLine(target: Line, name: string, value: number, text: string): void {
  setText(target.name, name);
  target.bar.style.width = `${Math.min(100, Math.max(0, value) * 100)}%`;
  setText(target.value, text);
}

/** Everything about the hovered or locked thing, as text. */
export class Readout implements Region {
  readonly element: HTMLElement;
  private readonly title = element('span', { class: 'title', dir: 'auto' });
  private readonly place = element('small');
  private readonly lock = element('span', { class: 'lock small dim', 'data-testid': 'lock' });
  private readonly nextTitle = element('div', { class: 'small dim' });
  private readonly next = Array.from({ length: alternativesShown }, () => line('probability'));
  private readonly readTitle = element('div', { class: 'small dim' });
  private readonly read = groupOrder.map(group => line(`mass-${group}`));
  private readonly detail = element('p', { class: 'small', 'data-testid': 'readout-detail' });

  constructor(context: PanelContext) {
    const unlock = linkButton('unlock', 'Esc', () => {
      context.actions.unlock();
    });
    unlock.className = 'key';
    unlock.title = 'Unlock';
    this.lock.append('locked ', unlock);
    const column = (title: HTMLElement, lines: readonly Line[], name: string): HTMLElement =>
      element('div', { class: 'bars', 'data-testid': name }, title, ...lines.map(({ row }) => row));
    this.element = element(
      'aside',
      { class: 'readout', 'data-testid': 'readout', 'aria-label': 'Readout' },
      element('div', { class: 'readout-title' }, this.title, this.place, this.lock),
      element(
        'div',
        { class: 'readout-bars' },
        column(this.nextTitle, this.next, 'alternatives'),
        column(this.readTitle, this.read, 'masses'),
      ),
      this.detail,
    );
  }

  draw(scene: Scene): void {
    const { focus, metadata, selection, shown, words } = scene;
    const vision = focus.tower === 'vision';
    const token = metadata.tokens[focus.token];
    if (!token) return;
    setText(this.title, vision ? 'CLS' : quoted(token.text));
    setText(
      this.place,
      vision
        ? `vision tower, ${words.layers}, ${words.heads}`
        : `${tokenPlace(focus.token, metadata)} · ${shown.words}`,
    );
    this.lock.classList.toggle('shown', selection.tokenLocked || selection.patch !== null);
    this.drawNext(scene);
    if (vision) this.drawVision(scene);
    else this.drawMasses(scene);
    setText(this.detail, detail(scene));
    this.detail.title = this.detail.textContent;
  }

  /** The model's own probabilities for the token that was generated, or after a token of the prompt none. */
  private drawNext({ focus, metadata, shown }: Scene): void {
    // The row of a token predicts the token after it.
    const predicted = metadata.tokens[shown.kind === 'own' ? focus.token + 1 : focus.token];
    const alternatives = predicted?.alternatives ?? [];
    const known = alternatives.length > 0;
    setText(this.nextTitle, known ? 'Next token, probability' : 'Next token: in the prompt, not predicted');
    this.next.forEach((target, i) => {
      const alternative = alternatives[i];
      target.row.classList.toggle('blank', !alternative);
      target.row.classList.toggle('given', alternative !== undefined && alternative.id === predicted?.id);
      const p = alternative ? Math.exp(alternative.logprob) : 0;
      setLine(target, alternative ? visibleToken(alternative.text) : '', p, alternative ? tokenProbability(p) : '');
    });
  }

  private drawMasses({ masses, words, selection, metadata, focus }: Scene): void {
    const heads = focus.head === 'max' ? `mean of ${metadata.model.decoder.heads} heads` : words.heads;
    setText(this.readTitle, masses ? `Read from, ${words.layers}, ${heads}` : 'Read from: never a query, no row');
    groupOrder.forEach((group, i) => {
      const target = this.read[i]!;
      const value = masses?.[massGroups.indexOf(group)] ?? 0;
      const hidden = selection.hideText && (group === 'bos' || group === 'system');
      target.row.classList.toggle('blank', !masses);
      target.row.classList.toggle('given', group === 'image');
      target.row.classList.toggle('hidden-group', hidden);
      setLine(target, groupName(group), value, masses ? share(value) : '');
      target.row.title = hidden ? 'hidden, and the rest scaled to 1' : '';
      target.value.dataset['value'] = String(value);
    });
  }

  private drawVision({ image, clsSelf, focus, metadata, words }: Scene): void {
    setText(this.readTitle, `Read from, ${words.layers}, ${words.heads}`);
    const { heads } = metadata.model.vision;
    const own = clsSelf?.subarray(focus.visionLayer * heads, (focus.visionLayer + 1) * heads) ?? [];
    const rollout = focus.visionHead === 'rollout';
    const self =
      typeof focus.visionHead === 'number'
        ? (own[focus.visionHead] ?? 0)
        : Array.from(own).reduce((sum, value) => sum + value, 0) / heads;
    const patches = rollout ? (image?.sum ?? 0) : 1 - self;
    const rows: [string, number][] = [
      ['patches', patches],
      [rollout ? 'CLS' : 'itself', 1 - patches],
    ];
    this.read.forEach((target, i) => {
      const row = rows[i];
      target.row.classList.toggle('blank', !row);
      target.row.classList.toggle('hidden-group', false);
      setLine(target, row?.[0] ?? '', row?.[1] ?? 0, row ? share(row[1]) : '');
    });
  }
}

/** About the head map under the pointer. */
function pointedHead({ focus, rowMaps }: Scene): string | undefined {
  if (!focus.pointed || !rowMaps) return undefined;
  const { layer, head } = focus.pointed;
  const map = aggregate(rowMaps, { first: layer, last: layer, over: 'mean' }, head);
  return `head ${head} of D${layer}: maximum ${probability(map.maximum)}, ${share(map.sum)} on the image`;
}

/** One sentence: about the patch that is hovered, about what is hidden, or about why there is nothing to see. */
function detail(scene: Scene): string {
  const { focus, image, geometry, shown, words, readers, metadata, selection } = scene;
  if (shown.beforeImage && focus.tower === 'decoder')
    return `The ${words.subject} comes before the image and could not look at it.`;
  const pointed = pointedHead(scene);
  if (pointed) return pointed;
  if (!image) return 'This token was never fed back to the model, so it has no row of its own.';
  const at = (patch: number): string =>
    `row ${Math.floor(patch / geometry.columns)}, column ${patch % geometry.columns}`;
  const hidden = [
    ...(image.hiddenText > 0 ? [`<s> and system ${share(image.hiddenText)}`] : []),
    ...(image.hiddenPatches > 0 ? [`outlier patches ${share(image.hiddenPatches)}`] : []),
  ];
  const before = hidden.length > 0 ? `hidden: ${hidden.join(', ')} · ` : '';
  if (focus.patch === null) return `${before}peak ${probability(image.maximum)} at ${at(image.peak)}`;
  const value = image.values[focus.patch] ?? 0;
  let rank = 1;
  for (const other of image.values) if (other > value) rank++;
  const where = at(focus.patch);
  const here = `${before}${where}: ${probability(value)}, ${rank} of ${image.values.length}`;
  if (!readers)
    return selection.layers.last - selection.layers.first >= 8
      ? `${here}. Choose one layer to see which tokens looked here.`
      : here;
  const best = readers.byToken.reduce((top, other, token) => (other > readers.byToken[top]! ? token : top), 0);
  const reader = metadata.tokens[best];
  return reader && readers.maximum > 0
    ? `${here} · most for ${quoted(reader.text)}, ${probability(readers.maximum)}`
    : here;
}
