import { massGroups, type MassGroup } from '../../trace/schema.ts';
import { massOf } from '../attention/aggregate.ts';
import { AttentionOverlay } from '../attention/attention-overlay.ts';
import { AttentionTiles } from '../attention/attention-tiles.ts';
import { StripColours } from '../attention/strip-colours.ts';
import type { ChartTables } from '../charts.ts';
import { element } from '../element.ts';
import type { OpenView } from '../faces.ts';
import { Legend } from '../frame/legend.ts';
import { groupName, Readout } from '../frame/readout.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import { AttentionControls } from './attention-controls.ts';
import { HeadGrid } from './head-grid.ts';
import { LayerHeads } from './layer-heads.ts';
import { MassBars, type MassSource } from './mass-bars.ts';

const groups: readonly MassGroup[] = ['image', 'question', 'generated', 'system', 'bos'];

const rowMasses: MassSource = {
  id: 'mass-bars',
  title: 'What the row reads from',
  groups: groups.map(group => ({ name: groupName(group), style: group })),
  masses: ({ mass, metadata }, layer) => {
    if (!mass) return undefined;
    const one = massOf(mass, metadata.model.decoder.heads, massGroups.length, { first: layer, last: layer }, 'mean');
    return groups.map(group => one[massGroups.indexOf(group)]!);
  },
  subject: ({ words }) => words.subject,
};

export function openAttention(context: PanelContext, tables: ChartTables): OpenView {
  return {
    canvas: new AttentionView(context, tables),
    legend: new Legend(context),
    readout: new Readout(context),
    overlay: new AttentionOverlay(),
    tiles: new AttentionTiles(),
    strip: new StripColours(),
    caveat: 'Attention shows where information was read, not why the answer was given.',
  };
}

/** Head × layer maps of the chosen row, and what the row reads from. */
class AttentionView implements Region {
  readonly element: HTMLElement;
  private readonly controls: AttentionControls;
  private readonly grid: HeadGrid;
  private readonly layerHeads: LayerHeads;
  private readonly masses: MassBars;

  constructor(context: PanelContext, tables: ChartTables) {
    this.controls = new AttentionControls(context);
    this.grid = new HeadGrid(context);
    this.layerHeads = new LayerHeads(context);
    this.masses = new MassBars(rowMasses);
    tables.add(this.grid.element, this.grid.body, () => this.grid.table(), { title: 'Head × layer', scale: 'maps' });
    tables.add(this.layerHeads.element, this.layerHeads.body, () => this.layerHeads.table(), { scale: 'maps' });
    tables.add(this.masses.element, this.masses.body, () => this.masses.table(), {
      caption: () => `${this.masses.body.getAttribute('aria-label') ?? ''}; share of attention, mean of heads`,
    });
    this.element = element(
      'section',
      { class: 'canvas', 'aria-label': 'Attention', 'data-testid': 'attention-view' },
      element('div', { class: 'canvas-title' }, element('h2', {}, 'Head × layer'), this.controls.element),
      element(
        'div',
        { class: 'grid-note' },
        this.controls.smooth.element,
        element('span', { class: 'dim small' }, 'corner: maximum · faded: under 5 % on the image'),
      ),
      this.grid.element,
      this.layerHeads.element,
      this.masses.element,
    );
  }

  draw(scene: Scene): void {
    this.controls.draw(scene);
    // A vision layer under the pointer must not move the canvas away; only a chosen one shows its heads.
    const large = scene.layout.mode === 'narrow' || scene.selection.tower === 'vision';
    this.element.classList.toggle('one-layer', large);
    this.grid.element.hidden = large;
    this.layerHeads.element.hidden = !large;
    this.masses.element.hidden = scene.layout.mode === 'narrow';
    if (large) this.layerHeads.draw(scene);
    else this.grid.draw(scene);
    if (!this.masses.element.hidden) this.masses.draw(scene);
  }
}
