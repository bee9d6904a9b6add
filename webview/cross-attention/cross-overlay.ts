import { tableColumn, type TableData } from '../charts.ts';
import { fitCanvas } from '../element.ts';
import type { ImageOverlay } from '../faces.ts';
import { count, probability, share } from '../format.ts';
import { TokenHeat } from '../high-resolution/masked-picture.ts';
import { cellOfPatch, detailPlace, sumOnPatch } from '../high-resolution/places.ts';
import type { ImageGeometry, Rectangle } from '../image/geometry.ts';
import type { ShownPicture } from '../image/shown-picture.ts';
import type { Scene } from '../scene.ts';
import { notReading, placeWords, tokenWords, type CrossScene } from './cross-scene.ts';

const tableLength = 20;
/** Every token is drawn: there is none that a row cannot read. */
const masks = new Map<number, Uint8Array>();

function everyToken(tokens: number): Uint8Array {
  const known = masks.get(tokens) ?? new Uint8Array(tokens).fill(1);
  masks.set(tokens, known);
  return known;
}

/** Where cross-attention went: in the high-resolution image, or in the chosen frame, which is drawn over the first one. */
export class CrossOverlay implements ImageOverlay {
  readonly colourful = false;
  readonly figure = { title: 'Cross-attention on the image' } as const;
  private readonly heat = new TokenHeat();

  constructor(private readonly picture: ShownPicture) {}

  key({ cross, selection }: Scene): string {
    return `${cross?.key} ${selection.opacity} ${this.picture.drawable !== null}`;
  }

  draw(canvas: HTMLCanvasElement, scene: Scene): void {
    const { geometry, theme, selection, cross } = scene;
    const { zoom, opacity } = selection;
    const context = fitCanvas(canvas, geometry.width, geometry.height);
    context.clearRect(0, 0, geometry.width, geometry.height);
    if (!cross) return;
    const place = moved(placeOf(scene, cross), zoom);
    const picture = cross.pictures[cross.frame];
    if (picture) {
      context.save();
      context.filter = 'grayscale(0.6)';
      context.imageSmoothingQuality = 'high';
      context.drawImage(picture, place.x, place.y, place.width, place.height);
      context.restore();
    }
    const { shown, maximum } = cross;
    if (!shown) return;
    this.heat.draw(context, place, cross.run.described.grid, shown, everyToken(shown.length), maximum, opacity, theme);
  }

  mark(context: CanvasRenderingContext2D, scene: Scene): void {
    const { cross, selection, theme } = scene;
    if (!cross?.shown || cross.maximum === 0) return;
    const { rows, columns } = cross.run.described.grid;
    const { x, y, width, height } = moved(placeOf(scene, cross), selection.zoom);
    const [wide, tall] = [width / columns, height / rows];
    const left = x + (cross.peak % columns) * wide;
    const top = y + Math.floor(cross.peak / columns) * tall;
    // A square around the token, which itself may be smaller than a line is wide.
    const around = Math.max(0, 12 - wide) / 2;
    for (const [style, line] of [
      ['--fovea-lock-halo', 4],
      ['--fovea-lock', 2],
    ] as const) {
      context.strokeStyle = theme.colour(style);
      context.lineWidth = line;
      context.strokeRect(left - around, top - around, wide + 2 * around, tall + 2 * around);
    }
  }

  extreme(): null {
    // What stands out is a token, which `mark` frames.
    return null;
  }

  describe(scene: Scene): string {
    const { cross, words, focus } = scene;
    if (!cross) return 'This trace holds nothing of cross-attention';
    if (!cross.shown) return `Cross-attention of the ${words.subject}: ${notReading(cross, focus.layers.last)}`;
    const where = frameWords(cross);
    return (
      `Cross-attention of the ${words.subject} ${where.to}, ${placeWords(cross)}, ${headWords(cross)}, ` +
      `0 to ${probability(cross.maximum)}, peak at ${tokenWords(cross, cross.peak)}${where.after}`
    );
  }

  describePatch(scene: Scene, patch: number): string {
    const { cross, geometry } = scene;
    const where = `row ${Math.floor(patch / geometry.columns)}, column ${patch % geometry.columns}`;
    const value = cross && patchValue(scene, cross, patch);
    return value === null ? where : `${where}: cross-attention ${probability(value)}`;
  }

  table(scene: Scene | null): TableData {
    const columns = ['rank', 'row', 'column', 'attention'].map(title => tableColumn(title));
    const cross = scene?.cross;
    const values = cross?.shown;
    if (!scene || !cross || !values)
      return { caption: scene ? this.describe(scene) : 'No cross-attention', columns, rows: [] };
    const order = Array.from(values.keys()).sort((a, b) => values[b]! - values[a]!);
    const across = cross.run.described.grid.columns;
    const rows = order
      .slice(0, tableLength)
      .map((token, rank) => [
        String(rank + 1),
        String(Math.floor(token / across)),
        String(token % across),
        probability(values[token]!),
      ]);
    const rest = order.slice(tableLength);
    if (rest.length > 0) {
      const sum = rest.reduce((total, token) => total + values[token]!, 0);
      rows.push([`other ${count(rest.length)}`, '', '', probability(sum)]);
    }
    return { caption: this.describe(scene), columns, rows };
  }
}

/** What a patch of the low-resolution grid got, all its tokens together; null outside, and where nothing was read. */
export function patchValue({ geometry, metadata }: Scene, cross: CrossScene, patch: number): number | null {
  const { grid, input } = cross.run.described;
  if (!cross.shown) return null;
  if (input === 'frames') return cross.shown[patch] ?? null;
  const place = detailPlace(geometry, metadata.image, cross.run.described);
  if (cellOfPatch(patch, geometry, place, grid) === undefined) return null;
  return sumOnPatch(cross.shown, patch, geometry, place, grid);
}

/** A frame is what the vision tower saw, so it fills the patches; the large image may lie otherwise. */
function placeOf({ geometry, metadata }: Scene, { run }: CrossScene): Rectangle {
  const { input } = run.described;
  return input === 'frames' ? framePlace(geometry) : detailPlace(geometry, metadata.image, run.described);
}

const framePlace = ({ width, height }: Pick<ImageGeometry, 'width' | 'height'>): Rectangle => ({
  x: 0,
  y: 0,
  width,
  height,
});

const moved = ({ x, y, width, height }: Rectangle, zoom: { k: number; x: number; y: number }): Rectangle => ({
  x: zoom.x + x * zoom.k,
  y: zoom.y + y * zoom.k,
  width: width * zoom.k,
  height: height * zoom.k,
});

function frameWords({ run, frame, shares }: CrossScene): { to: string; after: string } {
  if (run.frames === 0) return { to: 'to the image in high resolution', after: '' };
  const got = shares ? `; ${share(shares[frame]!)} of its cross-attention is on this frame` : '';
  return { to: `to frame ${frame + 1}`, after: got };
}

export function headWords({ run, head }: CrossScene): string {
  const { heads } = run.described;
  if (head === 'mean') return `mean of ${heads} heads`;
  return head === 'max' ? `maximum of ${heads} heads` : `head ${head}`;
}
