import { tableColumn, type TableData } from '../charts.ts';
import { fitCanvas } from '../element.ts';
import type { ImageOverlay } from '../faces.ts';
import { count } from '../format.ts';
import { HeatLayer } from '../image/picture-canvas.ts';
import type { Scene } from '../scene.ts';
import { drawDropped, drawGroups, drawKeySet, drawMembers, drawMerges, drawRescued, placeOf } from './fate-drawing.ts';
import { fate, tokensLeft, type RunFates } from './run-fates.ts';
import { decidingStage, dropOrder, fateWords, placeWords, verdictWords } from './stages.ts';

/** What has become of every patch up to the chosen stage. */
export class FateOverlay implements ImageOverlay {
  readonly colourful = true;
  readonly figure = { title: 'Fates on the image' } as const;
  private readonly heat = new HeatLayer();
  private order: readonly number[] | null = null;

  key(scene: Scene): string {
    const heat = scene.focus.tokenPointed ? `${scene.heatKey} ${scene.selection.opacity}` : '';
    return `${scene.stage} ${scene.fates !== null} ${scene.theme.highContrast} ${heat}`;
  }

  draw(canvas: HTMLCanvasElement, scene: Scene): void {
    const { geometry, selection, theme, fates, image, focus } = scene;
    let context = fitCanvas(canvas, geometry.width, geometry.height);
    context.clearRect(0, 0, geometry.width, geometry.height);
    if (!fates) return;
    if (focus.tokenPointed && image) {
      const style = { maximum: scene.imageMaximum, opacity: selection.opacity, smooth: false };
      this.heat.paint(image.values, geometry, style, theme);
      context = this.heat.draw(canvas, geometry, selection.zoom, false);
    }
    const state = fates.state(scene.stage);
    const place = placeOf(scene.geometry, scene.selection.zoom);
    this.order ??= dropOrder(fates);
    drawDropped(context, state, this.order, place, theme);
    drawGroups(context, fates, state, place, theme);
    drawMerges(context, mergesOf(fates, scene.stage), place, theme);
    drawKeySet(context, state, place, theme);
    drawRescued(context, state, place, theme);
  }

  mark(context: CanvasRenderingContext2D, scene: Scene): void {
    const { fates, focus, stage, theme } = scene;
    if (!fates || focus.patch === null) return;
    const dropped = fates.state(stage).droppedAt[focus.patch]!;
    const members = fates.members(dropped < 0 ? stage : dropped - 1, focus.patch);
    if (members.length > 1) drawMembers(context, members, placeOf(scene.geometry, scene.selection.zoom), theme);
  }

  extreme(): null {
    return null;
  }

  describe({ fates, stage }: Scene): string {
    if (!fates) return 'This run does not hold what became of each patch';
    const { counts } = fates.state(stage);
    const chosen = fates.stages[stage];
    const when = chosen ? `After ${chosen.title}, ${placeWords(chosen)}` : 'Before the first stage';
    const parts = [
      `${count(tokensLeft(counts))} visual tokens left`,
      ...(counts.merged > 0 ? [`${count(counts.merged)} of them merged from several patches`] : []),
      ...(counts.keySingle + counts.keyMerged > 0
        ? [`${count(counts.keySingle + counts.keyMerged)} in the key set`]
        : []),
      `${count(counts.dropped)} dropped`,
      ...(counts.rescued > 0 ? [`${count(counts.rescued)} rescued`] : []),
    ];
    return `${when}: ${parts.join(', ')}`;
  }

  describePatch({ fates, stage, geometry }: Scene, patch: number): string {
    const where = `row ${Math.floor(patch / geometry.columns)}, column ${patch % geometry.columns}`;
    if (!fates) return where;
    return `${where}: ${fateWords(fates, stage, patch)}`;
  }

  table(scene: Scene | null): TableData {
    const columns = [
      tableColumn('row'),
      tableColumn('column'),
      tableColumn('fate', false),
      tableColumn('stage', false),
    ];
    if (!scene?.fates) return { caption: 'No fates of patches', columns, rows: [] };
    const { fates, geometry, stage } = scene;
    const state = fates.state(stage);
    const rows = Array.from(state.droppedAt, (_, patch) => {
      const told = decidingStage(state, patch);
      const at = fates.stages[told];
      const verdict = at ? verdictWords(fates, told, patch) : 'kept';
      const marks = [state.key[patch] === 1 ? 'key set' : '', state.rescuedAt[patch]! >= 0 ? 'rescued' : ''];
      const said = [verdict, ...marks.filter(mark => mark !== '' && !verdict.startsWith(mark))].join(', ');
      return [
        String(Math.floor(patch / geometry.columns)),
        String(patch % geometry.columns),
        said,
        at ? placeWords(at) : '',
      ];
    });
    return { caption: this.describe(scene), columns, rows };
  }
}

/** What the stage merged two by two: the patches of each token and of the one that it went into. */
function mergesOf(fates: RunFates, stage: number): (readonly [readonly number[], readonly number[]])[] {
  if (stage < 0) return [];
  const merges: (readonly [readonly number[], readonly number[]])[] = [];
  const seen = new Set<number>();
  const before = fates.state(stage - 1);
  for (let patch = 0; patch < fates.patches; patch++) {
    const partner = fates.partnerOf(stage, patch);
    const token = before.token[patch]!;
    if (partner < 0 || token < 0 || seen.has(token) || fates.fateOf(stage, patch) === fate.absent) continue;
    seen.add(token);
    merges.push([fates.members(stage - 1, patch), fates.members(stage - 1, partner)]);
  }
  return merges;
}
