import { tableColumn, type TableData } from '../charts.ts';
import type { ImageOverlay } from '../faces.ts';
import { count, probability } from '../format.ts';
import { hatchPatches, HeatLayer } from '../image/picture-canvas.ts';
import type { Scene } from '../scene.ts';

const tableLength = 20;

/** The heat of the shown row over the picture. */
export class AttentionOverlay implements ImageOverlay {
  readonly colourful = false;
  readonly figure = { title: 'Attention on the image', scale: 'overlay' } as const;
  private readonly heat = new HeatLayer();
  private painted = '';

  key(scene: Scene): string {
    const { selection } = scene;
    return `${scene.heatKey} ${selection.opacity} ${selection.smooth}`;
  }

  draw(canvas: HTMLCanvasElement, scene: Scene): void {
    const { geometry, selection, theme, image, outliers } = scene;
    const key = `${this.key(scene)} ${theme.scheme} ${geometry.columns}`;
    if (key !== this.painted) {
      this.painted = key;
      const values = image?.values ?? new Float32Array(geometry.columns * geometry.rows);
      const { opacity, smooth } = selection;
      this.heat.paint(values, geometry, { maximum: scene.imageMaximum, opacity: image ? opacity : 0, smooth }, theme);
    }
    const drawing = this.heat.draw(canvas, geometry, selection.zoom, selection.smooth);
    if (selection.hideOutliers && outliers && typeof outliers !== 'string')
      hatchPatches(drawing, outliers.patches, geometry, selection.zoom, theme);
  }

  mark(): void {
    // The frame around the patch, which the picture draws in every view, is all.
  }

  extreme({ image }: Scene): number | null {
    return image && image.maximum > 0 ? image.peak : null;
  }

  describe({ words, image, geometry, shown }: Scene): string {
    if (!image)
      return shown.beforeImage
        ? `The ${words.subject} comes before the image and could not look at it`
        : `No attention to the image is recorded for this token`;
    const [row, column] = [Math.floor(image.peak / geometry.columns), image.peak % geometry.columns];
    return (
      `Attention of the ${words.subject}, ${words.layers}, ${words.heads}, ` +
      `0 to ${probability(image.maximum)}, peak at row ${row}, column ${column}`
    );
  }

  describePatch({ geometry, image, words }: Scene, patch: number): string {
    const value = probability(image?.values[patch] ?? 0);
    const [row, column] = [Math.floor(patch / geometry.columns), patch % geometry.columns];
    return `row ${row}, column ${column}: ${value}, ${words.subject}, ${words.layers}`;
  }

  table(scene: Scene | null): TableData {
    const columns = ['rank', 'row', 'column', 'attention'].map(title => tableColumn(title));
    if (!scene?.image) return { caption: 'No attention to the image', columns, rows: [] };
    const { values } = scene.image;
    const order = Array.from(values.keys()).sort((a, b) => values[b]! - values[a]!);
    const shown = order.slice(0, tableLength);
    const rest = order.slice(tableLength).reduce((sum, patch) => sum + values[patch]!, 0);
    const rows = shown.map((patch, rank) => [
      String(rank + 1),
      String(Math.floor(patch / scene.geometry.columns)),
      String(patch % scene.geometry.columns),
      probability(values[patch]!),
    ]);
    if (order.length > tableLength)
      rows.push([`other ${count(order.length - tableLength)}`, '', '', probability(rest)]);
    return { caption: this.describe(scene), columns, rows };
  }
}
