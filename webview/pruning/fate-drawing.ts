/** How fates look on the image: two signs each, none by colour alone. */
import type { Theme } from '../colour/theme.ts';
import type { ImageGeometry } from '../image/geometry.ts';
import { hatch } from '../image/picture-canvas.ts';
import type { Zoom } from '../selection.ts';
import type { FateState, RunFates } from './run-fates.ts';

/** Distance of the hatch's lines for the first, second … stage that drops, in eighteenths of a patch. */
const hatchPitches = [18, 9, 6, 4.5];
const inset = 1.5;

/** A grid of patches on a canvas. */
export interface PatchPlace {
  readonly columns: number;
  readonly rows: number;
  /** CSS pixels per patch, and where the first one lies. */
  readonly size: number;
  readonly left: number;
  readonly top: number;
}

export function placeOf({ columns, rows, patch }: ImageGeometry, { k, x, y }: Zoom): PatchPlace {
  return { columns, rows, size: patch * k, left: x, top: y };
}

const cornerOf = ({ columns, size, left, top }: PatchPlace, patch: number): [number, number] => [
  left + (patch % columns) * size,
  top + Math.floor(patch / columns) * size,
];

/** Darkens what is gone and hatches it, the denser the later it was dropped. */
export function drawDropped(
  context: CanvasRenderingContext2D,
  state: FateState,
  order: readonly number[],
  place: PatchPlace,
  theme: Theme,
): void {
  const byOrder = new Map<number, number[]>();
  state.droppedAt.forEach((stage, patch) => {
    if (stage < 0) return;
    const pitch = Math.min(order[stage] ?? 0, hatchPitches.length - 1);
    const same = byOrder.get(pitch);
    if (same) same.push(patch);
    else byOrder.set(pitch, [patch]);
  });
  for (const [index, patches] of byOrder) {
    context.save();
    clipTo(context, patches, place);
    context.fillStyle = theme.colour('--fovea-scrim');
    const [width, height] = [place.columns * place.size, place.rows * place.size];
    context.fillRect(place.left, place.top, width, height);
    context.translate(place.left, place.top);
    context.globalAlpha = theme.highContrast ? 1 : 0.6;
    hatch(context, width, height, (hatchPitches[index]! * place.size) / 18, theme.colour('--fovea-dropped'));
    context.restore();
  }
}

function clipTo(context: CanvasRenderingContext2D, patches: readonly number[], place: PatchPlace): void {
  context.beginPath();
  for (const patch of patches) context.rect(...cornerOf(place, patch), place.size, place.size);
  context.clip();
}

/** Darkens what is gone: all that a tile has room for. */
export function drawGone(context: CanvasRenderingContext2D, state: FateState, place: PatchPlace, theme: Theme): void {
  context.fillStyle = theme.colour('--fovea-scrim');
  state.droppedAt.forEach((stage, patch) => {
    if (stage >= 0) context.fillRect(...cornerOf(place, patch), place.size, place.size);
  });
}

/** A line around every merged group; faint where the group was dropped later. */
export function drawGroups(
  context: CanvasRenderingContext2D,
  fates: RunFates,
  state: FateState,
  place: PatchPlace,
  theme: Theme,
  lineWidth = 1.5,
): void {
  const { patches } = fates;
  const group = new Int32Array(patches);
  const living = new Uint8Array(patches);
  for (let patch = 0; patch < patches; patch++) {
    const dropped = state.droppedAt[patch]!;
    const when = dropped < 0 ? state : fates.state(dropped - 1);
    living[patch] = dropped < 0 ? 1 : 0;
    group[patch] = when.groupSize[patch]! > 1 ? (dropped + 1) * patches + when.token[patch]! : -1;
  }
  context.strokeStyle = theme.colour('--fovea-merged');
  context.lineWidth = lineWidth;
  for (const alive of [0, 1]) {
    context.globalAlpha = alive || theme.highContrast ? 1 : 0.45;
    context.beginPath();
    for (let patch = 0; patch < patches; patch++)
      if (group[patch]! >= 0 && living[patch] === alive)
        addEdges(context, patch, group, place, Math.min(inset, lineWidth));
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** The sides of a patch beyond which its group does not go on. */
function addEdges(
  context: CanvasRenderingContext2D,
  patch: number,
  group: Int32Array,
  place: PatchPlace,
  gap: number,
): void {
  const { columns, rows, size } = place;
  const [x, y] = cornerOf(place, patch);
  const [column, row] = [patch % columns, Math.floor(patch / columns)];
  const same = (dx: number, dy: number): boolean =>
    column + dx >= 0 &&
    column + dx < columns &&
    row + dy >= 0 &&
    row + dy < rows &&
    group[patch + dx + dy * columns] === group[patch];
  const [west, east, north, south] = [same(-1, 0), same(1, 0), same(0, -1), same(0, 1)];
  const [x0, x1] = [x + (west ? 0 : gap), x + size - (east ? 0 : gap)];
  const [y0, y1] = [y + (north ? 0 : gap), y + size - (south ? 0 : gap)];
  const line = (fromX: number, fromY: number, toX: number, toY: number): void => {
    context.moveTo(fromX, fromY);
    context.lineTo(toX, toY);
  };
  if (!north) line(x0, y0, x1, y0);
  if (!south) line(x0, y1, x1, y1);
  if (!west) line(x0, y0, x0, y1);
  if (!east) line(x1, y0, x1, y1);
}

/** A triangle in the upper right corner of every token of the key set. */
export function drawKeySet(context: CanvasRenderingContext2D, state: FateState, place: PatchPlace, theme: Theme): void {
  const corner = new Map<number, number>();
  state.key.forEach((key, patch) => {
    const token = state.token[patch]!;
    if (key !== 1 || token < 0) return;
    const best = corner.get(token);
    // The rightmost patch of the token's uppermost row.
    if (best === undefined || Math.floor(patch / place.columns) === Math.floor(best / place.columns))
      corner.set(token, patch);
  });
  const size = Math.min(9, Math.max(4, place.size / 2));
  const triangle = (x: number, y: number, side: number): void => {
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x - side, y);
    context.lineTo(x, y + side);
    context.fill();
  };
  for (const patch of corner.values()) {
    const [left, y] = cornerOf(place, patch);
    const x = left + place.size;
    context.fillStyle = '#000';
    triangle(x, y, size);
    context.fillStyle = theme.colour('--fovea-key-on-image');
    triangle(x - 1, y + 1, size - 2.5);
  }
}

/** A dashed frame around what stayed although its scores said drop. */
export function drawRescued(
  context: CanvasRenderingContext2D,
  state: FateState,
  place: PatchPlace,
  theme: Theme,
): void {
  const patches: number[] = [];
  state.rescuedAt.forEach((stage, patch) => {
    if (stage >= 0 && state.token[patch]! >= 0) patches.push(patch);
  });
  if (patches.length === 0) return;
  const group = state.token;
  context.beginPath();
  for (const patch of patches) addEdges(context, patch, group, place, 0.5);
  context.setLineDash([4, 2]);
  context.strokeStyle = '#000';
  context.lineWidth = 3.5;
  context.stroke();
  context.strokeStyle = theme.colour('--fovea-rescued-on-image');
  context.lineWidth = 2;
  context.stroke();
  context.setLineDash([]);
}

/** Fills a group and joins its parts to their centre, so that scattered members are seen to be one token. */
export function drawMembers(
  context: CanvasRenderingContext2D,
  members: readonly number[],
  place: PatchPlace,
  theme: Theme,
): void {
  const [x, y] = centroid(members, place);
  context.fillStyle = theme.colour('--fovea-merged');
  context.globalAlpha = 0.45;
  for (const patch of members) context.fillRect(...cornerOf(place, patch), place.size, place.size);
  context.globalAlpha = 1;
  if (connected(members, place.columns)) return;
  context.beginPath();
  for (const patch of members) {
    const [left, top] = cornerOf(place, patch);
    context.moveTo(x, y);
    context.lineTo(left + place.size / 2, top + place.size / 2);
  }
  strokeWithHalo(context, theme, '--fovea-merged');
}

/** Lines from what was merged to what it was merged into: [from members, to members]. */
export function drawMerges(
  context: CanvasRenderingContext2D,
  merges: readonly (readonly [readonly number[], readonly number[]])[],
  place: PatchPlace,
  theme: Theme,
): void {
  if (merges.length === 0) return;
  context.beginPath();
  for (const [from, to] of merges) {
    const [x0, y0] = centroid(from, place);
    const [x1, y1] = centroid(to, place);
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
    context.moveTo(x1 + 2, y1);
    context.arc(x1, y1, 2, 0, 2 * Math.PI);
  }
  strokeWithHalo(context, theme, '--fovea-merged');
}

function strokeWithHalo(context: CanvasRenderingContext2D, theme: Theme, colour: string): void {
  context.strokeStyle = theme.colour('--fovea-lock-halo');
  context.lineWidth = 3;
  context.stroke();
  context.strokeStyle = theme.colour(colour);
  context.lineWidth = 1.5;
  context.stroke();
}

function centroid(members: readonly number[], place: PatchPlace): [number, number] {
  let [x, y] = [0, 0];
  for (const patch of members) {
    const [left, top] = cornerOf(place, patch);
    x += left + place.size / 2;
    y += top + place.size / 2;
  }
  return [x / members.length, y / members.length];
}

/** Whether one can walk from every member to every other over shared sides. */
export function connected(members: readonly number[], columns: number): boolean {
  const left = new Set(members);
  const open = members.slice(0, 1);
  for (const patch of open) left.delete(patch);
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const column = at % columns;
    const beside = [
      ...(column > 0 ? [at - 1] : []),
      ...(column < columns - 1 ? [at + 1] : []),
      at - columns,
      at + columns,
    ];
    for (const next of beside) if (left.delete(next)) open.push(next);
  }
  return left.size === 0;
}
