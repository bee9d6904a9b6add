import { tableColumn, type TableData } from '../charts.ts';
import { placeWords, notReading } from '../cross-attention/cross-scene.ts';
import { headWords } from '../cross-attention/cross-overlay.ts';
import { largestOf } from '../cross-attention/largest.ts';
import { inputWords } from '../cross-attention/words.ts';
import { canvasRatio, element, fitCanvas, setText } from '../element.ts';
import { probability, share } from '../format.ts';
import { measureHover } from '../measures.ts';
import type { PanelContext } from '../panel-context.ts';
import type { Scene } from '../scene.ts';

const gap = 6;
const [largest, smallest] = [112, 40];
const mostRows = 3;
const barHeight = 5;

interface Cell {
  readonly button: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  readonly bar: HTMLElement;
  readonly number: HTMLElement;
  readonly share: HTMLElement;
}

/** All frames side by side, each as bright as the shown word's attention to it; one of them is drawn large. */
export class FilmStrip {
  readonly element: HTMLElement;
  readonly body = element('div', {
    class: 'film-strip',
    role: 'listbox',
    tabindex: 0,
    'data-testid': 'film-strip',
  });
  private readonly note = element('small', { 'data-testid': 'film-note' });
  private readonly cells: readonly Cell[];
  private scene: Scene | null = null;
  private drawn = '';

  constructor(private readonly context: PanelContext) {
    const { frames } = context.metadata.crossAttention!;
    this.cells = frames.map((frame, index) => this.cell(index, frame.name));
    this.body.append(...this.cells.map(({ button }) => button));
    this.element = element(
      'div',
      { class: 'film-chart' },
      element('div', { class: 'chart-title' }, element('h2', {}, 'Which frames the word read'), this.note),
      this.body,
    );
    this.listen();
  }

  draw(scene: Scene): void {
    this.scene = scene;
    const { cross, layout, theme, words, focus, selection } = scene;
    const key = `${cross?.key} ${focus.head} ${focus.token} ${layout.canvasWidth} ${theme.scheme} ${theme.highContrast} ${selection.frame} ${canvasRatio()}`;
    if (!cross || key === this.drawn) return;
    this.drawn = key;
    const { shares } = cross;
    setText(
      this.note,
      shares
        ? `${words.subject}, ${placeWords(cross)}, ${shareHead(scene)}: share of cross-attention on each of ${inputWords(cross.run.described)}`
        : notReading(cross, focus.layers.last),
    );
    this.note.title = this.note.textContent;
    this.body.setAttribute('aria-label', `Frames, ${this.note.textContent}`);
    const most = shares ? largestOf(shares) : 0;
    const size = sizeFor(this.cells.length, layout.canvasWidth);
    this.cells.forEach((cell, index) => {
      const value = shares?.[index] ?? 0;
      cell.button.style.width = `${size}px`;
      const context = fitCanvas(cell.canvas, size, size);
      context.clearRect(0, 0, size, size);
      context.imageSmoothingQuality = 'high';
      const picture = cross.pictures[index];
      if (picture) context.drawImage(picture, 0, 0, size, size);
      // What was not read steps back.
      context.globalAlpha = shares ? 0.82 * (1 - (most > 0 ? value / most : 0)) : 0.82;
      context.fillStyle = theme.colour('--vscode-editor-background');
      context.fillRect(0, 0, size, size);
      context.globalAlpha = 1;
      cell.bar.style.width = `${most > 0 ? (value / most) * 100 : 0}%`;
      setText(cell.share, shares && size >= 36 ? shortShare(value, size) : '');
      const chosen = index === cross.frame;
      cell.button.classList.toggle('chosen', chosen);
      cell.button.classList.toggle('locked', selection.frame === index);
      cell.button.setAttribute('aria-selected', String(chosen));
      cell.button.setAttribute('aria-label', `Frame ${index + 1}${shares ? `, ${share(value)}` : ''}`);
    });
    this.body.setAttribute('aria-activedescendant', `frame-${cross.frame}`);
  }

  table(): TableData {
    const { frames } = this.context.metadata.crossAttention!;
    const cross = this.scene?.cross;
    return {
      caption: `Cross-attention by frame: ${this.note.textContent}`,
      columns: [tableColumn('frame'), tableColumn('name', false), tableColumn('of all'), tableColumn('share')],
      rows: frames.map(({ name, number }, index) => [
        String(index + 1),
        name,
        String(number),
        cross?.shares ? probability(cross.shares[index]!) : '',
      ]),
    };
  }

  private cell(index: number, name: string): Cell {
    const canvas = element('canvas', { 'aria-hidden': 'true' });
    const bar = element('b', {});
    const number = element('span', { class: 'frame-number' }, String(index + 1));
    const value = element('span', { class: 'frame-share' });
    const button = element(
      'div',
      {
        class: 'frame',
        role: 'option',
        id: `frame-${index}`,
        'data-testid': 'frame',
        'data-frame': index,
        title: name,
      },
      canvas,
      element('span', { class: 'frame-bar', 'aria-hidden': 'true' }, bar),
      element('span', { class: 'frame-words', 'aria-hidden': 'true' }, number, value),
    );
    return { button, canvas, bar, number, share: value };
  }

  private listen(): void {
    const { hover, selection } = this.context;
    const frameOf = (event: Event): number | null => {
      const option = event.target instanceof Element ? event.target.closest<HTMLElement>('.frame') : null;
      return option ? Number(option.dataset['frame']) : null;
    };
    this.body.addEventListener('pointerover', event => {
      measureHover(() => {
        hover.set({ frame: frameOf(event) });
      });
    });
    this.body.addEventListener('pointerleave', () => {
      hover.set({ frame: null });
    });
    this.body.addEventListener('click', event => {
      const frame = frameOf(event);
      if (frame !== null) selection.set({ frame: selection.get().frame === frame ? null : frame });
    });
    this.body.addEventListener('keydown', event => {
      if (event.ctrlKey || event.metaKey || event.altKey || !this.scene?.cross) return;
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const now = selection.get().frame ?? this.scene.cross.frame;
      if (step !== undefined) selection.set({ frame: Math.max(0, Math.min(this.cells.length - 1, now + step)) });
      else if (event.key === 'Escape' && selection.get().frame !== null) selection.set({ frame: null });
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }
}

/** The largest side at which all frames fit a few rows. */
function sizeFor(frames: number, width: number): number {
  for (let side = largest; side > smallest; side -= 4) {
    const inRow = Math.max(1, Math.floor((width + gap) / (side + gap)));
    const rows = Math.ceil(frames / inRow);
    if (rows * (side + barHeight + 22) <= largest + barHeight + 26 + (frames > 8 ? 60 : 0) && rows <= mostRows)
      return side;
  }
  return smallest;
}

function shortShare(value: number, size: number): string {
  return size >= 64 ? share(value) : `${Math.round(value * 100)}%`;
}

/** Shares are kept by head even where maps are not. */
function shareHead(scene: Scene): string {
  const { cross, focus } = scene;
  return cross ? headWords({ ...cross, head: cross.run.headOf(focus.head, 'shares') }) : '';
}
