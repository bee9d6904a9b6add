import { tableColumn, type TableData } from '../charts.ts';
import { paintCells, shrinkToMaximum } from '../colour/heat.ts';
import { context2d } from '../element.ts';
import type { LayerTile, LayerTiles } from '../faces.ts';
import { cornerProbability, probability } from '../format.ts';
import type { Scene } from '../scene.ts';
import type { PatchMap } from './aggregate.ts';

/** The shown row's attention in every decoder layer, and what CLS looked at in every vision layer. */
export class AttentionTiles implements LayerTiles {
  readonly figure = { title: 'Layer by layer', scale: 'maps' } as const;
  readonly captions: LayerTiles['captions'] = {
    vision: ({ metadata }) => `Vision tower: CLS to patches, mean of ${metadata.model.vision.heads} heads`,
    decoder: ({ metadata, focus, shown, words }, part) => {
      const subject = focus.tower === 'vision' || shown.row === undefined ? 'selected row' : words.subject;
      return `Decoder: ${subject} to patches, mean of ${metadata.model.decoder.heads} heads${part}`;
    },
    short: ({ metadata }) =>
      `Mean of ${metadata.model.decoder.heads} heads; number: maximum. To the left: vision tower.`,
    numbers: 'max',
  };

  key(scene: Scene): string {
    return scene.heatKey;
  }

  paint(canvas: HTMLCanvasElement, scene: Scene, tile: LayerTile): void {
    const { grid } = scene.metadata.visual;
    const map = mapOf(scene, tile);
    const shrink = tile.size < Math.max(grid.columns, grid.rows);
    const ratio = shrink ? tile.size / Math.max(grid.columns, grid.rows) : 1;
    const [columns, rows] = [Math.max(1, Math.floor(grid.columns * ratio)), Math.max(1, Math.floor(grid.rows * ratio))];
    if (canvas.width !== columns) canvas.width = columns;
    if (canvas.height !== rows) canvas.height = rows;
    const context = context2d(canvas);
    const values = map?.values ?? new Float32Array(grid.columns * grid.rows);
    const shown = shrink ? shrinkToMaximum(values, 0, grid.columns, grid.rows, columns, rows) : values;
    const image = context.createImageData(columns, rows);
    const maximum = (tile.tower === 'decoder' ? scene.sharedMaximum : null) ?? map?.maximum ?? 0;
    paintCells(image.data, columns, 0, 0, shown, 0, columns, rows, maximum, scene.theme.opaque);
    context.putImageData(image, 0, 0);
  }

  note(scene: Scene, tile: LayerTile): string {
    if (tile.tower === 'vision')
      return scene.metadata.model.vision.featureLayers.includes(tile.layer) ? 'features' : '';
    const map = mapOf(scene, tile);
    return map && (tile.pitch >= 40 || tile.chosen) ? cornerProbability(map.maximum) : '';
  }

  table(scene: Scene, tiles: readonly LayerTile[]): TableData {
    const rows = tiles.map(tile => {
      const map = mapOf(scene, tile);
      const name = `${tile.tower === 'vision' ? 'V' : 'D'}${tile.layer}`;
      return [name, map ? probability(map.maximum) : '', map ? probability(map.sum) : ''];
    });
    return {
      caption: 'Attention to the image by layer, mean of heads',
      columns: [tableColumn('layer', false), tableColumn('maximum'), tableColumn('sum on the image')],
      rows,
    };
  }
}

function mapOf(
  { layout, decoderTiles, visionTiles }: Scene,
  { tower, layer }: Pick<LayerTile, 'tower' | 'layer'>,
): PatchMap | undefined {
  return tower === 'vision' ? visionTiles?.[layer] : decoderTiles?.[layer - layout.columns.first];
}
