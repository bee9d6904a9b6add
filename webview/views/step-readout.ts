import { quoted, tokenPlace } from '../attention/rows.ts';
import { linkButton } from '../controls.ts';
import { element, setText } from '../element.ts';
import { count, probability, share, tokenProbability, visibleToken } from '../format.ts';
import { cellOfPatch, detailPlace, sumOnPatch } from '../high-resolution/places.ts';
import { changeText, overlapText } from '../high-resolution/quantities.ts';
import { notReading } from '../high-resolution/shown-selection.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { DetailScene, Scene } from '../scene.ts';

/** The shown step in words; of a hovered or locked patch, which layers read it in high resolution. */
export class StepReadout implements Region {
  readonly element: HTMLElement;
  private readonly title = element('span', { class: 'title', dir: 'auto' });
  private readonly place = element('small');
  private readonly lock = element('span', { class: 'lock small dim' });
  private readonly body = element('div', { class: 'fate-body', 'data-testid': 'step-body', tabindex: 0 });
  private drawn = '';

  constructor(context: PanelContext) {
    const unlock = linkButton('step-unlock', 'Esc', () => {
      context.actions.unlock();
    });
    unlock.className = 'key';
    unlock.title = 'Unlock';
    this.lock.append('locked ', unlock);
    this.body.setAttribute('aria-label', 'Details');
    this.element = element(
      'aside',
      { class: 'readout fate-readout', 'data-testid': 'step-readout', 'aria-label': 'Readout' },
      element('div', { class: 'readout-title' }, this.title, this.place, this.lock),
      this.body,
    );
  }

  draw(scene: Scene): void {
    const { focus, detail, selection } = scene;
    this.lock.classList.toggle('shown', selection.tokenLocked || selection.patch !== null);
    const key = `${focus.patch} ${detail?.step} ${detail?.layer}`;
    if (key === this.drawn) return;
    this.drawn = key;
    this.body.scrollTop = 0;
    if (!detail) {
      setText(this.title, 'High-resolution tokens');
      setText(this.place, 'not in this trace');
      this.body.replaceChildren();
    } else if (focus.patch === null) this.drawStep(scene, detail);
    else this.drawPatch(scene, detail, focus.patch);
  }

  private drawStep({ metadata }: Scene, detail: DetailScene): void {
    const { run, step, layer, shown } = detail;
    const index = metadata.promptTokens + step;
    const token = metadata.tokens[index];
    setText(this.title, token ? quoted(token.text) : '');
    setText(this.place, `${tokenPlace(index, metadata)} · predicted at this step`);
    const alternatives = (token?.alternatives ?? []).map(other => {
      const p = Math.exp(other.logprob);
      const bar = element('b', { class: 'probability' });
      bar.style.width = `${p * 100}%`;
      const classes = `bar-line${other.id === token?.id ? ' given' : ''}`;
      return element(
        'div',
        { class: classes },
        element('span', { class: 'name', dir: 'auto' }, visibleToken(other.text)),
        element('span', { class: 'bar' }, bar),
        element('span', { class: 'value' }, tokenProbability(p)),
      );
    });
    const next = element(
      'div',
      { class: 'bars' },
      element('div', { class: 'small dim' }, 'Next token, probability'),
      ...alternatives,
    );
    const facts = shown
      ? [
          ['reads', `${count(shown.tokenCount)} of ${count(run.tokens)} tokens`],
          ['selected by', `D${shown.selector}, ${count(shown.cellCount)} cells`],
          ['attention on them', shown.share === undefined ? '–' : share(shown.share)],
          ['change of output', changed(run.change(step, layer))],
          ['overlap, last step', overlapText(run.overlapWithStep(step, layer))],
          ['overlap, layer before', overlapText(run.overlapWithLayer(step, layer))],
        ]
      : [['', notReading(detail)]];
    const rows = facts.map(([name, text]) =>
      element('tr', {}, element('td', { class: 'dim' }, name ?? ''), element('td', {}, text ?? '')),
    );
    const table = element('table', { class: 'fate-table' }, element('tbody', {}, ...rows));
    const heading = element('div', { class: 'small dim' }, `Layer D${layer}, high-resolution tokens`);
    this.body.replaceChildren(
      element('div', { class: 'step-facts' }, next, element('div', { class: 'bars' }, heading, table)),
    );
  }

  private drawPatch({ geometry, metadata }: Scene, detail: DetailScene, patch: number): void {
    const { run, step, layer: chosen } = detail;
    const { cells, grid, attending } = run.described;
    setText(this.title, `Patch row ${Math.floor(patch / geometry.columns)}, column ${patch % geometry.columns}`);
    const place = detailPlace(geometry, metadata.image, run.described);
    const cell = cellOfPatch(patch, geometry, place, cells);
    if (cell === undefined) {
      setText(this.place, 'outside the high-resolution image');
      this.body.replaceChildren();
      return;
    }
    setText(
      this.place,
      `cell row ${Math.floor(cell / cells.columns)}, column ${cell % cells.columns}, ${count(Math.round(run.tokensPerCell))} tokens`,
    );
    const rows = attending.map(layer => {
      const covered = run.cellsRead(step, layer)?.[cell] === 1;
      const read = covered ? detail.readBy(layer) : null;
      const times = Array.from({ length: run.steps }, (_, at) => run.cellsRead(at, layer)?.[cell] ?? 0);
      const often = times.reduce((sum, one) => sum + one, 0);
      return element(
        'tr',
        { class: layer === chosen ? 'shown' : undefined },
        element('td', {}, `D${layer}`),
        element('td', { class: covered ? 'strong' : 'dim' }, covered ? `read, selected by D${layer - 1}` : 'not read'),
        element('td', {}, read ? probability(sumOnPatch(read, patch, geometry, place, grid)) : '–'),
        element('td', {}, `${count(often)} of ${count(run.steps)}`),
      );
    });
    const head = ['layer', 'at this step', 'attention', 'steps'].map(text => element('th', { scope: 'col' }, text));
    this.body.replaceChildren(
      element(
        'table',
        { class: 'fate-table' },
        element('thead', {}, element('tr', {}, ...head)),
        element('tbody', {}, ...rows),
      ),
    );
  }
}

const changed = (change: number | undefined): string => (change === undefined ? '–' : changeText(change));
