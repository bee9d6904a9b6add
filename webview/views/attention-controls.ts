import { checkbox, dropdown, type Choice } from '../controls.ts';
import { element } from '../element.ts';
import { count, share } from '../format.ts';
import { hasBothRows } from '../attention/rows.ts';
import { massOf } from '../attention/aggregate.ts';
import { massGroups } from '../../trace/schema.ts';
import type { PanelContext } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import type { HeadChoice, LayerChoice } from '../selection.ts';

/** Row, layers, heads and what is hidden. */
export class AttentionControls {
  readonly element: HTMLElement;
  private readonly row;
  private readonly layers;
  private readonly heads;
  private readonly hideText;
  private readonly hideOutliers;
  /** Stands apart from the others, beside the note on the maps. */
  readonly smooth;

  private readonly ranges: readonly string[];
  private readonly layerList: readonly Choice[];
  private readonly decoderHeads: readonly Choice[];
  private readonly visionHeads: readonly Choice[];
  private rangeList: readonly Choice[] = [];

  constructor(private readonly context: PanelContext) {
    const { selection, actions } = context;
    const { decoder, vision } = context.metadata.model;
    const all = { first: 0, last: decoder.layers - 1 };
    const ranges = [layerChoice({ ...all, over: 'mean' }), layerChoice({ ...all, over: 'max' })];
    this.ranges = ranges.map(({ value }) => value);
    this.layerList = [
      ...(decoder.layers > 1 ? ranges : []),
      ...Array.from({ length: decoder.layers }, (_, layer) => ({ value: `D${layer}`, text: `D${layer}` })),
      ...Array.from({ length: vision.layers }, (_, layer) => ({ value: `V${layer}`, text: `V${layer}, vision` })),
    ];
    this.decoderHeads = headChoices(decoder.heads, false);
    this.visionHeads = headChoices(vision.heads, context.pages.hasRollout);
    this.row = dropdown('row', 'Row', value => {
      if (value === 'predicts' || value === 'own') selection.set({ row: value });
    });
    this.layers = dropdown('layer', 'Layers', value => {
      this.chooseLayers(value);
    });
    this.heads = dropdown('head', 'Heads', value => {
      actions.chooseHead(value === 'mean' || value === 'max' || value === 'rollout' ? value : Number(value));
    });
    this.hideText = checkbox('hide-text', 'Hide <s> and system', hideText => {
      selection.set({ hideText });
    });
    this.hideOutliers = checkbox('hide-outliers', 'Hide outlier patches', hideOutliers => {
      selection.set({ hideOutliers });
    });
    this.smooth = checkbox('smooth', 'Smooth', smooth => {
      selection.set({ smooth });
    });
    this.smooth.element.title = 'Interpolate the image overlay between patches; off, every patch is drawn as it is';
    const labelled = (text: string, ...controls: HTMLElement[]): HTMLElement =>
      element('span', { class: 'control' }, element('span', { class: 'dim small' }, text), ...controls);
    this.element = element(
      'div',
      { class: 'controls', role: 'group', 'aria-label': 'What is shown' },
      labelled('Row', this.row.element),
      labelled('Show', this.layers.element, this.heads.element),
      this.hideText.element,
      this.hideOutliers.element,
    );
  }

  draw(scene: Scene): void {
    const { selection } = scene;
    const { tower, token } = selection;
    this.row.show(...this.rowChoices(token, selection.row));
    const vision = tower === 'vision';
    this.layers.show(
      this.layerChoices(selection.layers),
      vision ? `V${selection.visionLayer}` : layerValue(selection.layers),
    );
    this.heads.show(
      vision ? this.visionHeads : this.decoderHeads,
      String(vision ? selection.visionHead : selection.head),
    );
    this.drawHiding(scene);
    this.smooth.show(selection.smooth, 'Smooth overlay');
  }

  private drawHiding(scene: Scene): void {
    const { selection, mass, metadata, outliers, focus } = scene;
    const decoder = focus.tower === 'decoder';
    const head: HeadChoice = focus.head;
    const groups = mass && massOf(mass, metadata.model.decoder.heads, massGroups.length, focus.layers, head);
    const hidden = groups && groups[massGroups.indexOf('bos')]! + groups[massGroups.indexOf('system')]!;
    const amount = hidden === null || !decoder ? '' : ` (${share(hidden)})`;
    this.hideText.show(selection.hideText, `Hide <s> and system${amount}`, decoder);
    const known =
      outliers && typeof outliers !== 'string' ? ` (${count(outliers.count)}, ${share(outliers.mass)})` : '';
    this.hideOutliers.show(selection.hideOutliers, `Hide outlier patches${known}`, typeof outliers !== 'string');
    this.hideOutliers.element.title =
      typeof outliers === 'string'
        ? outliers
        : 'Patches that draw attention in most rows of this layer, whatever is asked';
  }

  private rowChoices(token: number, wanted: 'predicts' | 'own'): [readonly Choice[], string] {
    const { metadata } = this.context;
    if (hasBothRows(token, metadata)) return [bothRows, wanted];
    return token < metadata.promptTokens ? [ownRow, 'own'] : [predictingRow, 'predicts'];
  }

  /** The same list as long as the same range is chosen. */
  private layerChoices(layers: LayerChoice): readonly Choice[] {
    const special = layers.first !== layers.last && !this.ranges.includes(layerValue(layers));
    if (!special) return this.layerList;
    if (this.rangeList[0]?.value !== layerValue(layers)) this.rangeList = [layerChoice(layers), ...this.layerList];
    return this.rangeList;
  }

  private chooseLayers(value: string): void {
    const { actions, selection } = this.context;
    const range = /^D(\d+)-(\d+) (mean|max)$/.exec(value);
    if (range) {
      const [, first, last, over] = range;
      const layers: LayerChoice = { first: Number(first), last: Number(last), over: over === 'max' ? 'max' : 'mean' };
      selection.set({ tower: 'decoder', layers });
    } else if (value.startsWith('V')) actions.chooseVisionLayer(Number(value.slice(1)));
    else actions.chooseLayer(Number(value.slice(1)));
  }
}

const layerValue = ({ first, last, over }: LayerChoice): string =>
  first === last ? `D${first}` : `D${first}-${last} ${over}`;
const layerChoice = (layers: LayerChoice): Choice => ({ value: layerValue(layers), text: layerText(layers) });
const predictingRow: readonly Choice[] = [{ value: 'predicts', text: 'that predicts it' }];
const ownRow: readonly Choice[] = [{ value: 'own', text: 'of the token' }];
const bothRows: readonly Choice[] = [...predictingRow, ...ownRow];
const headChoices = (heads: number, rollout: boolean): readonly Choice[] => [
  { value: 'mean', text: 'mean of heads' },
  { value: 'max', text: 'maximum' },
  ...(rollout ? [{ value: 'rollout', text: 'rollout' }] : []),
  ...Array.from({ length: heads }, (_, head) => ({ value: String(head), text: `head ${head}` })),
];
const layerText = ({ first, last, over }: LayerChoice): string =>
  `D${first}–D${last}, ${over === 'max' ? 'maximum' : 'mean'}`;
