import { quoted, tokenPlace } from '../attention/rows.ts';
import { linkButton } from '../controls.ts';
import { patchValue } from '../cross-attention/cross-overlay.ts';
import { largestOf } from '../cross-attention/largest.ts';
import { element, setText } from '../element.ts';
import { probability, share, tokenProbability, visibleToken } from '../format.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { Scene } from '../scene.ts';

/** The shown word, its alternatives, and what each reading layer added to its row. */
export class CrossReadout implements Region {
  readonly element: HTMLElement;
  private readonly title = element('span', { class: 'title', dir: 'auto' });
  private readonly place = element('small');
  private readonly lock = element('span', { class: 'lock small dim' });
  private readonly body = element('div', { class: 'fate-body', 'data-testid': 'cross-body', tabindex: 0 });
  private drawn = '';

  constructor(context: PanelContext) {
    const unlock = linkButton('cross-unlock', 'Esc', () => {
      context.actions.unlock();
    });
    unlock.className = 'key';
    unlock.title = 'Unlock';
    this.lock.append('locked ', unlock);
    this.body.setAttribute('aria-label', 'Details');
    this.element = element(
      'aside',
      { class: 'readout fate-readout', 'data-testid': 'cross-readout', 'aria-label': 'Readout' },
      element('div', { class: 'readout-title' }, this.title, this.place, this.lock),
      this.body,
    );
  }

  draw(scene: Scene): void {
    const { focus, cross, selection, metadata, shown } = scene;
    this.lock.classList.toggle('shown', selection.tokenLocked || selection.patch !== null);
    const key = `${focus.patch} ${focus.token} ${focus.layers.last} ${cross?.key}`;
    if (key === this.drawn) return;
    this.drawn = key;
    this.body.scrollTop = 0;
    const token = metadata.tokens[focus.token];
    setText(this.title, token ? quoted(token.text) : '');
    setText(this.place, `${tokenPlace(focus.token, metadata)} · ${shown.words}`);
    if (!cross) {
      this.body.replaceChildren();
      return;
    }
    const alternatives = (token?.alternatives ?? []).map(other => {
      const p = Math.exp(other.logprob);
      const bar = element('b', { class: 'probability' });
      bar.style.width = `${p * 100}%`;
      return element(
        'div',
        { class: `bar-line${other.id === token?.id ? ' given' : ''}` },
        element('span', { class: 'name', dir: 'auto' }, visibleToken(other.text)),
        element('span', { class: 'bar' }, bar),
        element('span', { class: 'value' }, tokenProbability(p)),
      );
    });
    const heading = alternatives.length > 0 ? 'Next token, probability' : 'A token of the prompt: nothing predicted it';
    const next = element('div', { class: 'bars' }, element('div', { class: 'small dim' }, heading), ...alternatives);
    const patch = focus.patch === null ? null : patchValue(scene, cross, focus.patch);
    const where =
      patch === null ? 'What reading added, by layer' : `Under the pointer: cross-attention ${probability(patch)}`;
    const layers = element('div', { class: 'bars' }, element('div', { class: 'small dim' }, where), layerTable(scene));
    this.body.replaceChildren(element('div', { class: 'step-facts' }, next, layers));
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
