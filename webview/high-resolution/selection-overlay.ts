import { tableColumn, type TableData } from '../charts.ts';
import { fitCanvas } from '../element.ts';
import type { ImageOverlay } from '../faces.ts';
import { count, probability, share } from '../format.ts';
import type { ShownPicture } from '../image/shown-picture.ts';
import type { DetailScene, Scene } from '../scene.ts';
import { MaskedPicture, outline, TokenHeat, type MaskedPlace } from './masked-picture.ts';
import { cellOfPatch, detailPlace, sumOnPatch } from './places.ts';
import { notReading, type ShownSelection } from './shown-selection.ts';

const tableLength = 20;
/** From here on a pixel of the picture is a square on the screen, CSS pixels. */
const squarePixels = 3;
/** Nothing is selected. */
const nothing = new Uint8Array();

/** The part of the picture that the chosen layer reads in high resolution, or where its attention went in it. */
export class SelectionOverlay implements ImageOverlay {
  readonly colourful = true;
  readonly figure = { title: 'High-resolution tokens on the image' } as const;
  private readonly masked = new MaskedPicture();
  private readonly heat = new TokenHeat();

  constructor(private readonly picture: ShownPicture) {}

  key({ detail, selection }: Scene): string {
    const { opacity, detail: shows } = selection;
    return `${detail?.step} ${detail?.layer} ${shows} ${opacity} ${this.picture.drawable !== null}`;
  }

  draw(canvas: HTMLCanvasElement, scene: Scene): void {
    const { geometry, theme, selection, detail } = scene;
    const context = fitCanvas(canvas, geometry.width, geometry.height);
    context.clearRect(0, 0, geometry.width, geometry.height);
    if (!detail) return;
    const place = this.placeOf(scene, detail);
    const { zoom } = selection;
    context.save();
    // What the model did not see stays as the picture below shows it.
    context.beginPath();
    context.rect(zoom.x, zoom.y, geometry.width * zoom.k, geometry.height * zoom.k);
    context.clip();
    const key = `${this.picture.drawable !== null} ${zoom.k} ${zoom.x} ${zoom.y}`;
    this.masked.draw(context, key, place, theme);
    const { cells, grid } = detail.run.described;
    const { shown } = detail;
    if (selection.detail === 'read' && shown?.read) {
      const { read, mask, largest } = shown;
      this.heat.draw(context, place.grid, grid, read, mask, largest, selection.opacity, theme);
      outline(context, place.grid, cells, shown.cells, theme, 1);
    } else this.masked.reveal(context, place, cells, shown?.cells ?? nothing, theme);
    context.restore();
  }

  mark(): void {
    // The frame around the patch, which the picture draws in every view, is all.
  }

  extreme(): null {
    return null;
  }

  describe({ detail, selection }: Scene): string {
    if (!detail) return 'This trace holds no selection of high-resolution tokens';
    const { run, step, layer, shown } = detail;
    if (!shown) return `Step ${step}: ${notReading(detail)}`;
    const said =
      `Step ${step}: D${layer} reads ${count(shown.cellCount)} cells, ${count(shown.tokenCount)} of ${count(run.tokens)} ` +
      `high-resolution tokens, selected by D${shown.selector}`;
    if (selection.detail !== 'read' || !shown.read || shown.share === undefined) return said;
    return `${said}; ${share(shown.share)} of its attention went there, at most ${probability(shown.largest)} to one at ${tokenWords(detail, shown.peak)}`;
  }

  describePatch({ detail, geometry, metadata }: Scene, patch: number): string {
    const where = `row ${Math.floor(patch / geometry.columns)}, column ${patch % geometry.columns}`;
    const shown = detail?.shown;
    if (!detail || !shown) return where;
    const { cells, grid } = detail.run.described;
    const place = detailPlace(geometry, metadata.image, detail.run.described);
    const cell = cellOfPatch(patch, geometry, place, cells);
    if (cell === undefined || shown.cells[cell] !== 1)
      return `${where}: not read by D${detail.layer} in high resolution`;
    const attention = shown.read && sumOnPatch(shown.read, patch, geometry, place, grid);
    return `${where}: read by D${detail.layer} in high resolution${attention === null ? '' : `, attention ${probability(attention)}`}`;
  }

  table(scene: Scene | null): TableData {
    const columns = ['rank', 'row', 'column', 'attention'].map(title => tableColumn(title));
    const detail = scene?.detail;
    const shown = detail?.shown;
    const read = shown?.read;
    if (!scene || !detail || !shown || !read)
      return { caption: scene ? this.describe(scene) : 'No high-resolution tokens', columns, rows: [] };
    const order = selectedBy(shown).sort((a, b) => read[b]! - read[a]!);
    const rest = order.slice(tableLength);
    const { grid } = detail.run.described;
    const rows = order
      .slice(0, tableLength)
      .map((token, rank) => [
        String(rank + 1),
        String(Math.floor(token / grid.columns)),
        String(token % grid.columns),
        probability(read[token]!),
      ]);
    if (rest.length > 0)
      rows.push([
        `other ${count(rest.length)}`,
        '',
        '',
        probability(rest.reduce((sum, token) => sum + read[token]!, 0)),
      ]);
    return { caption: `${this.describe(scene)}. Tokens of the ${grid.rows} × ${grid.columns} grid`, columns, rows };
  }

  private placeOf({ geometry, selection, metadata }: Scene, { run }: DetailScene): MaskedPlace {
    const { k, x, y } = selection.zoom;
    const moved = ({ x: left, y: top, width, height }: MaskedPlace['whole']): MaskedPlace['whole'] => ({
      x: x + left * k,
      y: y + top * k,
      width: width * k,
      height: height * k,
    });
    return {
      picture: this.picture.drawable,
      whole: moved(geometry.picture),
      grid: moved(detailPlace(geometry, metadata.image, run.described)),
      width: geometry.width,
      height: geometry.height,
      pixelated: (geometry.picture.width * k) / metadata.image.display.width >= squarePixels,
    };
  }
}

function selectedBy({ mask }: ShownSelection): number[] {
  return Array.from(mask.keys()).filter(token => mask[token]);
}

function tokenWords({ run }: DetailScene, token: number): string {
  const { columns } = run.described.grid;
  return `row ${Math.floor(token / columns)}, column ${token % columns}`;
}
