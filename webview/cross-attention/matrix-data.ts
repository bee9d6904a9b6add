import { shownRow } from '../attention/rows.ts';
import { share, visibleToken } from '../format.ts';
import type { Scene } from '../scene.ts';
import type { CrossScene } from './cross-scene.ts';

export type MatrixKind = 'words' | 'heads' | 'change';

/** More words are not drawn at once. */
const mostWords = 240;

export interface MatrixRow {
  readonly label: string;
  /** What it stands for; undefined where rows are heads. */
  readonly token?: number;
  readonly head?: number;
  /** By column; NaN where there is nothing. */
  readonly values: readonly number[];
}

export interface Matrix {
  readonly kind: MatrixKind;
  /** "frame 3", "D8" */
  readonly columns: readonly string[];
  readonly rows: readonly MatrixRow[];
  /** Upper end of the colours, which start at 0. */
  readonly maximum: number;
  /** Words that are not drawn before the first and behind the last. */
  readonly hidden: number;
}

/** One image has no frames: what changed is all there is to show. */
export function kindOf({ selection }: Pick<Scene, 'selection'>, { run }: CrossScene): MatrixKind {
  return run.frames === 0 ? 'change' : selection.reading;
}

/** Numbers of the matrix; what is chosen or hovered is marked over it. */
export function matrixOf(scene: Scene, cross: CrossScene): Matrix {
  const kind = kindOf(scene, cross);
  const { run, places } = cross;
  const { metadata, focus } = scene;
  const columns =
    kind === 'change'
      ? Array.from({ length: metadata.model.decoder.layers }, (_, layer) => `D${layer}`)
      : Array.from({ length: run.frames }, (_, frame) => `frame ${frame + 1}`);
  const rows =
    kind === 'heads'
      ? Array.from({ length: run.described.heads }, (_, head): MatrixRow => {
          const shares = cross.row === undefined ? undefined : run.shares(cross.row, places, head);
          return { label: `head ${head}`, head, values: Array.from(shares ?? []) };
        })
      : wordRows(scene, cross, kind);
  const first = Math.max(
    0,
    Math.min(rows.length - mostWords, rows.findIndex(({ token }) => token === focus.token) - mostWords / 2),
  );
  const drawn = rows.slice(first, first + mostWords);
  const all = drawn.flatMap(({ values }) => values.filter(value => !Number.isNaN(value)));
  return { kind, columns, rows: drawn, maximum: Math.max(0, ...all), hidden: rows.length - drawn.length };
}

/** Words in the order of the strip, each by the row that it shows there. */
function wordRows({ metadata, focus }: Scene, { run, places }: CrossScene, kind: MatrixKind): MatrixRow[] {
  return metadata.tokens.flatMap(({ text }, token): MatrixRow[] => {
    const row = run.rowOf(shownRow(token, focus.row, metadata).row);
    if (row === undefined) return [];
    const label = visibleToken(text);
    if (kind === 'words') return [{ label, token, values: Array.from(run.shares(row, places, focus.head) ?? []) }];
    const values = Array.from({ length: metadata.model.decoder.layers }, (_, layer) => {
      const place = run.described.layers.indexOf(layer);
      return place < 0 ? NaN : run.change(row, place);
    });
    return [{ label, token, values }];
  });
}

/** For a cell: a share in percent, without its sign where there is little room. */
export function cellText(value: number, room: number): string {
  if (Number.isNaN(value) || room < 22) return '';
  return room >= 40 ? share(value) : String(Math.round(value * 100));
}
