import { element, setText } from '../element.ts';
import { count } from '../format.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import { Player } from '../player.ts';
import { placeName, placeWords } from '../pruning/stages.ts';
import type { Scene } from '../scene.ts';

interface Entry {
  readonly element: HTMLElement;
  readonly count: HTMLElement;
}

function entry(sign: string, text: string): Entry {
  const number = element('b', {});
  const words = element('span', {}, text);
  return {
    element: element('span', { class: 'fate-entry' }, element('i', { class: `sign ${sign}` }), words, number),
    count: number,
  };
}

/** Which stage is shown, and how many tokens fared how up to it. */
export class FateLegend implements Region {
  readonly element: HTMLElement;
  private readonly slider = element('input', {
    type: 'range',
    min: -1,
    step: 1,
    'aria-label': 'Stage',
    'data-testid': 'stage-slider',
  });
  private readonly player: Player;
  private readonly stage = element('span', { class: 'stage-name', 'data-testid': 'stage-name' });
  private readonly entries = {
    single: entry('kept', 'kept, single'),
    dropped: entry('dropped', 'dropped so far'),
    key: entry('key', 'key set'),
    merged: entry('merged', 'kept, merged'),
    rescued: entry('rescued', 'rescued'),
  };
  constructor(context: PanelContext) {
    const { actions, selection, metadata } = context;
    this.player = new Player('stages', {
      position: () => selection.get().stage,
      first: () => -1,
      last: () => (metadata.reduction?.stages.length ?? 0) - 1,
      show: stage => {
        actions.chooseStage(stage);
      },
    });
    this.slider.addEventListener('input', () => {
      this.player.stop();
      actions.chooseStage(Number(this.slider.value));
    });
    this.element = element(
      'div',
      { class: 'fate-legend', 'data-testid': 'fate-legend', role: 'group', 'aria-label': 'Stage and fates' },
      element('div', { class: 'stage-row' }, this.player.element, this.slider, this.stage),
      element('div', { class: 'fate-entries' }, ...Object.values(this.entries).map(one => one.element)),
    );
  }

  draw({ fates, stage, selection, metadata }: Scene): void {
    const stages = metadata.reduction?.stages ?? [];
    const at = stages[stage];
    const name = at ? `${placeName(at)} · ${at.title}` : 'before the first stage';
    this.slider.max = String(stages.length - 1);
    if (Number(this.slider.value) !== selection.stage) this.slider.value = String(selection.stage);
    const chosen = stages[selection.stage];
    this.slider.setAttribute(
      'aria-valuetext',
      chosen
        ? `${chosen.title}, ${placeWords(chosen)}, ${count(chosen.leaving)} tokens left`
        : 'before the first stage',
    );
    setText(this.stage, name);
    this.stage.title = at ? `${at.title}, ${placeWords(at)}` : '';
    if (!fates) return;
    const { counts } = fates.state(stage);
    const numbers = {
      single: counts.single,
      merged: counts.merged,
      dropped: counts.dropped,
      rescued: counts.rescued,
      key: counts.keySingle + counts.keyMerged,
    };
    for (const [kind, { element: shown, count: number }] of Object.entries(this.entries)) {
      const many = numbers[kind as keyof typeof numbers];
      setText(number, count(many));
      shown.classList.toggle('none', many === 0);
    }
  }

  toggle(): void {
    this.player.toggle();
  }

  dispose(): void {
    this.player.stop();
  }
}
