import { range, select } from 'd3';
import { summarise } from '../attention/aggregate.ts';
import { tableColumn, type TableData } from '../charts.ts';
import { linkButton } from '../controls.ts';
import { paintCells } from '../colour/heat.ts';
import { context2d, element, setText } from '../element.ts';
import { cornerProbability, probability, share } from '../format.ts';
import type { PanelContext } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import { fadeUnder } from './head-grid.ts';

/** The heads of the chosen layer, large: in narrow windows, and for the vision tower. */
export class LayerHeads {
  readonly element: HTMLElement;
  readonly body = element('div', { class: 'layer-heads', tabindex: 0, role: 'group', 'data-testid': 'layer-heads' });
  private readonly title = element('h2');
  private readonly note = element('small');
  private scene: Scene | null = null;

  constructor(private readonly context: PanelContext) {
    const step = (name: string, text: string, by: number): HTMLElement => {
      const button = linkButton(name, text, () => {
        context.actions.moveLayer(by);
      });
      button.setAttribute('aria-label', by < 0 ? 'Previous layer' : 'Next layer');
      return button;
    };
    this.element = element(
      'div',
      { class: 'layer-heads-chart' },
      element(
        'div',
        { class: 'chart-title' },
        this.title,
        this.note,
        step('layer-before', '‹', -1),
        step('layer-after', '›', 1),
      ),
      this.body,
    );
  }

  draw(scene: Scene): void {
    this.scene = scene;
    const { metadata, focus, layout, theme, sharedMaximum } = scene;
    const vision = focus.tower === 'vision';
    const heads = vision ? metadata.model.vision.heads : metadata.model.decoder.heads;
    const name = vision ? `V${focus.visionLayer}` : `D${focus.layers.last}`;
    setText(this.title, `Heads of ${name}`);
    setText(
      this.note,
      vision ? 'CLS to patches, own maximum each' : sharedMaximum === null ? 'own maximum each' : 'one scale',
    );
    this.body.setAttribute('aria-label', `Heads of layer ${name}`);
    const { grid } = metadata.visual;
    const across = layout.mode === 'narrow' ? 3 : 4;
    const width = layout.mode === 'narrow' ? layout.imageSide : Math.min(layout.canvasWidth, 4 * 150);
    const scale = Math.max(1, Math.floor((width - 8 * (across - 1)) / across / grid.columns));
    this.body.style.gridTemplateColumns = `repeat(${across}, ${scale * grid.columns}px)`;
    this.body.style.maxWidth = `${width}px`;
    const chosen = vision ? focus.visionHead : focus.head;
    const cells = select(this.body)
      .selectAll<HTMLElement, number>('figure')
      .data(range(heads))
      .join(enter => enter.append(head => this.cell(head)));
    cells.each((head, index, nodes) => {
      const node = nodes[index]!;
      const [canvas, caption] = Array.from(node.children) as [HTMLCanvasElement, HTMLElement];
      const map = this.mapOf(scene, head);
      canvas.width = grid.columns;
      canvas.height = grid.rows;
      canvas.style.width = `${grid.columns * scale}px`;
      canvas.style.height = `${grid.rows * scale}px`;
      node.classList.toggle('chosen', chosen === head);
      canvas.classList.toggle('faded', !vision && map.sum < fadeUnder);
      const context = context2d(canvas);
      const image = context.createImageData(grid.columns, grid.rows);
      const maximum = vision ? map.maximum : (sharedMaximum ?? map.maximum);
      paintCells(image.data, grid.columns, 0, 0, map.values, 0, grid.columns, grid.rows, maximum, theme.opaque);
      context.putImageData(image, 0, 0);
      const [label, sum, peak] = Array.from(caption.children) as [HTMLElement, HTMLElement, HTMLElement];
      setText(label, `head ${head}`);
      setText(sum, `${vision ? 'patches' : 'image'} ${share(map.sum)}`);
      setText(peak, `max ${cornerProbability(map.maximum)}`);
      canvas.setAttribute('aria-label', `Head ${head} of layer ${name}, 0 to ${probability(map.maximum)}`);
      node.dataset['layer'] = String(vision ? focus.visionLayer : focus.layers.last);
    });
  }

  table(): TableData {
    const columns = ['head', 'maximum', 'sum on the image'].map(title => tableColumn(title));
    const { scene } = this;
    if (!scene) return { caption: 'Heads', columns, rows: [] };
    const vision = scene.focus.tower === 'vision';
    const heads = vision ? scene.metadata.model.vision.heads : scene.metadata.model.decoder.heads;
    const rows = range(heads).map(head => {
      const map = this.mapOf(scene, head);
      return [String(head), probability(map.maximum), share(map.sum)];
    });
    return { caption: this.title.textContent, columns, rows };
  }

  private mapOf({ focus, metadata, cls, rowMaps }: Scene, head: number): ReturnType<typeof summarise> {
    const patches = metadata.visual.grid.rows * metadata.visual.grid.columns;
    if (focus.tower === 'vision') {
      const start = (focus.visionLayer * metadata.model.vision.heads + head) * patches;
      return summarise(cls?.subarray(start, start + patches) ?? new Float32Array(patches));
    }
    if (!rowMaps) return summarise(new Float32Array(patches));
    const layer = focus.layers.last;
    const start = head * (rowMaps.leading + patches) + rowMaps.leading;
    const rest = Math.max(1e-6, 1 - rowMaps.hiddenText(layer, head));
    return summarise(
      rowMaps
        .layer(layer)
        .subarray(start, start + patches)
        .map(value => value / rest),
    );
  }

  private cell(head: number): HTMLElement {
    const canvas = element('canvas', { role: 'img' });
    const caption = element(
      'figcaption',
      {},
      element('span'),
      element('span', { class: 'dim' }),
      element('span', { class: 'dim' }),
    );
    const cell = element('figure', { 'data-testid': 'layer-head', 'data-head': head }, canvas, caption);
    cell.addEventListener('click', () => {
      this.context.actions.chooseHead(head);
    });
    return cell;
  }
}
