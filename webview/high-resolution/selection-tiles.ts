import { AttentionTiles } from '../attention/attention-tiles.ts';
import { tableColumn, type TableData } from '../charts.ts';
import { fitCanvas } from '../element.ts';
import type { LayerTile, LayerTiles } from '../faces.ts';
import { count, share } from '../format.ts';
import { hatch } from '../image/picture-canvas.ts';
import type { ShownPicture } from '../image/shown-picture.ts';
import type { Scene } from '../scene.ts';
import { MaskedPicture } from './masked-picture.ts';
import { detailPlace } from './places.ts';

/** The part of the picture that each decoder layer reads in high resolution, and how much of its attention goes there. */
export class SelectionTiles implements LayerTiles {
  readonly figure = { title: 'Layer by layer' } as const;
  readonly captions: LayerTiles['captions'] = {
    vision: ({ metadata }) => `Vision tower: CLS to patches, mean of ${metadata.model.vision.heads} heads`,
    decoder: (_, part) =>
      `Decoder: cells that the layer reads, selected by the one before; number: attention on them${part}`,
    short: () => 'Cells that each layer reads; number: attention on them. To the left: vision tower.',
    numbers: 'HR att.',
  };
  private readonly vision = new AttentionTiles();
  private readonly masked = new MaskedPicture();

  constructor(private readonly picture: ShownPicture) {}

  key({ detail }: Scene): string {
    return `${detail?.step} ${this.picture.drawable !== null}`;
  }

  paint(canvas: HTMLCanvasElement, scene: Scene, tile: LayerTile): void {
    if (tile.tower === 'vision') {
      this.vision.paint(canvas, scene, tile);
      return;
    }
    const { detail, geometry, metadata, theme } = scene;
    const { grid } = metadata.visual;
    const scale = tile.size / Math.max(grid.rows, grid.columns);
    const width = Math.max(1, Math.round(grid.columns * scale));
    const height = Math.max(1, Math.round(grid.rows * scale));
    const context = fitCanvas(canvas, width, height);
    context.clearRect(0, 0, width, height);
    if (!detail) return;
    const selected = detail.run.cellsRead(detail.step, tile.layer);
    if (!selected) {
      hatch(context, width, height, 6, theme.colour('--fovea-grid'));
      return;
    }
    const shrink = scale / geometry.patch;
    const shrunk = (place: typeof geometry.picture): typeof geometry.picture => ({
      x: place.x * shrink,
      y: place.y * shrink,
      width: place.width * shrink,
      height: place.height * shrink,
    });
    const place = {
      picture: this.picture.drawable,
      whole: shrunk(geometry.picture),
      grid: shrunk(detailPlace(geometry, metadata.image, detail.run.described)),
      width,
      height,
      pixelated: false,
    };
    this.masked.draw(context, String(this.picture.drawable !== null), place, theme);
    this.masked.reveal(context, place, detail.run.described.cells, selected, theme, 0);
  }

  note(scene: Scene, tile: LayerTile): string {
    if (tile.tower === 'vision') return this.vision.note(scene, tile);
    const { detail } = scene;
    if (!detail || !(tile.pitch >= 40 || tile.chosen)) return '';
    const on = detail.run.share(detail.step, tile.layer);
    if (on !== undefined) return share(on);
    return detail.run.reads(tile.layer + 1) && detail.run.placeOf(tile.layer) >= 0 ? 'selects' : 'none';
  }

  table({ detail }: Scene, tiles: readonly LayerTile[]): TableData {
    const rows = tiles.map(({ tower, layer }) => {
      if (tower === 'vision' || !detail) return [`V${layer}`, '', ''];
      const tokens = detail.run.tokenCount(detail.step, layer);
      const on = detail.run.share(detail.step, layer);
      return [`D${layer}`, tokens === undefined ? 'none' : count(tokens), on === undefined ? '' : share(on)];
    });
    return {
      caption: 'High-resolution tokens that each layer reads, and how much of its attention goes there',
      columns: [tableColumn('layer', false), tableColumn('tokens'), tableColumn('attention')],
      rows,
    };
  }
}
