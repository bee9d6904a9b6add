import { quoted, tokenPlace } from '../attention/rows.ts';
import { patchValue } from '../cross-attention/cross-overlay.ts';
import { largestOf } from '../cross-attention/largest.ts';
import { element } from '../element.ts';
import { probability, share } from '../format.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import { DetailsReadout } from './details-readout.ts';
import { nextTokenBars } from './next-token.ts';

/** The shown word, its alternatives, and what each reading layer added to its row. */
export class CrossReadout implements Region {
  readonly element: HTMLElement;
  private readonly details: DetailsReadout;
  private drawn = '';

  constructor(context: PanelContext) {
    this.details = new DetailsReadout(context, 'cross');
    this.element = this.details.element;
  }

  draw(scene: Scene): void {
    const { focus, cross, selection, metadata, shown } = scene;
    this.details.showLock(selection);
    const key = `${focus.patch} ${focus.token} ${focus.layers.last} ${cross?.key}`;
    if (key === this.drawn) return;
    this.drawn = key;
    const token = metadata.tokens[focus.token];
    const title = token ? quoted(token.text) : '';
    const place = `${tokenPlace(focus.token, metadata)} · ${shown.words}`;
    if (!cross) {
      this.details.show(title, place);
      return;
    }
    const predicted = (token?.alternatives ?? []).length > 0;
    const next = nextTokenBars(
      token,
      predicted ? 'Next token, probability' : 'A token of the prompt: nothing predicted it',
    );
    const patch = focus.patch === null ? null : patchValue(scene, cross, focus.patch);
    const where =
      patch === null ? 'What reading added, by layer' : `Under the pointer: cross-attention ${probability(patch)}`;
    const layers = element('div', { class: 'bars' }, element('div', { class: 'small dim' }, where), layerTable(scene));
    this.details.show(title, place, element('div', { class: 'step-facts' }, next, layers));
  }
}

function layerTable({ cross, focus }: Scene): HTMLElement {
  const { run, row } = cross!;
  const rows = run.described.layers.map((layer, place) => {
    const values = cross!.mapOf(place, 'mean');
    const cells = [
      `D${layer}`,
      run.described.gates[place]!.toFixed(2),
      row === undefined ? '–' : share(run.change(row, place)),
      values ? probability(largestOf(values)) : '–',
    ];
    const chosen = layer >= focus.layers.first && layer <= focus.layers.last;
    return element('tr', { class: chosen ? 'shown' : undefined }, ...cells.map(text => element('td', {}, text)));
  });
  const titles = ['before', 'gate', 'change', 'max'];
  const head = element('tr', {}, ...titles.map(text => element('th', { scope: 'col' }, text)));
  return element('table', { class: 'fate-table' }, element('thead', {}, head), element('tbody', {}, ...rows));
}
