import { Actions } from './actions.ts';
import { AttentionPages } from './attention/pages.ts';
import { ChartTables } from './charts.ts';
import { Comparison } from './compare/comparison.ts';
import { compareViewId } from './compare/compare-view.ts';
import { element } from './element.ts';
import { Announcer } from './frame/announcer.ts';
import { DepthAxis } from './frame/depth-axis.ts';
import { Picture } from './frame/picture.ts';
import { RunBar } from './frame/run-bar.ts';
import { TokenStrip } from './frame/token-strip.ts';
import type { Host } from './host.ts';
import { ShownPicture } from './image/shown-picture.ts';
import type { KnownMethods, PanelContext, Region } from './panel-context.ts';
import { Prefetch } from './prefetch.ts';
import { stageToBeginWith } from './pruning/stages.ts';
import { selectionFor } from './saved-state.ts';
import { SceneBuilder } from './scene-builder.ts';
import { nothingHovered, Store, type Hover, type Selection } from './selection.ts';
import { ShownView } from './shown-view.ts';
import { PageCache } from './source/page-cache.ts';
import type { TraceSource } from './source/trace-source.ts';
import { suggestSelection } from './suggestion.ts';
import { ViewChoice } from './view-choice.ts';
import { views, type View } from './views/view.ts';

/** What a panel is made of, put together but not drawn. */
export interface PanelParts {
  readonly context: PanelContext;
  readonly builder: SceneBuilder;
  readonly tables: ChartTables;
  readonly runBar: RunBar;
  readonly strip: TokenStrip;
  readonly picture: Picture;
  readonly main: HTMLElement;
  /** What surrounds a view, unless it is whole. */
  readonly frame: readonly Region[];
  readonly shown: ShownView;
  readonly choice: ViewChoice;
  readonly announcer: Announcer;
  readonly prefetch: Prefetch;
}

/** Reads what is needed to choose where to look first, then builds all regions. */
export async function buildParts(source: TraceSource, host: Host, canRun: boolean): Promise<PanelParts> {
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
  return { context, builder, tables, runBar, strip, picture, main, frame, shown, choice, announcer, prefetch };
}
