import { rowCount } from '../trace/schema.ts';
import type { FurtherRun } from './compare/comparison.ts';
import { compareViewId } from './compare/compare-view.ts';
import { currentTheme, followTheme, type Theme } from './colour/theme.ts';
import { atResolution, element } from './element.ts';
import { drawFigure, listFigures } from './figure/figures.ts';
import { inTheme } from './figure/figure-theme.ts';
import { printSheet } from './figure/printed.ts';
import { sceneSetting } from './figure/scene-setting.ts';
import { listenToKeys } from './frame/keyboard.ts';
import type { Host } from './host.ts';
import { measureFirstPaint, measureStepDrawn } from './measures.ts';
import type { FigureFormat, FigureName, FigureTheme, PanelMethod } from './messages.ts';
import type { PanelContext } from './panel-context.ts';
import { buildParts, type PanelParts } from './panel-parts.ts';
import { PanelSize } from './panel-size.ts';
import type { Built, Scene } from './scene.ts';
import { focusOf, nothingHovered, type Hover } from './selection.ts';
import { loadPicture } from './source/load-picture.ts';
import type { TraceSource } from './source/trace-source.ts';
import { StateSaver } from './state-saver.ts';

const readingDelay = 150;
/** Pixels of a canvas a CSS pixel in figures: 300 dots per inch at 96 CSS pixels an inch, rounded down. */
const figureResolution = 3;

/** One run on screen: the frame that no view changes, and the view between. */
export class Panel {
  readonly element = element('div', { class: 'panel' });
  private readonly ends: (() => void)[] = [];
  private readonly followed = new WeakSet<Promise<unknown>>();
  private theme: Theme = currentTheme();
  private readingTimer: number | undefined;
  private pictureShown = false;
  private sceneShown = false;

  private readonly context: PanelContext;
  private readonly size: PanelSize;
  private readonly saver: StateSaver;

  private constructor(private readonly parts: PanelParts) {
    this.context = parts.context;
    this.size = new PanelSize(this.context.metadata, this.context.selection);
    this.saver = new StateSaver(this.context);
    const { runBar, strip, main, announcer } = parts;
    this.element.append(runBar.element, strip.element, main, announcer.element);
  }

  static async open(source: TraceSource, host: Host, canRun: boolean): Promise<Panel> {
    const panel = new Panel(await buildParts(source, host, canRun));
    panel.follow();
    void panel.loadPicture(source);
    return panel;
  }

  /** Draws for the first time, once the panel is part of the page. */
  start(): void {
    this.size.measure(this.element);
    this.render();
  }

  showProblem(message: string, hint: string): void {
    this.parts.runBar.showProblem(message, hint);
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
    return listFigures(this.parts.tables, this.viewElement, this.context.metadata.image.name);
  }

  /** The chart that has the focus, as `figures` numbers it. */
  focusedFigure(): number | undefined {
    const chart = this.parts.tables.focused();
    return chart && this.parts.tables.all.indexOf(chart);
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
      return drawFigure(this.parts.tables, this.viewElement, id, sceneSetting(scene));
    });
    return printSheet(sheet, format);
  }

  dispose(): void {
    for (const end of this.ends) end();
    for (const region of this.parts.frame) region.dispose?.();
    this.parts.choice.dispose();
    this.parts.announcer.dispose();
    this.parts.prefetch.dispose();
    window.clearTimeout(this.readingTimer);
    this.saver.save();
    this.element.remove();
  }

  private follow(): void {
    const { selection, hover, actions, comparison } = this.context;
    const resized = (): void => {
      this.size.measure(this.element);
      this.render();
    };
    window.addEventListener('resize', resized);
    this.ends.push(
      () => {
        window.removeEventListener('resize', resized);
      },
      selection.subscribe((now, before) => {
        if (now.layers !== before.layers) this.size.measure(this.element);
        this.render();
        this.saver.saveSoon();
      }),
      comparison.runs.subscribe(() => {
        this.render();
        this.saver.saveSoon();
      }),
      comparison.choice.subscribe(() => {
        this.render();
        this.saver.saveSoon();
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
        this.parts.tables,
        this.parts.picture,
        () => {
          this.context.host.post({ type: 'saveFigure', figure: this.focusedFigure() });
        },
        () => this.parts.choice.whole?.keys ?? this.parts.shown.of(selection.get().view).keys ?? {},
      ),
    );
  }

  /** What the shown view stands in. */
  private get viewElement(): HTMLElement {
    return (this.parts.choice.whole ?? this.parts.shown).element;
  }

  private build(hover: Hover): Built {
    const { layout, geometry } = this.size;
    return this.parts.builder.build({
      selection: this.context.selection.get(),
      hover,
      theme: this.theme,
      layout,
      geometry,
    });
  }

  /** @returns null when a part of it has to be read first */
  private drawRegions(hover: Hover): Scene | null {
    const { scene } = this.build(hover);
    if (scene) this.draw(scene);
    return scene;
  }

  private draw(scene: Scene): void {
    const { whole } = this.parts.choice;
    this.parts.strip.element.hidden = whole !== undefined;
    this.parts.main.hidden = whole !== undefined;
    this.parts.choice.hideOthers();
    for (const region of whole ? [whole] : this.parts.frame) region.draw(scene);
    this.parts.runBar.draw();
  }

  private render(): void {
    const { selection, hover } = this.context;
    const { scene, reading, missing } = this.build(hover.get());
    for (const page of missing) this.followPage(page);
    window.clearTimeout(this.readingTimer);
    if (!scene) {
      this.parts.strip.mark(focusOf(selection.get(), hover.get()).token);
      this.readingTimer = window.setTimeout(() => {
        this.parts.shown.of(selection.get().view).legend.showReading?.(reading);
      }, readingDelay);
      return;
    }
    this.draw(scene);
    this.parts.tables.refresh();
    this.announce(scene);
    this.parts.prefetch.around(scene.shown.row, rowCount(this.context.metadata));
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
        this.parts.runBar.showProblem(`A part of the trace could not be read: ${message}`, 'Open the trace again.');
        this.context.host.post({ type: 'error', message });
      },
    );
  }

  private announce(scene: Scene): void {
    const { whole } = this.parts.choice;
    if (whole) {
      this.parts.announcer.say(whole.spoken());
      return;
    }
    const { selection, focus } = scene;
    const { overlay } = this.parts.shown.of(selection.view);
    const locked = selection.tokenLocked || selection.patch !== null ? 'Locked: ' : '';
    this.parts.announcer.say(
      locked + (focus.patch === null ? overlay.describe(scene) : overlay.describePatch(scene, focus.patch)),
    );
  }

  private async loadPicture(source: TraceSource): Promise<void> {
    try {
      this.context.picture.drawable = await loadPicture(source);
      if (this.sceneShown) this.render();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.parts.runBar.showProblem(`The picture could not be shown: ${message}`, 'The attention over it is complete.');
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
