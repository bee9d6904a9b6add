import { select, type Selection as D3Selection } from 'd3';
import type { TraceToken } from '../../trace/schema.ts';
import { tableColumn, type ChartTables } from '../charts.ts';
import { linkButton } from '../controls.ts';
import { element, setText } from '../element.ts';
import type { StripFace } from '../faces.ts';
import { count, tokenProbability, visibleToken } from '../format.ts';
import { measureHover } from '../measures.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { Scene } from '../scene.ts';

interface Entry {
  readonly token: TraceToken;
  readonly index: number;
}

const chance = (token: TraceToken): number | undefined =>
  token.logprob === undefined ? undefined : Math.exp(token.logprob);

/** The generation axis: prompt and answer token by token. */
export class TokenStrip implements Region {
  readonly element: HTMLElement;
  private readonly options: D3Selection<HTMLSpanElement, Entry, HTMLElement, unknown>;
  private readonly promptNote = element('span', { class: 'note', 'data-testid': 'colour-note' });
  private readonly list: HTMLElement;
  private readonly image = element('span', { class: 'image-tokens', 'data-testid': 'image-tokens' });
  private drawn: readonly string[] = [];
  private inView = -1;

  constructor(
    private readonly context: PanelContext,
    tables: ChartTables,
    private readonly faceOf: (view: string) => StripFace,
  ) {
    const { metadata } = context;
    const entries = metadata.tokens.map((token, index): Entry => ({ token, index }));
    const prompt = element('span', { class: 'tokens', role: 'group', 'aria-label': 'Prompt' });
    const answer = element('span', { class: 'tokens', role: 'group', 'aria-label': 'Answer', 'data-testid': 'answer' });
    const row = (label: string, tokens: HTMLElement): HTMLElement =>
      element(
        'div',
        { class: 'token-row', role: 'presentation' },
        element('span', { class: 'row-label', 'aria-hidden': 'true' }, label),
        tokens,
      );
    this.list = element(
      'div',
      { class: 'token-rows', role: 'listbox', tabindex: 0, 'aria-label': 'Tokens', 'data-testid': 'tokens' },
      row('Prompt', prompt),
      row('Answer', answer),
    );
    this.options = select(this.list)
      .selectAll<HTMLSpanElement, Entry>('.token')
      .data(entries)
      .join<HTMLSpanElement>('span')
      .attr('class', 'token')
      .attr('role', 'option')
      .attr('dir', 'auto');
    this.options.each(function (entry) {
      describe(this, entry, metadata.promptTokens, metadata.tokens[entry.index - 1]);
    });
    this.place(prompt, answer);
    const notes = element('div', { class: 'notes' }, this.promptNote, this.answerNote());
    this.element = element('section', { class: 'strip', 'aria-label': 'Token strip' }, this.list, notes);
    this.listen();
    tables.add(this.element, this.list, () => this.table(), { title: 'Tokens' });
  }

  draw(scene: Scene): void {
    const face = this.faceOf(scene.selection.view);
    const colours = face.colours(scene);
    setText(this.promptNote, face.note(scene));
    this.promptNote.title = this.promptNote.textContent;
    setText(this.image, face.image(scene));
    const before = this.drawn;
    this.options.each(function ({ index }) {
      this.classList.toggle('marked', face.marked(scene, index));
      const colour = colours[index]!;
      if (colour === before[index]) return;
      const [background = '', ink = ''] = colour.split('/');
      this.style.backgroundColor = background;
      this.style.color = ink;
    });
    this.drawn = colours;
    this.mark(scene.focus.token);
  }

  /** Shows which token is meant, also while its row is still being read. */
  mark(token: number): void {
    const { token: selected, tokenLocked } = this.context.selection.get();
    const { promptTokens } = this.context.metadata;
    this.options.each(function ({ index }) {
      const chosen = index === token;
      this.classList.toggle('chosen', chosen);
      this.classList.toggle('locked', chosen && tokenLocked);
      this.classList.toggle('later', index > token && index >= promptTokens);
      this.setAttribute('aria-selected', String(chosen));
    });
    this.list.setAttribute('aria-activedescendant', `token-${token}`);
    if (this.inView === selected) return;
    this.inView = selected;
    this.options.nodes()[selected]?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  private answerNote(): HTMLElement {
    const { metadata, host } = this.context;
    const note = element('span', { class: 'note' }, 'bar: probability');
    if (metadata.model.bundled) {
      const choose = linkButton('choose-model', 'Choose model…', () => {
        host.post({ type: 'command', command: 'chooseModel' });
      });
      const caveat = `${metadata.model.name} knows rendered scenes only`;
      const offer = element('span', { 'data-figure': 'none' }, ' · ', choose);
      note.append(' · ', element('span', { 'data-testid': 'caveat' }, caveat), offer);
    }
    return note;
  }

  /** Puts tokens into their rows, and the image where it lies in the sequence. */
  private place(prompt: HTMLElement, answer: HTMLElement): void {
    const { visual, promptTokens } = this.context.metadata;
    setText(this.image, `image · ${count(visual.count)} tokens`);
    const entries = this.options.data();
    const after = entries.find(({ token, index }) => token.position >= visual.first || index >= promptTokens)?.index;
    const { image } = this;
    this.options.each(function ({ index }) {
      if (index === after) prompt.append(image);
      (index < promptTokens ? prompt : answer).append(this);
    });
    if (after === undefined) prompt.append(this.image);
  }

  private listen(): void {
    const { hover, actions } = this.context;
    const tokenOf = (event: Event): number | undefined => {
      const option = event.target instanceof Element ? event.target.closest<HTMLElement>('.token') : null;
      return option ? Number(option.dataset['index']) : undefined;
    };
    this.list.addEventListener('pointerover', event => {
      measureHover(() => {
        hover.set({ token: tokenOf(event) ?? null });
      });
    });
    this.list.addEventListener('pointerleave', () => {
      hover.set({ token: null });
    });
    this.list.addEventListener('click', event => {
      const token = tokenOf(event);
      if (token !== undefined) actions.toggleToken(token);
    });
    this.list.addEventListener('keydown', event => {
      const { token } = this.context.selection.get();
      const last = this.context.metadata.tokens.length - 1;
      if (event.key === 'Home') actions.moveToken(-token);
      else if (event.key === 'End') actions.moveToken(last - token);
      else if (event.key === 'Enter') actions.toggleToken(token);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  private table(): ReturnType<Parameters<ChartTables['add']>[2]> {
    const { tokens, promptTokens } = this.context.metadata;
    return {
      caption: 'Tokens of the prompt and the answer',
      columns: [
        tableColumn('token', false),
        tableColumn('role', false),
        tableColumn('position'),
        tableColumn('probability'),
        tableColumn('alternatives', false),
      ],
      rows: tokens.map((token, index) => [
        visibleToken(token.text),
        index < promptTokens ? `prompt, ${token.role}` : 'answer',
        String(token.position),
        chance(token) === undefined ? '' : tokenProbability(chance(token)!),
        (token.alternatives ?? [])
          .map(other => `${visibleToken(other.text)} ${tokenProbability(Math.exp(other.logprob))}`)
          .join(', '),
      ]),
    };
  }
}

function describe(option: HTMLSpanElement, { token, index }: Entry, promptTokens: number, before?: TraceToken): void {
  const generated = index >= promptTokens;
  const shown = visibleToken(token.text);
  const p = chance(token);
  option.id = `token-${index}`;
  option.dataset['testid'] = 'token';
  option.dataset['index'] = String(index);
  option.dataset['role'] = token.role;
  const place = generated ? `answer token ${index - promptTokens}` : `prompt token ${index}`;
  option.setAttribute(
    'aria-label',
    `${shown}, ${place}${p === undefined ? '' : `, probability ${tokenProbability(p)}`}`,
  );
  option.append(element('span', { class: 'text' }, shown));
  // A token without a space before it continues the word of its neighbour.
  const continues =
    generated && index > promptTokens && /^[\p{L}\p{N}]/u.test(token.text) && /[\p{L}\p{N}]$/u.test(before?.text ?? '');
  option.classList.toggle('continues', continues);
  option.classList.toggle('template', token.role === 'system' || token.role === 'bos' || /^<.*>$/.test(token.text));
  if (p === undefined) return;
  const bar = element('i', { 'aria-hidden': 'true' }, element('b'));
  bar.firstElementChild?.setAttribute('data-share', p.toFixed(4));
  (bar.firstElementChild as HTMLElement).style.width = `${p * 100}%`;
  option.append(bar);
}
