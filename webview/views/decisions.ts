import { select } from 'd3';
import type { Stage } from '../../trace/fates.ts';
import { tableColumn, type TableData } from '../charts.ts';
import { dropdown, type Choice } from '../controls.ts';
import { element, setText } from '../element.ts';
import { count } from '../format.ts';
import { measureHover } from '../measures.ts';
import type { PanelContext } from '../panel-context.ts';
import { decisionOf, outcomeWords, reasonCounts, type Decision } from '../pruning/decision.ts';
import { drawDecision, type Box, type Drawing, type Label, type Shape } from '../pruning/decision-drawing.ts';
import type { RunFates } from '../pruning/run-fates.ts';
import { changeWords, cutoffWords, placeName, placeWords, scoreText, verdictWords } from '../pruning/stages.ts';
import type { Scene } from '../scene.ts';
import { hatchPattern, svgElement } from '../svg.ts';

const cardWidth = 142;
const cardGap = 20;
const plotHeight = 84;

interface Card {
  readonly element: HTMLElement;
  readonly svg: SVGSVGElement;
  readonly ring: SVGCircleElement;
  readonly title: HTMLElement;
  readonly outcome: HTMLElement;
  readonly verdict: HTMLElement;
  stage: number;
  drawn: string;
  /** From the token before the stage to the place of its point. */
  places: ReadonlyMap<number, readonly [number, number]>;
}

/** How the tokens of every stage fared by its scores; the hovered one is ringed in each. */
export class Decisions {
  readonly element: HTMLElement;
  readonly body = element('div', {
    class: 'decisions',
    role: 'group',
    tabindex: 0,
    'data-testid': 'decisions',
  });
  private readonly note = element('small');
  private readonly score;
  private readonly reasons = element('p', { class: 'small', 'data-testid': 'reasons' });
  private readonly stageNotes = element('p', { class: 'small dim', 'data-testid': 'stage-notes' });
  private cards: Card[] = [];
  private scene: Scene | null = null;
  /** Of the chosen stage: which score is shown. */
  private shown: { readonly stage: number; readonly score: number | 'decided' } = { stage: -1, score: 'decided' };
  private choices: { readonly stage: number; readonly list: readonly Choice[] } = { stage: -2, list: [] };

  constructor(private readonly context: PanelContext) {
    this.score = dropdown('decision-score', 'Score of the chosen stage', value => {
      const score = value === 'decided' ? 'decided' : Number(value);
      this.shown = { stage: context.selection.get().stage, score };
      if (this.scene) this.draw(this.scene);
    });
    this.element = element(
      'div',
      { class: 'decisions-chart' },
      element(
        'div',
        { class: 'chart-title' },
        element('h2', {}, 'Decisions'),
        element('span', { class: 'control' }, element('span', { class: 'dim small' }, 'Score'), this.score.element),
        this.note,
      ),
      this.body,
      this.reasons,
      this.stageNotes,
    );
    this.listen();
  }

  draw(scene: Scene): void {
    this.scene = scene;
    const { fates, selection, layout } = scene;
    if (!fates) {
      setText(this.note, 'This run does not hold the scores of its tokens.');
      return;
    }
    const narrow = layout.mode === 'narrow';
    const width = narrow ? Math.min(420, layout.canvasWidth) : cardWidth;
    const fit = narrow ? 1 : Math.max(1, Math.floor((layout.canvasWidth + cardGap) / (cardWidth + cardGap)));
    const shownCount = Math.min(fit, fates.stages.length);
    const middle = Math.max(0, selection.stage) - (shownCount >> 1);
    const first = Math.max(0, Math.min(fates.stages.length - shownCount, middle));
    this.provideCards(shownCount);
    this.cards.forEach((card, i) => {
      this.drawCard(card, first + i, scene, fates, width);
    });
    const part =
      shownCount < fates.stages.length
        ? `stages ${first + 1} to ${first + shownCount} of ${fates.stages.length} · `
        : '';
    setText(this.note, `${part}every token of the stage; hatched: dropped from here; squares: key set`);
    this.drawChosen(scene, fates);
  }

  table(): TableData {
    const scene = this.scene;
    const stage = scene?.selection.stage ?? -1;
    const chosen = scene?.fates?.stages[stage];
    if (!scene?.fates || !chosen) return { caption: 'No stage is chosen', columns: [tableColumn('token')], rows: [] };
    const { fates, geometry, metadata } = scene;
    const columns = [
      tableColumn('row'),
      tableColumn('column'),
      ...chosen.scores.map(score =>
        tableColumn([score.title, cutoffWords(score, metadata.tokens)].filter(Boolean).join(', ')),
      ),
      tableColumn('verdict', false),
    ];
    const rows = fates
      .tokensBefore(stage)
      .map(patch => [
        String(Math.floor(patch / geometry.columns)),
        String(patch % geometry.columns),
        ...chosen.scores.map((score, i) => scoreText(score, fates.scoreOf(stage, i, patch), metadata.tokens)),
        verdictWords(fates, stage, patch),
      ]);
    return { caption: `${chosen.title}, ${placeWords(chosen)}: ${changeWords(chosen)} tokens`, columns, rows };
  }

  private drawChosen(scene: Scene, fates: RunFates): void {
    const { selection } = scene;
    const chosen = fates.stages[selection.stage];
    if (this.choices.stage !== selection.stage) {
      this.choices = {
        stage: selection.stage,
        list: chosen ? scoreChoices(chosen) : [{ value: 'decided', text: 'no stage' }],
      };
      if (this.shown.stage !== selection.stage) this.shown = { stage: selection.stage, score: 'decided' };
    }
    this.score.show(this.choices.list, String(this.shown.score));
    const reasons = chosen ? reasonCounts(fates, selection.stage) : [];
    const words = reasons.map(([reason, many]) => `${reason} ${count(many)}`).join(' · ');
    setText(this.reasons, chosen ? `${chosen.title}, ${placeWords(chosen)}${words === '' ? '' : `: ${words}`}` : '');
    setText(this.stageNotes, chosen?.notes.join(' ') ?? '');
    this.body.setAttribute(
      'aria-label',
      chosen
        ? `Decisions: ${chosen.title}, ${placeWords(chosen)}, ${changeWords(chosen)} tokens; ${words}`
        : 'Decisions',
    );
  }

  private drawCard(card: Card, stage: number, scene: Scene, fates: RunFates, width: number): void {
    const { selection, metadata, focus, theme } = scene;
    const at = fates.stages[stage]!;
    const score = this.shown.stage === stage ? this.shown.score : 'decided';
    const key = `${stage} ${score} ${width} ${theme.scheme}`;
    card.stage = stage;
    card.element.classList.toggle('chosen', stage === selection.stage);
    if (card.drawn !== key) {
      card.drawn = key;
      const decision = decisionOf(fates, stage, score);
      const box: Box = { left: 40, top: 8, width: width - 46, height: plotHeight };
      const drawing = drawDecision(decision, box, metadata.tokens);
      const { token } = fates.state(stage - 1);
      card.places = new Map(decision.points.map(({ patch }, i) => [token[patch]!, drawing.positions[i]!]));
      render(card.svg, drawing, width);
      card.title.replaceChildren(element('b', {}, placeName(at)), ` ${changeWords(at)}`);
      card.title.title = at.title;
      setText(card.outcome, outcomeWords(decision.points));
      card.element.setAttribute('aria-label', `${at.title}, ${placeWords(at)}: ${axisWords(decision)}`);
      card.element.title = `${at.title}, ${placeWords(at)}\n${axisWords(decision)}`;
    }
    const token = focus.patch === null ? undefined : fates.state(stage - 1).token[focus.patch];
    const place = token === undefined ? undefined : card.places.get(token);
    const visible = place !== undefined && !Number.isNaN(place[0]);
    card.ring.setAttribute('visibility', visible ? 'visible' : 'hidden');
    if (visible) {
      card.ring.setAttribute('cx', place[0].toFixed(1));
      card.ring.setAttribute('cy', place[1].toFixed(1));
    }
    setText(card.verdict, focus.patch === null ? '' : verdictWords(fates, stage, focus.patch));
    card.verdict.title = card.verdict.textContent;
  }

  private provideCards(wanted: number): void {
    while (this.cards.length > wanted) this.cards.pop()!.element.remove();
    while (this.cards.length < wanted) {
      const card = newCard(this.cards.length);
      this.cards.push(card);
      this.body.append(card.element);
    }
  }

  private listen(): void {
    const { hover, actions } = this.context;
    const stageAt = (event: Event): number | null => {
      const target = event.target instanceof Element ? event.target.closest('.decision') : null;
      return this.cards.find(card => card.element === target)?.stage ?? null;
    };
    this.body.addEventListener('pointerover', event => {
      measureHover(() => {
        hover.set({ stage: stageAt(event) });
      });
    });
    this.body.addEventListener('pointerleave', () => {
      hover.set({ stage: null });
    });
    this.body.addEventListener('click', event => {
      const stage = stageAt(event);
      if (stage !== null) actions.chooseStage(stage);
    });
    this.body.addEventListener('keydown', event => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step === undefined) return;
      actions.moveStage(step);
      event.preventDefault();
      event.stopPropagation();
    });
  }
}

function scoreChoices({ scores }: Stage): readonly Choice[] {
  const decided = scores.filter(({ cutoff }) => cutoff).map(({ title }) => title);
  const first = decided.length > 0 ? `that decided: ${decided.join(', ')}` : 'that decided: none';
  return [
    { value: 'decided', text: first },
    ...scores.map(({ title, cutoff }, i) => ({ value: String(i), text: cutoff ? title : `${title} (informs only)` })),
  ];
}

function axisWords(decision: Decision): string {
  switch (decision.kind) {
    case 'none':
      return 'decided without a score';
    case 'histogram':
      return `tokens by ${decision.score.title}`;
    case 'ranked':
      return `${decision.score.title}, ranked`;
    case 'categories':
      return `tokens by ${decision.score.title}, most frequent first`;
    case 'scatter':
      return `across: ${decision.score.title}; up: ${decision.second.title}`;
  }
}

function newCard(index: number): Card {
  const svg = svgElement('svg', { 'aria-hidden': 'true' });
  const defs = svgElement('defs');
  defs.append(hatchPattern(`decision-hatch-${index}`, 5));
  svg.style.setProperty('--hatch', `url(#decision-hatch-${index})`);
  const ring = svgElement('circle', { class: 'ring', r: 5, visibility: 'hidden' });
  svg.append(defs, ring);
  const title = element('div', { class: 'small' });
  const outcome = element('div', { class: 'small dim' });
  const verdict = element('div', { class: 'small verdict', 'data-testid': 'decision-verdict' });
  const card = element(
    'div',
    { class: 'decision', role: 'img', 'data-testid': 'decision' },
    title,
    svg,
    outcome,
    verdict,
  );
  return { element: card, svg, ring, title, outcome, verdict, stage: -1, drawn: '', places: new Map() };
}

function render(target: SVGSVGElement, { shapes, labels }: Drawing, width: number): void {
  const svg = select(target as SVGElement)
    .attr('width', width)
    .attr('height', plotHeight + 24);
  svg
    .selectAll<SVGPathElement, Shape>('path.shape')
    .data(shapes, shape => shape.key)
    .join(enter => enter.insert('path', 'circle.ring'))
    .attr('class', shape => `shape ${shape.className}`)
    .attr('d', shape => shape.path)
    .order();
  svg.select('circle.ring').raise();
  svg
    .selectAll<SVGTextElement, Label>('text')
    .data(labels, label => label.key)
    .join('text')
    .attr('x', label => label.x)
    .attr('y', label => label.y)
    .attr('text-anchor', label => label.anchor)
    .text(label => label.text);
}
