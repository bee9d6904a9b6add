/** What the three images of a comparison say in words. */
import { tableColumn, type TableData } from '../charts.ts';
import { drawRamp } from '../colour/ramp.ts';
import { element } from '../element.ts';
import { count, probability, tick } from '../format.ts';
import { rowName } from '../attention/rows.ts';
import { patchesCovered, tokensLeft } from '../pruning/run-fates.ts';
import { signShare } from './paint-place.ts';
import type { Shown } from './patch-place.ts';
import type { PairScene, Side } from './pair-scene.ts';
import { patchWords } from './patch-words.ts';

const tableLength = 20;
const rampWidth = 120;

const at = (patch: number, columns: number): string => `row ${Math.floor(patch / columns)}, column ${patch % columns}`;

const stagesOf = ({ run }: Side): NonNullable<Side['run']['metadata']['reduction']>['stages'] =>
  run.metadata.reduction?.stages ?? [];

/** Why it is not known which tokens runs have. */
const whyUnknown = (...sides: readonly Side[]): string =>
  sides.some(({ run }) => run.unrecorded) ? 'not recorded' : 'being read';

/** Whose attention a side shows: "row that predicts “apple”", "CLS". */
function subjectOf({ base }: PairScene, side: Side): string {
  if (base.focus.tower === 'vision') return 'CLS';
  return side.token === undefined ? 'no token in this place' : rowName(side.token, 'predicts', side.run.metadata);
}

/** For screen readers: what, of which run, where, its range and its extreme. */
export function placeLabel(scene: PairScene, shown: Shown): string {
  const { a, b, words, kept, difference, refusal } = scene;
  if (shown === 'difference') {
    if (refusal !== undefined) return refusal;
    if (scene.shown === 'tokens')
      return kept
        ? `Patches kept by one of two runs, ${words.moment}: only A, ${a.name}, ${kept.onlyFirst}; only B, ${b.name}, ${kept.onlySecond}; both ${kept.both}; neither ${kept.neither}`
        : `Patches kept by one of two runs, ${words.moment}: ${whyUnknown(a, b)}`;
    return difference
      ? `Difference of the attention of A and B, ${words.layers}, ${words.heads}, 0 to ${probability(difference.maximum)}, largest at ${at(difference.peak, a.geometry.columns)}`
      : 'Difference of the attention of A and B: one of them has no row here';
  }
  const name = `${shown.letter}, ${shown.name}`;
  if (scene.shown === 'tokens') {
    const { state } = shown;
    if (!state) return `Visual tokens of ${name}: ${whyUnknown(shown)}`;
    const covered = patchesCovered(state);
    return `Visual tokens of ${name}, ${words.moment}: ${tokensLeft(state.counts)} tokens cover ${covered} patches, ${state.kept.length - covered} are gone`;
  }
  const { map } = shown;
  return map
    ? `Attention of ${name}, ${subjectOf(scene, shown)}, ${words.layers}, ${words.heads}, 0 to ${probability(map.maximum)}, peak at ${at(map.peak, shown.geometry.columns)}`
    : `Attention of ${name}: ${subjectOf(scene, shown)}`;
}

/** Legend with counts, or the one scale. */
export function placeCaption(target: HTMLElement, scene: PairScene, shown: Shown): void {
  const entry = (swatch: string, words: string, number: number): HTMLElement =>
    element(
      'span',
      { class: 'key-entry' },
      element('b', { class: `compare-swatch ${swatch}` }),
      `${words} `,
      element('strong', {}, count(number)),
    );
  const dim = (text: string): HTMLElement => element('span', { class: 'dim' }, text);
  const parts: HTMLElement[] = [];
  if (scene.shown === 'tokens') {
    if (shown === 'difference') {
      const { kept } = scene;
      if (kept)
        parts.push(
          entry('only-a', 'only A', kept.onlyFirst),
          entry('only-b', 'only B', kept.onlySecond),
          entry('kept', 'both', kept.both),
          dim(`neither ${count(kept.neither)}`),
          dim(`overlap (IoU) ${kept.overlap.toFixed(2)}`),
        );
    } else if (shown.state) {
      const { single, merged, rescued } = shown.state.counts;
      const covered = patchesCovered(shown.state);
      parts.push(entry('kept', merged > 0 ? 'kept, single' : 'kept', single));
      if (merged > 0) parts.push(entry('merged', 'merged', merged));
      if (rescued > 0) parts.push(entry('rescued', 'rescued', rescued));
      parts.push(entry('dropped', 'dropped', shown.state.kept.length - covered));
      parts.push(dim(`${scene.words.moment}: ${count(single + merged)} tokens on ${count(covered)} patches`));
    } else parts.push(dim(`What became of its tokens is ${whyUnknown(shown)}.`));
  } else if (shown === 'difference') {
    if (scene.difference)
      parts.push(
        dim('|A − B|, same scale'),
        element('span', { class: 'key-entry' }, element('b', { class: 'compare-swatch more-a' }), 'A more'),
        element('span', { class: 'key-entry' }, element('b', { class: 'compare-swatch more-b' }), 'B more'),
        dim(`where over ${signShare * 100}\u2009% of the scale`),
      );
  } else {
    const ramp = element('canvas', { class: 'compare-ramp', 'aria-hidden': 'true' });
    drawRamp(ramp, rampWidth, scene.base.theme, scene.base.selection.opacity);
    parts.push(
      element('span', { class: 'key-entry' }, '0', ramp, tick(scene.maximum)),
      dim('probability · one scale for all three'),
    );
  }
  const key = JSON.stringify([
    parts.map(part => part.textContent),
    scene.base.theme.scheme,
    scene.base.theme.highContrast,
    scene.base.selection.opacity,
  ]);
  if (target.dataset['key'] === key) return;
  target.dataset['key'] = key;
  target.replaceChildren(...parts);
}

/** About the patch in focus, or about what is shown. @param patch in the grid of the place */
export function placeReadout(scene: PairScene, shown: Shown, patch: number | null): string {
  if (shown === 'difference') return differenceWords(scene, patch);
  const { columns } = shown.geometry;
  if (scene.shown === 'tokens') {
    const { fates, state, run } = shown;
    if (!fates || !state || patch === null) return '';
    return `${at(patch, columns)}: ${patchWords(fates, state, patch, run.metadata.tokens)}`;
  }
  const { map } = shown;
  if (!map) return subjectOf(scene, shown);
  const where = `${subjectOf(scene, shown)}, ${scene.words.layers}`;
  if (patch === null) return `${where} · peak ${probability(map.maximum)} at ${at(map.peak, columns)}`;
  return `${at(patch, columns)}: ${probability(map.values[patch] ?? 0)} · ${where}`;
}

function differenceWords(scene: PairScene, patch: number | null): string {
  const { a, b, difference, refusal } = scene;
  if (refusal !== undefined) return '';
  const { columns } = a.geometry;
  if (scene.shown === 'tokens') {
    if (patch === null || !a.state || !b.state) return '';
    const [inA, inB] = [a.state.kept[patch] === 1, b.state.kept[patch] === 1];
    const words = inA && inB ? 'both still have it' : inA ? 'only A has it' : inB ? 'only B has it' : 'neither has it';
    return `${at(patch, columns)}: ${words}`;
  }
  if (!difference) return 'One of the two has no row to compare here.';
  if (patch === null) return `largest ${probability(difference.maximum)} at ${at(difference.peak, columns)}`;
  const [inA, inB] = [a.map!.values[patch]!, b.map!.values[patch]!];
  const more = inA === inB ? 'the same' : `${inA > inB ? 'A' : 'B'} more by ${probability(Math.abs(inA - inB))}`;
  return `${at(patch, columns)}: A ${probability(inA)}, B ${probability(inB)}, ${more}`;
}

/** The place as rows of text. */
export function placeTable(scene: PairScene, shown: Shown): TableData {
  const caption = placeLabel(scene, shown);
  if (scene.shown === 'tokens') {
    if (shown === 'difference') {
      const { kept } = scene;
      const rows: [string, number][] = kept
        ? [
            ['only A', kept.onlyFirst],
            ['only B', kept.onlySecond],
            ['both', kept.both],
            ['neither', kept.neither],
          ]
        : [];
      return {
        caption,
        columns: [tableColumn('kept by', false), tableColumn('patches')],
        rows: rows.map(([name, number]) => [name, String(number)]),
      };
    }
    const { state } = shown;
    const stages = stagesOf(shown);
    const rows = state
      ? [
          ['kept', '', String(patchesCovered(state))],
          ...stages.flatMap((stage, index) => {
            const gone = state.droppedAt.filter(at => at === index).length;
            return gone > 0 ? [['dropped', stage.title, String(gone)]] : [];
          }),
        ]
      : [];
    return {
      caption,
      columns: [tableColumn('fate', false), tableColumn('stage', false), tableColumn('patches')],
      rows,
    };
  }
  const map = shown === 'difference' ? scene.difference : shown.map;
  const geometry = shown === 'difference' ? scene.a.geometry : shown.geometry;
  const values = shown === 'difference' ? ['A', 'B', '|A − B|'] : ['attention'];
  const columns = ['rank', 'row', 'column', ...values].map(title => tableColumn(title));
  if (!map) return { caption, columns, rows: [] };
  const order = Array.from(map.values.keys()).sort((x, y) => map.values[y]! - map.values[x]!);
  const cells = (patch: number): string[] =>
    shown === 'difference'
      ? [scene.a.map!.values[patch]!, scene.b.map!.values[patch]!, map.values[patch]!].map(probability)
      : [probability(map.values[patch]!)];
  const rest = order.slice(tableLength).reduce((sum, patch) => sum + map.values[patch]!, 0);
  const rows = order
    .slice(0, tableLength)
    .map((patch, rank) => [
      String(rank + 1),
      String(Math.floor(patch / geometry.columns)),
      String(patch % geometry.columns),
      ...cells(patch),
    ]);
  if (order.length > tableLength)
    rows.push([
      `other ${count(order.length - tableLength)}`,
      '',
      '',
      ...values.slice(1).map(() => ''),
      probability(rest),
    ]);
  return { caption, columns, rows };
}
