import { linkButton } from '../controls.ts';
import { element, setText } from '../element.ts';
import { count } from '../format.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import { placeName, placeWords } from '../pruning/stages.ts';
import type { Scene } from '../scene.ts';

const pause = 900;

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
  private readonly play: HTMLButtonElement;
  private readonly stage = element('span', { class: 'stage-name', 'data-testid': 'stage-name' });
  private readonly entries = {
    single: entry('kept', 'kept, single'),
    dropped: entry('dropped', 'dropped so far'),
    key: entry('key', 'key set'),
    merged: entry('merged', 'kept, merged'),
    rescued: entry('rescued', 'rescued'),
  };
  private timer: number | undefined;
  private readonly stopOnKey = (): void => {
    this.stop();
  };

  constructor(private readonly context: PanelContext) {
    this.play = linkButton('play-stages', '▶', () => {
      this.toggle();
    });
    this.play.className = 'key';
    this.slider.addEventListener('input', () => {
      this.stop();
      context.actions.chooseStage(Number(this.slider.value));
    });
    this.element = element(
      'div',
      { class: 'fate-legend', 'data-testid': 'fate-legend', role: 'group', 'aria-label': 'Stage and fates' },
      element('div', { class: 'stage-row' }, this.play, this.slider, this.stage),
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
    this.drawPlay();
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

  /** Goes through the stages from the chosen one, or from the start at the end; where motion is unwelcome, one step. */
  toggle(): void {
    if (this.timer !== undefined) {
      this.stop();
      return;
    }
    const { actions, selection, metadata } = this.context;
    const last = (metadata.reduction?.stages.length ?? 0) - 1;
    actions.chooseStage(selection.get().stage >= last ? -1 : selection.get().stage + 1);
    if (
      document.body.classList.contains('vscode-reduce-motion') ||
      matchMedia('(prefers-reduced-motion: reduce)').matches
    )
      return;
    this.timer = window.setInterval(() => {
      if (selection.get().stage >= last) this.stop();
      else actions.moveStage(1);
    }, pause);
    document.addEventListener('keydown', this.stopOnKey, { capture: true });
    this.drawPlay();
  }

  dispose(): void {
    this.stop();
  }

  private stop(): void {
    window.clearInterval(this.timer);
    this.timer = undefined;
    document.removeEventListener('keydown', this.stopOnKey, { capture: true });
    this.drawPlay();
  }

  private drawPlay(): void {
    const playing = this.timer !== undefined;
    setText(this.play, playing ? '❚❚' : '▶');
    const label = playing ? 'Stop playing the stages' : 'Play the stages (Space)';
    this.play.setAttribute('aria-label', label);
    this.play.title = label;
  }
}
