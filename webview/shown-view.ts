import { element, setText } from './element.ts';
import type { OpenView } from './faces.ts';
import type { Region } from './panel-context.ts';
import type { Scene } from './scene.ts';

/** All views of the run, of which one is drawn. */
export class ShownView implements Region {
  /** The canvases. */
  readonly element: HTMLElement;
  readonly legends: readonly HTMLElement[];
  readonly readouts: readonly HTMLElement[];
  readonly caveat = element('p', { class: 'disclaimer small dim', 'data-testid': 'disclaimer' });

  /** @param views by id, in the order of their tabs; at least one */
  constructor(private readonly views: ReadonlyMap<string, OpenView>) {
    const all = [...views.values()];
    this.element = element('div', { class: 'view' }, ...all.map(({ canvas }) => canvas.element));
    this.legends = all.map(({ legend }) => legend.element);
    this.readouts = all.map(({ readout }) => readout.element);
  }

  /** The view of this name, or the first: what is stored may name one that this run has nothing for. */
  of(id: string): OpenView {
    return this.views.get(id) ?? this.views.values().next().value!;
  }

  draw(scene: Scene): void {
    const shown = this.of(scene.selection.view);
    for (const view of this.views.values())
      for (const { element: part } of [view.canvas, view.legend, view.readout]) part.hidden = view !== shown;
    setText(this.caveat, shown.caveat ?? '');
    this.caveat.hidden = shown.caveat === undefined;
    shown.legend.draw(scene);
    shown.readout.draw(scene);
    shown.canvas.draw(scene);
  }

  dispose(): void {
    for (const { canvas, legend, readout } of this.views.values())
      for (const region of [canvas, legend, readout]) region.dispose?.();
  }
}
