import { lastStageBefore, meanEntering } from '../../trace/fates.ts';
import { tableColumn, type TableData } from '../charts.ts';
import { fitCanvas } from '../element.ts';
import type { LayerTile, LayerTiles } from '../faces.ts';
import { count } from '../format.ts';
import type { ShownPicture } from '../image/shown-picture.ts';
import type { Scene } from '../scene.ts';
import { drawGone, drawGroups } from './fate-drawing.ts';
import { lastVisionStageBefore } from './stages.ts';

/** The picture as each layer still sees it: what enters the layer. */
export class FateTiles implements LayerTiles {
  readonly figure = { title: 'Layer by layer' } as const;
  readonly captions: LayerTiles['captions'] = {
    vision: ({ metadata }) => {
      const tokens = metadata.reduction?.visionTokens ?? [];
      const [first, last] = [tokens[0], tokens.at(-1)];
      if (first === undefined || last === undefined) return 'Vision tower';
      return first === last
        ? `Vision tower, ${count(first)} tokens`
        : `Vision tower, tokens ${count(first)} → ${count(last)}`;
    },
    decoder: (_, part) => `Decoder: visual tokens that enter the layer; a stage acts at its output${part}`,
    short: () => 'What enters each layer; number: visual tokens. To the left: vision tower.',
    numbers: 'tokens',
  };

  constructor(private readonly picture: ShownPicture) {}

  key({ fates }: Scene): string {
    return `${fates !== null} ${this.picture.drawable !== null}`;
  }

  paint(canvas: HTMLCanvasElement, scene: Scene, tile: LayerTile): void {
    const { fates, geometry, metadata, theme } = scene;
    const { grid } = metadata.visual;
    const scale = tile.size / Math.max(grid.rows, grid.columns);
    const [width, height] = [Math.round(grid.columns * scale), Math.round(grid.rows * scale)];
    const context = fitCanvas(canvas, Math.max(1, width), Math.max(1, height));
    context.clearRect(0, 0, width, height);
    const shrink = scale / geometry.patch;
    const { picture } = geometry;
    if (this.picture.drawable)
      context.drawImage(
        this.picture.drawable,
        picture.x * shrink,
        picture.y * shrink,
        picture.width * shrink,
        picture.height * shrink,
      );
    if (!fates) return;
    const state = fates.state(this.stageEntering(scene, tile));
    const place = { columns: grid.columns, rows: grid.rows, size: scale, left: 0, top: 0 };
    drawGone(context, state, place, theme);
    if (tile.tower === 'vision' && scale >= 1.5) drawGroups(context, fates, state, place, theme, 0.8);
  }

  note({ metadata }: Scene, tile: LayerTile): string {
    const { reduction } = metadata;
    if (!reduction) return '';
    if (tile.tower === 'vision') {
      const features = metadata.model.vision.featureLayers.includes(tile.layer) ? 'features' : '';
      return tile.pitch >= 36 ? String(reduction.visionTokens[tile.layer] ?? features) : features;
    }
    const layer = reduction.layers[tile.layer];
    if (!layer || !(tile.pitch >= 36 || tile.chosen)) return '';
    const changed = layer.entering !== layer.leaving && tile.pitch >= 68;
    return changed ? `${count(layer.entering)} → ${count(layer.leaving)}` : count(layer.entering);
  }

  table({ metadata }: Scene, tiles: readonly LayerTile[]): TableData {
    const { reduction } = metadata;
    const rows = tiles.map(({ tower, layer }) => {
      if (tower === 'vision') return [`V${layer}`, String(reduction?.visionTokens[layer] ?? ''), ''];
      const account = reduction?.layers[layer];
      return [`D${layer}`, account ? count(account.entering) : '', account ? count(account.leaving) : ''];
    });
    const mean = reduction ? `, mean ${meanEntering(reduction.layers).toFixed(1)} entering the decoder's layers` : '';
    return {
      caption: `Tokens by layer${mean}; vision counts CLS`,
      columns: [tableColumn('layer', false), tableColumn('entering'), tableColumn('leaving')],
      rows,
    };
  }

  private stageEntering({ fates }: Scene, { tower, layer }: LayerTile): number {
    const stages = fates?.stages ?? [];
    return tower === 'vision' ? lastVisionStageBefore(stages, layer) : lastStageBefore(stages, layer);
  }
}
