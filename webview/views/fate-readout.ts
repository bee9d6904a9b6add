import { meanEntering, meanLeaving, type Stage } from '../../trace/fates.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { tokenPlace, quoted } from '../attention/rows.ts';
import { element } from '../element.ts';
import { count, probability, tokenProbability } from '../format.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import { cacheCosts, layerSize, prefillCosts, sum } from '../pruning/costs.ts';
import { mergeTree, treeLines, type MergeNode } from '../pruning/merge-tree.ts';
import { bytes, macs } from '../pruning/quantities.ts';
import type { RunFates } from '../pruning/run-fates.ts';
import { changeWords, isAbove, placeName, placeWords, scoreText, verdictWords } from '../pruning/stages.ts';
import type { Scene } from '../scene.ts';
import { DetailsReadout } from './details-readout.ts';

const mostTreeLines = 40;

/** The fate of the hovered or locked patch at every stage; without one, what the run kept and saved. */
export class FateReadout implements Region {
  readonly element: HTMLElement;
  private readonly details: DetailsReadout;
  private drawn = '';

  constructor(context: PanelContext) {
    this.details = new DetailsReadout(context, 'fate');
    this.element = this.details.element;
  }

  draw(scene: Scene): void {
    const { focus, fates, stage, selection, metadata } = scene;
    this.details.showLock(selection);
    const key = `${focus.patch} ${stage} ${fates !== null} ${focus.tokenPointed ? focus.token : ''} ${scene.heatKey}`;
    if (key === this.drawn) return;
    this.drawn = key;
    if (focus.patch !== null && fates) this.drawPatch(scene, fates, focus.patch);
    else if (focus.tokenPointed) this.drawToken(scene);
    else this.drawRun(metadata, metadata.reduction?.stages[stage]);
  }

  private drawPatch({ geometry, stage, metadata, image, focus }: Scene, fates: RunFates, patch: number): void {
    const at = (one: number): string => `row ${Math.floor(one / geometry.columns)}, column ${one % geometry.columns}`;
    const state = fates.state(stage);
    const dropped = state.droppedAt[patch]!;
    const alive = dropped < 0 ? stage : dropped - 1;
    const size = fates.state(alive).groupSize[patch]!;
    const weight = fates.weightOf(alive, patch);
    const part = size > 1 && weight !== undefined && !Number.isNaN(weight) ? `, share ${probability(weight)}` : '';
    const token = fates.state(alive).token[patch]!;
    const looked =
      focus.tokenPointed && image
        ? [
            element(
              'p',
              { class: 'small' },
              `attention of ${quoted(metadata.tokens[focus.token]!.text)}: ${probability(image.values[patch] ?? 0)}`,
            ),
          ]
        : [];
    const told = dropped < 0 ? stage : dropped;
    const toldStage = fates.stages[told];
    const verdict = toldStage
      ? `${verdictWords(fates, told, patch)}, ${placeWords(toldStage)}`
      : 'before the first stage';
    const last = fates.state(fates.stages.length - 1).droppedAt[patch]!;
    const rows = this.stageTable(fates, patch, told, last < 0 ? fates.stages.length : last + 1, metadata);
    this.details.show(
      `Patch ${at(patch)}`,
      `${dropped < 0 ? 'token' : 'was token'} ${count(token)}, ${size > 1 ? `${count(size)} patches${part}` : 'a single patch'}`,
      element('p', { class: 'fate-verdict', 'data-testid': 'fate-verdict' }, verdict),
      ...looked,
      rows,
      ...this.tree(fates, alive, patch, at),
    );
  }

  /** A line per stage up to the one that dropped it: each score with its cut-off, and what became of the token. */
  private stageTable(fates: RunFates, patch: number, shown: number, end: number, metadata: RunMetadata): HTMLElement {
    const rows = fates.stages.slice(0, end).map((stage, index) => {
      const verdict = verdictWords(fates, index, patch);
      const scores = scoreLines(fates, index, patch, metadata);
      const classes = [index === shown ? ['shown'] : [], index > shown ? ['later'] : []].flat().join(' ');
      return element(
        'tr',
        { class: classes === '' ? undefined : classes },
        element('td', { title: stage.title }, placeName(stage)),
        element('td', {}, ...(scores.length > 0 ? scores : ['–'])),
        element('td', { class: /^(dropped|rescued)/.test(verdict) ? 'strong' : undefined }, verdict),
      );
    });
    const head = element(
      'tr',
      {},
      ...['stage', 'score against cut-off', 'verdict'].map(text => element('th', { scope: 'col' }, text)),
    );
    return element('table', { class: 'fate-table' }, element('thead', {}, head), element('tbody', {}, ...rows));
  }

  private tree(fates: RunFates, stage: number, patch: number, at: (patch: number) => string): HTMLElement[] {
    const root = mergeTree(fates, stage, patch);
    if (root.parts.length === 0) return [];
    const describe = (node: MergeNode): string => {
      if (node.parts.length === 0) return at(node.patches[0]!);
      const made = fates.stages[node.stage]!;
      const plain = node.parts.every(({ parts }) => parts.length === 0);
      const which = plain && node.parts.length > 2 ? `: ${at(node.patches[0]!)} to ${at(node.patches.at(-1)!)}` : '';
      return `${placeName(made)}: ${count(node.patches.length)} patches of ${count(node.parts.length)} tokens${which}`;
    };
    const lines = treeLines(root, describe, mostTreeLines).map(({ depth, text }) => {
      const line = element('div', {}, text);
      line.style.paddingLeft = `${depth * 12}px`;
      return line;
    });
    return [
      element(
        'div',
        { class: 'merge-tree small', 'data-testid': 'merge-tree' },
        element('b', {}, 'Merged from'),
        ...lines,
      ),
    ];
  }

  private drawToken({ focus, metadata, masses, words }: Scene): void {
    const token = metadata.tokens[focus.token]!;
    const chance = token.logprob === undefined ? '' : `probability ${tokenProbability(Math.exp(token.logprob))}. `;
    const raters = metadata.reduction?.stages.filter(stage => stage.raters?.includes(focus.token)) ?? [];
    const rated = raters.length > 0 ? ` Its attention decided at ${raters.map(placeWords).join(', ')}.` : '';
    const share = masses
      ? `${probability(masses[0] ?? 0)} of the ${words.subject} went to the image, ${words.layers}.`
      : '';
    const text = element('p', { class: 'small' }, `${chance}${share}${rated}`);
    this.details.show(quoted(token.text), tokenPlace(focus.token, metadata), text);
  }

  private drawRun(metadata: RunMetadata, stage: Stage | undefined): void {
    const [title, place] = ['What was kept', 'hover a patch to read why'];
    const { reduction, method } = metadata;
    if (!reduction) {
      this.details.show(title, place);
      return;
    }
    const survivors = reduction.layers.at(-1)?.leaving ?? 0;
    const cached = reduction.layers.reduce((all, layer) => all + layer.cached, 0) / reduction.layers.length;
    const lines: [string, string][] = [
      [
        'visual tokens',
        `E_in ${meanEntering(reduction.layers).toFixed(1)} · E_out ${meanLeaving(reduction.layers).toFixed(1)} · ${count(survivors)} survivors of ${count(reduction.visualTokens)}`,
      ],
    ];
    const size = layerSize(metadata);
    if (size) {
      const total = sum(prefillCosts(reduction, 'F3', size));
      lines.push(['prefill', `${macs(total.value)} of ${macs(total.full)} (F3), decoder`]);
    }
    const cache = sum(cacheCosts(reduction, metadata));
    lines.push([
      'KV cache',
      `${bytes(cache.value)} of ${bytes(cache.full)}, ${cached.toFixed(1)} visual entries a layer`,
    ]);
    if (method.budget) {
      const { asked, reached, counted } = method.budget;
      lines.push(['budget', `${count(asked)} asked, ${reached.toFixed(1)} reached, mean ${counted} over layers`]);
    }
    if (stage) lines.push([placeName(stage), `${stage.title}, ${changeWords(stage)} tokens`]);
    const table = element(
      'table',
      { class: 'fate-table' },
      element(
        'tbody',
        {},
        ...lines.map(([name, text]) =>
          element('tr', {}, element('td', { class: 'dim' }, name), element('td', {}, text)),
        ),
      ),
    );
    const notes = (method.notes ?? []).map(note => element('p', { class: 'fate-note small' }, note));
    this.details.show(title, place, table, ...notes);
  }
}

/** "0.0031 < 0.0040 share of the text's attention" for each score that the token had at the stage. */
function scoreLines(fates: RunFates, stage: number, patch: number, { tokens }: RunMetadata): HTMLElement[] {
  return fates.stages[stage]!.scores.flatMap((score, i) => {
    const value = fates.scoreOf(stage, i, patch);
    if (Number.isNaN(value)) return [];
    const { cutoff } = score;
    const sign = cutoff && (isAbove(cutoff, value) ? (cutoff.inclusive ? '≥' : '>') : cutoff.inclusive ? '<' : '≤');
    const against = cutoff ? ` ${sign} ${scoreText(score, cutoff.value, tokens)}` : '';
    const name = element('span', { class: 'dim' }, ` ${score.title}`);
    return [element('div', { class: 'score', title: score.title }, scoreText(score, value, tokens) + against, name)];
  });
}
