import { select } from 'd3';
import type { TraceToken } from '../../trace/schema.ts';
import { tableColumn, type ChartTables, type TableData } from '../charts.ts';
import { element, setText } from '../element.ts';
import { tokenProbability, visibleToken } from '../format.ts';
import { measureHover } from '../measures.ts';
import type { PairScene, Side } from './pair-scene.ts';

interface Entry {
  readonly letter: 'a' | 'b';
  readonly token: TraceToken;
  /** Index into the answer. */
  readonly index: number;
  /** Index into the aligned pairs. */
  readonly pair: number;
  readonly same: boolean;
  readonly before: TraceToken | undefined;
}

export interface AnswersActions {
  hover(pair: number | null): void;
  /** Locks the pair, or gives it back. */
  toggle(pair: number): void;
  move(step: number): void;
}

/** The answers of A and B, token by token, one above the other. */
export class Answers {
  readonly element: HTMLElement;
  private readonly rows: Readonly<Record<'a' | 'b', HTMLElement>>;
  private readonly notes: Readonly<Record<'a' | 'b', HTMLElement>>;
  private readonly parting = element('p', { class: 'compare-parting small dim', 'data-testid': 'compare-parting' });
  private readonly list: HTMLElement;
  private scene: PairScene | null = null;
  private filled = '';
  private inView = '';

  constructor(
    private readonly actions: AnswersActions,
    tables: ChartTables,
  ) {
    const row = (letter: 'a' | 'b'): HTMLElement =>
      element('span', {
        class: 'tokens',
        role: 'group',
        'aria-label': `Answer ${letter.toUpperCase()}`,
        'data-testid': `compare-answer-${letter}`,
      });
    const note = (letter: 'a' | 'b'): HTMLElement =>
      element('span', { class: 'note', 'data-testid': `compare-token-${letter}` });
    this.rows = { a: row('a'), b: row('b') };
    this.notes = { a: note('a'), b: note('b') };
    const line = (letter: 'a' | 'b'): HTMLElement =>
      element(
        'div',
        { class: 'token-row', role: 'presentation' },
        element(
          'span',
          { class: `row-label letter-${letter}`, 'aria-hidden': 'true' },
          `Answer ${letter.toUpperCase()}`,
        ),
        this.rows[letter],
      );
    this.list = element(
      'div',
      {
        class: 'token-rows',
        role: 'listbox',
        tabindex: 0,
        'aria-label': 'Answers of A and B',
        'data-testid': 'compare-answers',
      },
      line('a'),
      line('b'),
    );
    this.element = element(
      'section',
      { class: 'strip compare-answers', 'aria-label': 'Answers' },
      this.list,
      element('div', { class: 'notes' }, this.notes.a, this.notes.b),
      this.parting,
    );
    this.listen();
    tables.add(this.element, this.list, () => this.table());
  }

  draw(scene: PairScene): void {
    this.scene = scene;
    const key = `${scene.a.run.address}\n${scene.b.run.address}\n${scene.a.run.metadata.id}\n${scene.b.run.metadata.id}`;
    if (key !== this.filled) {
      this.filled = key;
      this.inView = '';
      this.fill(scene);
    }
    const { pair, base } = scene;
    select(this.list)
      .selectAll<HTMLSpanElement, Entry>('.token')
      .each(function (entry) {
        const chosen = entry.pair === pair;
        this.classList.toggle('chosen', chosen);
        this.classList.toggle('locked', chosen && base.selection.tokenLocked);
        this.setAttribute('aria-selected', String(chosen));
      });
    const aligned = scene.pairs[pair];
    const active = aligned?.first === undefined ? `compare-b-${aligned?.second}` : `compare-a-${aligned.first}`;
    if (aligned) this.list.setAttribute('aria-activedescendant', active);
    else this.list.removeAttribute('aria-activedescendant');
    this.note('a', scene.a);
    this.note('b', scene.b);
    if (aligned && this.inView !== String(pair)) {
      this.inView = String(pair);
      for (const id of [`compare-a-${aligned.first}`, `compare-b-${aligned.second}`])
        document.getElementById(id)?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    }
  }

  private fill({ a, b, pairs }: PairScene): void {
    const entries = (letter: 'a' | 'b', { run }: Side): Entry[] => {
      const { tokens, promptTokens } = run.metadata;
      return pairs.flatMap(({ first, second, same }, pair): Entry[] => {
        const index = letter === 'a' ? first : second;
        const token = index === undefined ? undefined : tokens[promptTokens + index];
        if (index === undefined || !token) return [];
        return [
          { letter, token, index, pair, same, before: index === 0 ? undefined : tokens[promptTokens + index - 1] },
        ];
      });
    };
    for (const [letter, side] of [
      ['a', a],
      ['b', b],
    ] as const)
      select(this.rows[letter])
        .selectAll<HTMLSpanElement, Entry>('.token')
        .data(entries(letter, side), entry => `${letter} ${entry.index} ${entry.pair} ${entry.token.text}`)
        .join(enter => enter.append(entry => option(entry)))
        .order()
        .each(function (entry) {
          // The same element may stand for another pair of the same texts.
          describe(this, entry);
        });
    setText(this.parting, partingWords(a, b, pairs));
  }

  private note(letter: 'a' | 'b', side: Side): void {
    const { run, token } = side;
    const found = token === undefined ? undefined : run.metadata.tokens[token];
    const words = found ? tokenWords(found) : 'no token in this place';
    setText(this.notes[letter], `${letter.toUpperCase()}: ${words}`);
    this.notes[letter].title = this.notes[letter].textContent;
  }

  private listen(): void {
    const pairOf = (event: Event): number | null => {
      const token = event.target instanceof Element ? event.target.closest<HTMLElement>('.token') : null;
      return token ? Number(token.dataset['pair']) : null;
    };
    this.list.addEventListener('pointerover', event => {
      measureHover(() => {
        this.actions.hover(pairOf(event));
      });
    });
    this.list.addEventListener('pointerleave', () => {
      this.actions.hover(null);
    });
    this.list.addEventListener('click', event => {
      const pair = pairOf(event);
      if (pair !== null) this.actions.toggle(pair);
    });
    this.list.addEventListener('keydown', event => {
      if (!this.scene) return;
      const { pair, pairs } = this.scene;
      if (event.key === 'Home') this.actions.move(-pair);
      else if (event.key === 'End') this.actions.move(pairs.length - 1 - pair);
      else if (event.key === 'Enter') this.actions.toggle(pair);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  private table(): TableData {
    const columns = [
      tableColumn('A', false),
      tableColumn('probability'),
      tableColumn('log'),
      tableColumn('B', false),
      tableColumn('probability'),
      tableColumn('log'),
      tableColumn('', false),
    ];
    if (!this.scene) return { caption: 'Answers', columns, rows: [] };
    const { a, b, pairs } = this.scene;
    const cells = ({ run }: Side, index: number | undefined): string[] => {
      const token = index === undefined ? undefined : run.metadata.tokens[run.metadata.promptTokens + index];
      if (!token) return ['', '', ''];
      return [visibleToken(token.text), ...numbers(token)];
    };
    return {
      caption: 'Answers of A and B, token by token',
      columns,
      rows: pairs.map(({ first, second, same }) => [...cells(a, first), ...cells(b, second), same ? '' : 'differs']),
    };
  }
}

const logText = (value: number): string => value.toFixed(3).replace('-', '−');

function numbers({ logprob }: TraceToken): [string, string] {
  return logprob === undefined ? ['', ''] : [tokenProbability(Math.exp(logprob)), logText(logprob)];
}

/** “yellow” 0.6211, log −0.476 */
export function tokenWords(token: TraceToken): string {
  const [p, log] = numbers(token);
  return `“${visibleToken(token.text)}”${p === '' ? '' : ` ${p}, log ${log}`}`;
}

/** Where the two answers part, with the probability of each way. */
function partingWords(a: Side, b: Side, pairs: PairScene['pairs']): string {
  const legend = 'framed: not in the other answer · bar: probability';
  const parting = pairs.findIndex(({ same }) => !same);
  if (pairs.length === 0) return 'Neither has an answer.';
  if (parting < 0) return `The answers are the same, token by token · bar: probability`;
  const { first, second } = pairs[parting]!;
  const words = ({ run }: Side, index: number | undefined): string => {
    const token = index === undefined ? undefined : run.metadata.tokens[run.metadata.promptTokens + index];
    return token ? tokenWords(token) : 'nothing more';
  };
  return `they part at token ${parting}: A ${words(a, first)}, B ${words(b, second)} · ${legend}`;
}

function option(entry: Entry): HTMLSpanElement {
  const { token, before } = entry;
  const created = element('span', { class: 'token', role: 'option', dir: 'auto', 'data-testid': 'compare-token' });
  created.append(element('span', { class: 'text' }, visibleToken(token.text)));
  const continues = /^[\p{L}\p{N}]/u.test(token.text) && /[\p{L}\p{N}]$/u.test(before?.text ?? '');
  created.classList.toggle('continues', continues);
  created.classList.toggle('template', /^<.*>$/.test(token.text));
  if (token.logprob !== undefined) {
    const bar = element('b');
    bar.style.width = `${Math.exp(token.logprob) * 100}%`;
    created.append(element('i', { 'aria-hidden': 'true' }, bar));
  }
  return created;
}

function describe(created: HTMLSpanElement, { letter, token, index, pair, same }: Entry): void {
  created.id = `compare-${letter}-${index}`;
  created.dataset['pair'] = String(pair);
  created.dataset['index'] = String(index);
  created.classList.toggle('differs', !same);
  const p = token.logprob === undefined ? '' : `, probability ${tokenProbability(Math.exp(token.logprob))}`;
  const only = same ? '' : ', not in the other answer';
  created.setAttribute(
    'aria-label',
    `${visibleToken(token.text)}, answer ${letter.toUpperCase()} token ${index}${p}${only}`,
  );
}
