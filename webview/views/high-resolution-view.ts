import { highResolutionGroups, type HighResolutionGroup } from '../../trace/high-resolution.ts';
import type { ChartTables } from '../charts.ts';
import { element, setText } from '../element.ts';
import type { OpenView } from '../faces.ts';
import { groupName } from '../frame/readout.ts';
import { SelectionOverlay } from '../high-resolution/selection-overlay.ts';
import { SelectionTiles } from '../high-resolution/selection-tiles.ts';
import { StepStrip } from '../high-resolution/step-strip.ts';
import { settingWords, weightWords } from '../high-resolution/words.ts';
import { changeText } from '../high-resolution/quantities.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import { MassBars, type MassSource } from './mass-bars.ts';
import { ResolutionCosts } from './resolution-costs.ts';
import { SelectionPictures } from './selection-pictures.ts';
import { StepLegend } from './step-legend.ts';
import { StepMatrix } from './step-matrix.ts';
import { StepReadout } from './step-readout.ts';
import { StepTable } from './step-table.ts';

const groups: readonly HighResolutionGroup[] = ['highResolution', 'image', 'question', 'generated', 'system', 'bos'];
const groupTitle = (group: HighResolutionGroup): string =>
  group === 'highResolution' ? 'high resolution' : group === 'image' ? 'low resolution' : groupName(group);

const stepMasses: MassSource = {
  id: 'detail-masses',
  title: 'What the step reads from',
  groups: groups.map(group => ({ name: groupTitle(group), style: group === 'highResolution' ? 'hr' : group })),
  top: 'HR',
  masses: ({ detail }, layer) => {
    const masses = detail?.run.masses(detail.step, layer);
    return masses && groups.map(group => masses[highResolutionGroups.indexOf(group)]!);
  },
  subject: ({ words }) => words.subject,
  below: {
    label: 'change',
    text: ({ detail }, layer) => {
      const change = detail?.run.change(detail.step, layer);
      return change === undefined ? '' : changeText(change);
    },
  },
};

const caveat = 'Attention shows where information was read, not why the answer was given.';

export function openHighResolution(context: PanelContext, tables: ChartTables): OpenView {
  const legend = new StepLegend(context);
  const { actions } = context;
  return {
    canvas: new HighResolutionView(context, tables),
    legend,
    readout: new StepReadout(context),
    overlay: new SelectionOverlay(context.picture),
    tiles: new SelectionTiles(context.picture),
    strip: new StepStrip(),
    keys: {
      ArrowLeft: () => {
        actions.moveStep(-1);
      },
      ArrowRight: () => {
        actions.moveStep(1);
      },
      ' ': () => {
        legend.toggle();
      },
    },
  };
}

/** How attention selects high-resolution tokens, layer by layer and step by step, and what reading them costs. */
class HighResolutionView implements Region {
  readonly element: HTMLElement;
  private readonly setting = element('p', { class: 'setting small dim', 'data-testid': 'detail-setting' });
  private readonly weights = element('span', { class: 'weights small', 'data-testid': 'detail-weights' });
  private readonly pictures: SelectionPictures;
  private readonly matrix: StepMatrix;
  private readonly steps: StepTable;
  private readonly masses = new MassBars(stepMasses);
  private readonly costs = new ResolutionCosts();

  constructor(context: PanelContext, tables: ChartTables) {
    this.pictures = new SelectionPictures(context);
    this.matrix = new StepMatrix(context);
    this.steps = new StepTable(context);
    tables.add(this.pictures.element, this.pictures.body, () => this.pictures.table());
    tables.add(this.matrix.element, this.matrix.body, () => this.matrix.table(), {
      caption: () => this.matrix.caption(),
    });
    tables.add(this.masses.element, this.masses.body, () => this.masses.table(), {
      caption: () =>
        `${this.masses.body.getAttribute('aria-label') ?? ''}; share of attention, mean of heads; below: change of the attention output, relative L2 norm`,
    });
    tables.add(this.costs.element, this.costs.body, () => this.costs.table());
    this.element = element(
      'section',
      { class: 'canvas detail', 'aria-label': 'High resolution', 'data-testid': 'detail-view' },
      this.pictures.element,
      element('div', { class: 'setting-row' }, this.weights, this.setting),
      this.matrix.element,
      this.steps.element,
      this.masses.element,
      this.costs.element,
    );
  }

  draw(scene: Scene): void {
    const { highResolution, visual } = scene.metadata;
    if (!highResolution) return;
    const narrow = scene.layout.mode === 'narrow';
    const { notes } = highResolution;
    const patches = visual.grid.rows * visual.grid.columns;
    setText(this.setting, [settingWords(highResolution, patches), ...notes, caveat].join(' · '));
    this.setting.title = this.setting.textContent;
    setText(this.weights, weightWords(highResolution));
    this.weights.classList.toggle('warn', highResolution.weights.kind === 'copied');
    this.pictures.draw(scene);
    this.matrix.element.hidden = narrow;
    this.steps.element.hidden = !narrow;
    if (narrow) this.steps.draw(scene);
    else this.matrix.draw(scene);
    this.masses.element.hidden = narrow;
    if (!narrow) this.masses.draw(scene);
    this.costs.draw(scene);
  }
}
