import type { ChartTables } from './charts.ts';
import type { OpenWholeView } from './faces.ts';
import type { PanelContext } from './panel-context.ts';
import { views, type View, type WholeView } from './views/view.ts';

/** Which view is shown, and those among them that need no frame: they are made when they are first shown. */
export class ViewChoice {
  private readonly wholes = new Map<WholeView, OpenWholeView>();

  constructor(
    private readonly context: PanelContext,
    private readonly tables: ChartTables,
    /** Puts a view that is new into the page. */
    private readonly place: (element: HTMLElement) => void,
  ) {}

  /** Why there is nothing to show in a view, at present. */
  missing(view: View | WholeView): string | undefined {
    return view.missing(this.context.metadata, this.context.comparison.list);
  }

  /** The view that was chosen, or the first one while that has nothing to show. */
  get view(): View | WholeView {
    const { view: id } = this.context.selection.get();
    return views.find(view => view.id === id && this.missing(view) === undefined) ?? views[0]!;
  }

  /** The shown view, where it needs no frame. */
  get whole(): OpenWholeView | undefined {
    const { view } = this;
    if (!('openWhole' in view)) return undefined;
    let whole = this.wholes.get(view);
    if (!whole) {
      whole = view.openWhole(this.context, this.tables);
      this.wholes.set(view, whole);
      this.place(whole.element);
    }
    return whole;
  }

  hideOthers(): void {
    const { whole } = this;
    for (const other of this.wholes.values()) other.element.hidden = other !== whole;
  }

  dispose(): void {
    for (const whole of this.wholes.values()) whole.dispose?.();
  }
}
