import { AttentionTiles } from '../attention/attention-tiles.ts';
import { tableColumn, type TableData } from '../charts.ts';
import { fitCanvas } from '../element.ts';
import type { LayerTile, LayerTiles } from '../faces.ts';
import { probability, share } from '../format.ts';
import { TokenHeat } from '../high-resolution/masked-picture.ts';
import { hatch } from '../image/picture-canvas.ts';
import type { Scene } from '../scene.ts';
import { largestOf } from './largest.ts';

/** What the shown row read before each decoder layer, and how much that changed it. */
export class CrossTiles implements LayerTiles {
  readonly figure = { title: 'Layer by layer' } as const;
  readonly captions: LayerTiles['captions'] = {
    vision: ({ metadata }) => `Vision tower: CLS to patches, mean of ${metadata.model.vision.heads} heads`,
    decoder: ({ cross }, part) =>
      `Decoder: ${cross && cross.run.frames > 0 ? `frame ${cross.frame + 1}` : 'the large image'} as read before the layer; number: change of the row${part}`,
    short: () => 'What was read before each layer; number: change of the row. To the left: vision tower.',
    numbers: 'change',
  };
  private readonly vision = new AttentionTiles();
  private readonly heat = new TokenHeat();

  key({ cross }: Scene): string {
    return String(cross?.key);
  }

  paint(canvas: HTMLCanvasElement, scene: Scene, tile: LayerTile): void {
    if (tile.tower === 'vision') {
      this.vision.paint(canvas, scene, tile);
      return;
    }
    const { cross, metadata, theme } = scene;
    const { grid } = metadata.visual;
    const scale = tile.size / Math.max(grid.rows, grid.columns);
    const width = Math.max(1, Math.round(grid.columns * scale));
    const height = Math.max(1, Math.round(grid.rows * scale));
    const context = fitCanvas(canvas, width, height);
    context.clearRect(0, 0, width, height);
    const values = mapAt(scene, tile.layer);
    if (!cross || !values) {
      hatch(context, width, height, 6, theme.colour('--fovea-grid'));
      return;
    }
    const place = { x: 0, y: 0, width, height };
    const every = new Uint8Array(values.length).fill(1);
    this.heat.draw(context, place, cross.run.described.grid, values, every, largestOf(values), null, theme);
  }

  note(scene: Scene, tile: LayerTile): string {
    if (tile.tower === 'vision') return this.vision.note(scene, tile);
    if (!(tile.pitch >= 40 || tile.chosen)) return '';
    const change = changeAt(scene, tile.layer);
    return change === undefined ? 'none' : share(change);
  }

  table(scene: Scene, tiles: readonly LayerTile[]): TableData {
    const rows = tiles.map(({ tower, layer }) => {
      if (tower === 'vision') return [`V${layer}`, '', ''];
      const [values, change] = [mapAt(scene, layer), changeAt(scene, layer)];
      return [`D${layer}`, values ? probability(largestOf(values)) : 'none', change === undefined ? '' : share(change)];
    });
    return {
      caption: 'Cross-attention before each layer, mean of heads, and how much it changed the row',
      columns: [tableColumn('layer', false), tableColumn('maximum'), tableColumn('change')],
      rows,
    };
  }
}

function mapAt({ cross }: Scene, layer: number): Float32Array | null {
  const place = cross?.run.described.layers.indexOf(layer) ?? -1;
  return place < 0 ? null : (cross?.mapOf(place, 'mean') ?? null);
}

function changeAt({ cross }: Scene, layer: number): number | undefined {
  const place = cross?.run.described.layers.indexOf(layer) ?? -1;
  return place < 0 || cross?.row === undefined ? undefined : cross.run.change(cross.row, place);
}
