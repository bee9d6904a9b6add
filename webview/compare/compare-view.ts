import { lastStageBy, type Moment } from '../../trace/kept-patches.ts';
import type { AlignedPair } from '../../trace/token-diff.ts';
import type { ChartTables } from '../charts.ts';
import { element, setText } from '../element.ts';
import { patchSize } from '../image/geometry.ts';
import { layoutFor, type Layout } from '../layout.ts';
import type { OpenWholeView } from '../faces.ts';
import type { PanelContext } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import { noZoom, Store, type Zoom } from '../selection.ts';
import { Answers, tokenWords } from './answers.ts';
import { CompareAxis } from './compare-axis.ts';
import { CompareControls, oneImage } from './compare-controls.ts';
import { ownRun, type FurtherRun } from './comparison.ts';
import { ComparedRun } from './compared-run.ts';
import { cautions } from './differences.ts';
import { EnteringChart } from './entering-chart.ts';
import { alignAnswers, buildPair, steps, type PairScene } from './pair-scene.ts';
import { PatchPlace } from './patch-place.ts';
import { placeReadout } from './place-words.ts';
import { runNames } from './run-names.ts';
import { RunTable } from './run-table.ts';

export const compareViewId = 'compare';
const imageGap = 24;
const widestImage = 432;
const leastImage = 312;
/** Run bar, answers, heads, captions, the beginning of the numbers, and the axis. */
const aroundImages = 40 + 83 + 34 + 61 + 138 + 102;

/** Two or more runs side by side: answers, images and their difference, costs; all hovered together. */
export class CompareView implements OpenWholeView {
  readonly element: HTMLElement;
  private readonly own: ComparedRun;
  private readonly answers: Answers;
  private readonly controls: CompareControls;
  private readonly places: { readonly a: PatchPlace; readonly b: PatchPlace; readonly difference: PatchPlace };
  private readonly axis: CompareAxis;
  private readonly chart: EnteringChart;
  private readonly tables: readonly RunTable[];
  private readonly problems = element('p', {
    class: 'compare-problems small',
    role: 'alert',
    'data-testid': 'compare-problems',
  });
  private readonly cautions = element('p', { class: 'compare-cautions small warn', 'data-testid': 'compare-cautions' });
  private readonly zoom = new Store<Zoom>(noZoom);
  /** The place of the answers under the pointer, and one that the panel's own run has no token for. */
  private hovered: number | null = null;
  private chosen: { readonly pair: number; readonly ownToken: number } | null = null;
  private further = new Map<FurtherRun['source'], ComparedRun>();
  private pairs: { readonly first: ComparedRun; readonly second: ComparedRun; readonly aligned: AlignedPair[] } | null =
    null;
  private scene: Scene | null = null;
  private pair: PairScene | null = null;
  private readonly followed = new WeakSet<Promise<unknown>>();

  readonly keys: OpenWholeView['keys'] = {
    ',': () => {
      this.context.comparison.swap();
    },
    '.': () => {
      this.context.comparison.swap();
    },
    ' ': () => {
      this.context.comparison.blink();
    },
    ArrowLeft: () => {
      this.move(-1);
    },
    ArrowRight: () => {
      this.move(1);
    },
    '[': () => {
      this.stepStage(-1);
    },
    ']': () => {
      this.stepStage(1);
    },
    '+': () => {
      this.shownPlace().zoomBy(1.5);
    },
    '-': () => {
      this.shownPlace().zoomBy(1 / 1.5);
    },
    '0': () => {
      this.zoom.set(noZoom);
    },
  };

  constructor(
    private readonly context: PanelContext,
    tables: ChartTables,
  ) {
    this.own = new ComparedRun(ownRun, context.metadata.id, context.source, context.pages);
    this.answers = new Answers(
      {
        hover: pair => {
          this.hovered = pair;
          this.redraw();
        },
        toggle: pair => {
          const same = pair === this.currentPair();
          const { tokenLocked } = context.selection.get();
          this.choose(pair, !(tokenLocked && same));
        },
        move: step => {
          this.move(step);
        },
      },
      tables,
    );
    this.controls = new CompareControls(context);
    this.places = {
      a: new PatchPlace('a', context, this.zoom, tables),
      b: new PatchPlace('b', context, this.zoom, tables),
      difference: new PatchPlace('difference', context, this.zoom, tables),
    };
    this.chart = new EnteringChart(tables);
    const [costs, parameters] = [new RunTable('costs', tables), new RunTable('parameters', tables)];
    this.tables = [costs, parameters];
    this.axis = new CompareAxis(context, tables);
    this.zoom.subscribe(() => {
      this.redraw();
    });
    this.element = element(
      'div',
      { class: 'compare', 'data-testid': 'compare-view' },
      this.answers.element,
      element(
        'main',
        { class: 'compare-main' },
        this.problems,
        this.cautions,
        this.controls.element,
        element(
          'div',
          { class: 'compare-images' },
          this.places.a.element,
          this.places.b.element,
          this.places.difference.element,
        ),
        element(
          'div',
          { class: 'compare-numbers' },
          costs.element,
          element('div', { class: 'compare-canvas' }, this.chart.element, parameters.element),
        ),
        this.axis.element,
      ),
    );
  }

  draw(scene: Scene): void {
    this.scene = scene;
    const runs = this.runs();
    const { choice } = this.context.comparison;
    const { first, second } = choice.get();
    const [a, b] = [first, second].map(address => runs.find(run => run.address === address));
    this.drawProblems();
    if (!a || !b) return;
    if (this.pairs?.first !== a || this.pairs.second !== b) {
      this.pairs = { first: a, second: b, aligned: alignAnswers(a, b) };
      this.chosen = null;
      this.hovered = null;
    }
    const layout = this.layoutOf(a, b, scene);
    const missing: Promise<unknown>[] = [];
    for (const run of [a, b])
      run.wantPicture(() => {
        this.redraw();
      });
    this.pair = buildPair(
      {
        base: scene,
        choice: choice.get(),
        runs,
        names: runNames(runs),
        first: a,
        second: b,
        pairs: this.pairs.aligned,
        pair: this.currentPair(),
        side: layout.side,
      },
      missing,
    );
    for (const page of missing) this.follow(page);
    this.drawParts(this.pair, layout.layout);
  }

  spoken(): string {
    const { pair, scene } = this;
    if (!pair || !scene) return '';
    const { a, b, patch } = pair;
    const locked = scene.selection.tokenLocked || scene.selection.patch !== null ? 'Locked: ' : '';
    if (patch !== null)
      return (
        locked +
        [
          placeReadout(pair, 'difference', patch),
          `A: ${placeReadout(pair, a, patch)}`,
          `B: ${placeReadout(pair, b, patch)}`,
        ].join('. ')
      );
    const words = [a, b].map(({ letter, run, token }) => {
      const found = token === undefined ? undefined : run.metadata.tokens[token];
      return `${letter} ${found ? tokenWords(found) : 'no token in this place'}`;
    });
    return `${locked}${words.join(', ')}, ${pair.shown === 'tokens' ? pair.words.moment : pair.words.layers}`;
  }

  private drawParts(pair: PairScene, layout: Layout): void {
    const { choice, a, b } = pair;
    this.answers.draw(pair);
    this.controls.draw(pair);
    const notes = cautions(a.run.metadata, b.run.metadata);
    for (const { letter, run } of [a, b])
      if (run.pictureProblem !== undefined)
        notes.push(`The picture of ${letter} could not be shown: ${run.pictureProblem}`);
    setText(this.cautions, notes.join(' '));
    this.cautions.hidden = notes.length === 0;
    const one = oneImage(pair);
    this.element.classList.toggle('one-image', one);
    this.element.style.setProperty('--side', `${a.geometry.width}px`);
    const { places } = this;
    const atA = choice.blinked && !one ? b : a;
    for (const [place, shown, name] of [
      [places.a, atA, 'first'],
      [places.b, b, 'second'],
      [places.difference, 'difference', 'difference'],
    ] as const) {
      place.element.hidden = one && choice.place !== name;
      if (!place.element.hidden) place.draw(pair, shown);
    }
    this.chart.draw(pair, layout);
    for (const table of this.tables) table.draw(pair);
    this.axis.draw(pair, layout);
  }

  private drawProblems(): void {
    const lines = this.context.comparison.list.flatMap(({ name, problem }) =>
      problem ? `${name}: ${problem.message} ${problem.hint}` : [],
    );
    setText(this.problems, lines.join('\n'));
    this.problems.hidden = lines.length === 0;
  }

  /** The runs that can be shown, the panel's own first; each keeps its pages as long as its source is the same. */
  private runs(): ComparedRun[] {
    const kept = new Map<FurtherRun['source'], ComparedRun>();
    const others = this.context.comparison.list.flatMap(({ address, name, source }) => {
      if (!source) return [];
      const run = this.further.get(source) ?? new ComparedRun(address, name, source);
      kept.set(source, run);
      return run;
    });
    this.further = kept;
    return [this.own, ...others];
  }

  /** The place of the answers that is shown: hovered, else chosen, else that of the panel's token, else where they part. */
  private currentPair(): number {
    if (!this.pairs) return 0;
    const { aligned } = this.pairs;
    const { token, tokenLocked } = this.context.selection.get();
    if (this.hovered !== null && !tokenLocked && aligned[this.hovered]) return this.hovered;
    if (this.chosen && (this.chosen.ownToken === token || this.side() === null) && aligned[this.chosen.pair])
      return this.chosen.pair;
    const side = this.side();
    const index = token - this.own.metadata.promptTokens;
    const ofToken = side === null || index < 0 ? -1 : aligned.findIndex(pair => pair[side] === index);
    const inBoth = ({ first, second }: AlignedPair): boolean => first !== undefined && second !== undefined;
    // What nobody asked for should at least be there to compare.
    if (ofToken >= 0 && (tokenLocked || inBoth(aligned[ofToken]!))) return ofToken;
    const parting = aligned.findIndex(pair => !pair.same && inBoth(pair));
    return Math.max(0, parting >= 0 ? parting : aligned.findIndex(inBoth));
  }

  /** Where the panel's own run stands; null when it is neither A nor B. */
  private side(): 'first' | 'second' | null {
    if (this.pairs?.first === this.own) return 'first';
    return this.pairs?.second === this.own ? 'second' : null;
  }

  private choose(pair: number, tokenLocked: boolean): void {
    const { selection } = this.context;
    const side = this.side();
    const index = side === null ? undefined : this.pairs?.aligned[pair]?.[side];
    const token = index === undefined ? selection.get().token : this.own.metadata.promptTokens + index;
    this.chosen = { pair, ownToken: token };
    this.hovered = null;
    selection.set({ token, tokenLocked });
    this.redraw();
  }

  private move(step: number): void {
    const last = (this.pairs?.aligned.length ?? 1) - 1;
    const pair = Math.max(0, Math.min(last, this.currentPair() + step));
    this.choose(pair, this.context.selection.get().tokenLocked);
  }

  /** To the next layer at which either run has other tokens; with attention, or nothing pruned, to the next layer. */
  private stepStage(step: number): void {
    const { pair, pairs } = this;
    const { actions, hover, selection } = this.context;
    if (!pair || !pairs) return;
    const [a, b] = [pairs.first.metadata.reduction?.stages ?? [], pairs.second.metadata.reduction?.stages ?? []];
    if (pair.shown === 'attention' || a.length + b.length === 0) {
      actions.moveLayer(step);
      return;
    }
    const vision = pair.visionLayers.length;
    const stageAt = (moment: Moment): string => `${lastStageBy(a, moment)} ${lastStageBy(b, moment)}`;
    const places = steps(vision, pair.layers.length, stageAt);
    const { tower, visionLayer, layers } = selection.get();
    const now = tower === 'vision' ? visionLayer : vision + layers.last;
    const next = step > 0 ? places.find(place => place > now) : places.findLast(place => place < now);
    if (next === undefined) return;
    hover.set({ layer: null });
    if (next < vision) actions.chooseVisionLayer(next);
    else actions.chooseLayer(next - vision);
  }

  private shownPlace(): PatchPlace {
    const { a, b, difference } = this.places;
    return [a, b, difference].find(place => !place.element.hidden) ?? a;
  }

  private layoutOf(a: ComparedRun, b: ComparedRun, { focus, layout }: Scene): { layout: Layout; side: number } {
    const { model, visual } = a.metadata;
    const shape = {
      layers: Math.min(a.layers, b.layers),
      heads: model.decoder.heads,
      visionLayers: Math.min(model.vision.layers, b.metadata.model.vision.layers),
      grid: visual.grid,
    };
    const { clientWidth } = document.documentElement;
    const shared = layoutFor(clientWidth, window.innerHeight, shape, (focus.layers.first + focus.layers.last) >> 1);
    const one = layout.mode === 'narrow' || layout.mode === 'stacked';
    const third = Math.floor((clientWidth - 32 - 2 * imageGap) / 3);
    // What surrounds the images keeps its height, so that the numbers below them stay in sight.
    const tall = Math.max(leastImage, window.innerHeight - aroundImages);
    const room = one ? shared.imageSide : Math.min(widestImage, third, layout.mode === 'wide' ? tall : third);
    return { layout: shared, side: patchSize(visual.grid, room) * Math.max(visual.grid.rows, visual.grid.columns) };
  }

  private redraw(): void {
    if (this.scene && !this.element.hidden) this.draw(this.scene);
  }

  private follow(page: Promise<unknown>): void {
    if (this.followed.has(page)) return;
    this.followed.add(page);
    page.then(
      () => {
        this.redraw();
      },
      (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        setText(this.problems, `A part of a compared run could not be read: ${message}`);
        this.problems.hidden = false;
        this.context.host.post({ type: 'error', message });
      },
    );
  }
}
