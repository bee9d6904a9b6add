import { rowCount } from '../trace/schema.ts';
import { Actions } from './actions.ts';
import { AttentionPages } from './attention/pages.ts';
import { ChartTables } from './charts.ts';
import { Comparison, type FurtherRun } from './compare/comparison.ts';
import { compareViewId } from './compare/compare-view.ts';
import { currentTheme, followTheme, type Theme } from './colour/theme.ts';
import { atResolution, element } from './element.ts';
import { drawFigure, listFigures } from './figure/figures.ts';
import { inTheme } from './figure/figure-theme.ts';
import { printSheet } from './figure/printed.ts';
import { sceneSetting } from './figure/scene-setting.ts';
import { Announcer } from './frame/announcer.ts';
import { DepthAxis } from './frame/depth-axis.ts';
import { listenToKeys } from './frame/keyboard.ts';
import { Picture } from './frame/picture.ts';
import { RunBar } from './frame/run-bar.ts';
import { TokenStrip } from './frame/token-strip.ts';
import type { Host } from './host.ts';
import { imageGeometry, type ImageGeometry } from './image/geometry.ts';
import { ShownPicture } from './image/shown-picture.ts';
import { layoutFor, type Layout } from './layout.ts';
import { measureFirstPaint, measureStepDrawn } from './measures.ts';
import type { FigureFormat, FigureName, FigureTheme, PanelMethod } from './messages.ts';
import type { KnownMethods, PanelContext, Region } from './panel-context.ts';
import { stageToBeginWith } from './pruning/stages.ts';
import { Prefetch } from './prefetch.ts';
import { selectionFor, type SavedState } from './saved-state.ts';
import { SceneBuilder } from './scene-builder.ts';
import type { Built, Scene } from './scene.ts';
import { focusOf, nothingHovered, Store, type Hover, type Selection } from './selection.ts';
import { loadPicture } from './source/load-picture.ts';
import { PageCache } from './source/page-cache.ts';
import type { TraceSource } from './source/trace-source.ts';
import { suggestSelection } from './suggestion.ts';
import { ShownView } from './shown-view.ts';
import { ViewChoice } from './view-choice.ts';
import { views, type View } from './views/view.ts';

const readingDelay = 150;
const savingDelay = 100;
/** Pixels of a canvas a CSS pixel in figures: 300 dots per inch at 96 CSS pixels an inch, rounded down. */
const figureResolution = 3;

/** One run on screen: the frame that no view changes, and the view between. */
export class Panel {
  readonly element = element('div', { class: 'panel' });
  private readonly ends: (() => void)[] = [];
  private readonly followed = new WeakSet<Promise<unknown>>();
  private theme: Theme = currentTheme();
  private layout: Layout;
  private geometry: ImageGeometry;
  private readingTimer: number | undefined;
  private savingTimer: number | undefined;
  private pictureShown = false;
  private sceneShown = false;

  private constructor(
    private readonly context: PanelContext,
    private readonly builder: SceneBuilder,
    private readonly tables: ChartTables,
    private readonly runBar: RunBar,
    private readonly strip: TokenStrip,
    private readonly picture: Picture,
    private readonly main: HTMLElement,
    /** What surrounds a view, unless it is whole. */
    private readonly frame: readonly Region[],
    private readonly shown: ShownView,
    private readonly choice: ViewChoice,
    private readonly announcer: Announcer,
    private readonly prefetch: Prefetch,
  ) {
    this.layout = this.currentLayout();
    this.geometry = imageGeometry(context.metadata.image, context.metadata.visual.grid, this.layout.imageSide);
  }

  /** Reads what is needed to choose where to look first, then builds all regions. */
  static async open(source: TraceSource, host: Host, canRun: boolean): Promise<Panel> {
    const { metadata } = source;
    const pages = new AttentionPages(new PageCache(source), metadata, source.tensors);
    const saved = host.savedState();
    // What cannot be read is told when it is asked for to be drawn.
    const suggested = await suggestSelection(metadata, pages).catch((): Partial<Selection> => ({}));
    const framed = views.filter((view): view is View => 'open' in view && view.missing(metadata, []) === undefined);
    const restored = selectionFor(metadata, saved, { stage: stageToBeginWith(metadata), ...suggested });
    // A view that needs other runs waits for them.
    const known = framed.some(({ id }) => id === restored.view) || restored.view === compareViewId;
    const selection = new Store<Selection>({ ...restored, view: known ? restored.view : framed[0]!.id });
    const hover = new Store<Hover>(nothingHovered);
    const actions = new Actions(metadata, selection, hover);
    const shownPicture = new ShownPicture();
    const comparison = new Comparison(host, saved, metadata.id);
    const context: PanelContext = {
      metadata,
      source,
      pages,
      selection,
      hover,
      actions,
      host,
      picture: shownPicture,
      canRun,
      comparison,
      methods: new Store<KnownMethods>({ list: null }),
    };
    const tables = new ChartTables();
    // Charts register in the order of the page.
    const choice = new ViewChoice(context, tables, created => {
      announcer.element.before(created);
    });
    const runBar = new RunBar(context, views, choice);
    const strip = new TokenStrip(context, tables, view => shown.of(view).strip);
    const picture = new Picture(context, tables, view => shown.of(view).overlay);
    const shown = new ShownView(new Map(framed.map(view => [view.id, view.open(context, tables)])));
    const axis = new DepthAxis(context, tables, view => shown.of(view).tiles);
    const announcer = new Announcer(text => {
      host.post({ type: 'status', text });
    });
    // The picture comes first: it is what a hover is watched in.
    const frame = [picture, shown, strip, axis];
    const prefetch = new Prefetch(pages, metadata);
    const builder = new SceneBuilder(source, pages);
    // Where two columns do not share rows, each packs its own regions; elsewhere the grid places them one by one.
    const origin = element('div', { class: 'origin' }, picture.element, ...shown.legends, shown.caveat);
    const canvas = element('div', { class: 'canvas-column' }, shown.element, ...shown.readouts);
    const main = element('main', {}, origin, canvas, axis.element);
    const panel = new Panel(
      context,
      builder,
      tables,
      runBar,
      strip,
      picture,
      main,
      frame,
      shown,
      choice,
      announcer,
      prefetch,
    );
    panel.element.append(runBar.element, strip.element, main, announcer.element);
    panel.follow();
    void panel.loadPicture(source);
    return panel;
  }

  /** Draws for the first time, once the panel is part of the page. */
  start(): void {
    this.measure();
    this.render();
  }

  showProblem(message: string, hint: string): void {
    this.runBar.showProblem(message, hint);
  }

  /** Puts other runs next to this one. @param show whether somebody asked to see them just now */
  compare(further: readonly FurtherRun[], show: boolean): void {
    const { comparison, selection } = this.context;
    comparison.take(further);
    if (show) selection.set({ view: compareViewId });
  }

  /** The token methods of the pipeline, as the host knows them. */
  showMethods(list: readonly PanelMethod[]): void {
    this.context.methods.set({ list });
  }

  /** A jump that was asked for by a command of the editor. */
  show(layer: number | undefined, head: number | undefined): void {
    const { decoder } = this.context.metadata.model;
    if (layer !== undefined && layer >= 0 && layer < decoder.layers) this.context.actions.chooseLayer(layer);
    if (head !== undefined && head >= 0 && head < decoder.heads) this.context.actions.chooseHead(head);
  }

  /** What can be saved as a figure at present. */
  figures(): FigureName[] {
    return listFigures(this.tables, this.viewElement, this.context.metadata.image.name);
  }

  /** The chart that has the focus, as `figures` numbers it. */
  focusedFigure(): number | undefined {
    const chart = this.tables.focused();
    return chart && this.tables.all.indexOf(chart);
  }

  /**
   * The figure as it is shown now, hovering apart, as the bytes of a file. @throws Error when it is not in sight
   */
  async drawFigure(id: number, format: FigureFormat, theme: FigureTheme): Promise<Uint8Array<ArrayBuffer>> {
    let scene: Scene | null = null;
    const draw = (forFigure: boolean): void => {
      this.theme = currentTheme();
      scene = forFigure ? atResolution(figureResolution, () => this.drawRegions(nothingHovered)) : null;
      if (!forFigure) this.render();
    };
    const sheet = inTheme(theme, draw, () => {
      if (!scene) throw new Error('The panel is still reading this part of the run. Save the figure again.');
      return drawFigure(this.tables, this.viewElement, id, sceneSetting(scene));
    });
    return printSheet(sheet, format);
  }

  dispose(): void {
    for (const end of this.ends) end();
    for (const region of this.frame) region.dispose?.();
    this.choice.dispose();
    this.announcer.dispose();
    this.prefetch.dispose();
    window.clearTimeout(this.readingTimer);
    this.save();
    this.element.remove();
  }

  private follow(): void {
    const { selection, hover, actions, comparison } = this.context;
    const resized = (): void => {
      this.measure();
      this.render();
    };
    window.addEventListener('resize', resized);
    this.ends.push(
      () => {
        window.removeEventListener('resize', resized);
      },
      selection.subscribe((now, before) => {
        if (now.layers !== before.layers) this.measure();
        this.render();
        this.saveSoon();
      }),
      comparison.runs.subscribe(() => {
        this.render();
        this.saveSoon();
      }),
      comparison.choice.subscribe(() => {
        this.render();
        this.saveSoon();
      }),
      hover.subscribe(() => {
        this.render();
      }),
      followTheme(() => {
        this.theme = currentTheme();
        this.render();
      }),
      listenToKeys(
        actions,
        this.tables,
        this.picture,
        () => {
          this.context.host.post({ type: 'saveFigure', figure: this.focusedFigure() });
        },
        () => this.choice.whole?.keys ?? this.shown.of(selection.get().view).keys ?? {},
      ),
    );
  }

  /** What the shown view stands in. */
  private get viewElement(): HTMLElement {
    return (this.choice.whole ?? this.shown).element;
  }

  private saveSoon(): void {
    this.savingTimer ??= window.setTimeout(() => {
      this.save();
    }, savingDelay);
  }

  private save(): void {
    window.clearTimeout(this.savingTimer);
    this.savingTimer = undefined;
    const { host, metadata, selection, comparison } = this.context;
    const state: SavedState = {
      run: metadata.id,
      selection: selection.get(),
      comparison: comparison.toSaved(),
    };
    host.saveState(state);
  }

  private currentLayout(): Layout {
    const { model, visual } = this.context.metadata;
    const { layers } = this.context.selection.get();
    const shape = {
      layers: model.decoder.layers,
      heads: model.decoder.heads,
      visionLayers: model.vision.layers,
      grid: visual.grid,
    };
    const { clientWidth } = document.documentElement;
    return layoutFor(clientWidth, window.innerHeight, shape, (layers.first + layers.last) >> 1);
  }

  /** Takes over the window's size; keeps the old objects where nothing changed, so that nothing is drawn anew. */
  private measure(): void {
    const layout = this.currentLayout();
    const { classList } = this.element;
    if (JSON.stringify(layout) === JSON.stringify(this.layout) && classList.contains(layout.mode)) return;
    for (const mode of ['wide', 'medium', 'stacked', 'narrow']) classList.toggle(mode, mode === layout.mode);
    if (layout.imageSide !== this.layout.imageSide)
      this.geometry = imageGeometry(this.context.metadata.image, this.context.metadata.visual.grid, layout.imageSide);
    this.layout = layout;
  }

  private build(hover: Hover): Built {
    const { theme, layout, geometry } = this;
    return this.builder.build({ selection: this.context.selection.get(), hover, theme, layout, geometry });
  }

  /** @returns null when a part of it has to be read first */
  private drawRegions(hover: Hover): Scene | null {
    const { scene } = this.build(hover);
    if (scene) this.draw(scene);
    return scene;
  }

  private draw(scene: Scene): void {
    const { whole } = this.choice;
    this.strip.element.hidden = whole !== undefined;
    this.main.hidden = whole !== undefined;
    this.choice.hideOthers();
    for (const region of whole ? [whole] : this.frame) region.draw(scene);
    this.runBar.draw();
  }

  private render(): void {
    const { selection, hover } = this.context;
    const { scene, reading, missing } = this.build(hover.get());
    for (const page of missing) this.followPage(page);
    window.clearTimeout(this.readingTimer);
    if (!scene) {
      this.strip.mark(focusOf(selection.get(), hover.get()).token);
      this.readingTimer = window.setTimeout(() => {
        this.shown.of(selection.get().view).legend.showReading?.(reading);
      }, readingDelay);
      return;
    }
    this.draw(scene);
    this.tables.refresh();
    this.announce(scene);
    this.prefetch.around(scene.shown.row, rowCount(this.context.metadata));
    measureFirstPaint();
    measureStepDrawn(scene.focus.token - this.context.metadata.promptTokens);
    this.sceneShown = true;
    this.markReady();
  }

  /** Draws again when a page is here; tells when it cannot be read. */
  private followPage(page: Promise<unknown>): void {
    if (this.followed.has(page)) return;
    this.followed.add(page);
    page.then(
      () => {
        this.render();
      },
      (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        this.runBar.showProblem(`A part of the trace could not be read: ${message}`, 'Open the trace again.');
        this.context.host.post({ type: 'error', message });
      },
    );
  }

  private announce(scene: Scene): void {
    const { whole } = this.choice;
    if (whole) {
      this.announcer.say(whole.spoken());
      return;
    }
    const { selection, focus } = scene;
    const { overlay } = this.shown.of(selection.view);
    const locked = selection.tokenLocked || selection.patch !== null ? 'Locked: ' : '';
    this.announcer.say(
      locked + (focus.patch === null ? overlay.describe(scene) : overlay.describePatch(scene, focus.patch)),
    );
  }

  private async loadPicture(source: TraceSource): Promise<void> {
    try {
      this.context.picture.drawable = await loadPicture(source);
      if (this.sceneShown) this.render();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.runBar.showProblem(`The picture could not be shown: ${message}`, 'The attention over it is complete.');
    }
    this.pictureShown = true;
    this.markReady();
  }

  private markReady(): void {
    if (!this.pictureShown || !this.sceneShown) return;
    requestAnimationFrame(() => {
      document.body.dataset['ready'] = '1';
    });
  }
}
