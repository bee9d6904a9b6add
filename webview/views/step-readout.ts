import { quoted, tokenPlace } from '../attention/rows.ts';
import { element } from '../element.ts';
import { count, probability, share } from '../format.ts';
import { cellOfPatch, detailPlace, sumOnPatch } from '../high-resolution/places.ts';
import { changeText, overlapText } from '../high-resolution/quantities.ts';
import { notReading } from '../high-resolution/shown-selection.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { DetailScene, Scene } from '../scene.ts';
import { DetailsReadout } from './details-readout.ts';
import { nextTokenBars } from './next-token.ts';

/** The shown step in words; of a hovered or locked patch, which layers read it in high resolution. */
export class StepReadout implements Region {
  readonly element: HTMLElement;
  private readonly details: DetailsReadout;
  private drawn = '';

  constructor(context: PanelContext) {
    this.details = new DetailsReadout(context, 'step');
    this.element = this.details.element;
  }

  draw(scene: Scene): void {
    const { focus, detail, selection } = scene;
    this.details.showLock(selection);
    const key = `${focus.patch} ${detail?.step} ${detail?.layer}`;
    if (key === this.drawn) return;
    this.drawn = key;
    if (!detail) this.details.show('High-resolution tokens', 'not in this trace');
    else if (focus.patch === null) this.drawStep(scene, detail);
    else this.drawPatch(scene, detail, focus.patch);
  }

  private drawStep({ metadata }: Scene, detail: DetailScene): void {
    const { run, step, layer, shown } = detail;
    const index = metadata.promptTokens + step;
    const token = metadata.tokens[index];
    const title = token ? quoted(token.text) : '';
    const place = `${tokenPlace(index, metadata)} · predicted at this step`;
    const next = nextTokenBars(token, 'Next token, probability');
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
    this.details.show(
      title,
      place,
      element('div', { class: 'step-facts' }, next, element('div', { class: 'bars' }, heading, table)),
    );
  }

  private drawPatch({ geometry, metadata }: Scene, detail: DetailScene, patch: number): void {
    const { run, step, layer: chosen } = detail;
    const { cells, grid, attending } = run.described;
    const title = `Patch row ${Math.floor(patch / geometry.columns)}, column ${patch % geometry.columns}`;
    const place = detailPlace(geometry, metadata.image, run.described);
    const cell = cellOfPatch(patch, geometry, place, cells);
    if (cell === undefined) {
      this.details.show(title, 'outside the high-resolution image');
      return;
    }
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
    this.details.show(
      title,
      `cell row ${Math.floor(cell / cells.columns)}, column ${cell % cells.columns}, ${count(Math.round(run.tokensPerCell))} tokens`,
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
