import { dropdown, checkbox, linkButton, type Choice, type Dropdown } from '../controls.ts';
import { element, setText } from '../element.ts';
import type { PanelContext } from '../panel-context.ts';
import { ownRun, type CompareChoice } from './comparison.ts';
import type { PairScene } from './pair-scene.ts';

/** Heads of the three images: which runs are A and B, and what of them is compared. */
export class CompareControls {
  readonly element: HTMLElement;
  private readonly pickers: Readonly<Record<'first' | 'second', Dropdown>>;
  private readonly removers: Readonly<Record<'first' | 'second', HTMLButtonElement>>;
  private readonly blinked = element('span', { class: 'small warn', 'data-testid': 'compare-blinked' });
  private readonly shown: Segments<'tokens' | 'attention'>;
  private readonly place: Segments<CompareChoice['place']>;
  private readonly decode;
  private choices: readonly Choice[] = [];
  private choicesKey = '';

  constructor(context: PanelContext) {
    const { comparison } = context;
    const picker = (place: 'first' | 'second', letter: string): Dropdown =>
      dropdown(`compare-${place}`, `Run ${letter}`, address => {
        comparison.choose(place, address);
      });
    this.pickers = { first: picker('first', 'A'), second: picker('second', 'B') };
    const remover = (place: 'first' | 'second', letter: string): HTMLButtonElement => {
      const button = linkButton(`compare-remove-${place}`, '×', () => {
        const address = comparison.choice.get()[place];
        if (address !== null) comparison.remove(address);
      });
      button.setAttribute('aria-label', `Remove ${letter} from the comparison`);
      button.title = `Remove ${letter} from the comparison`;
      return button;
    };
    this.removers = { first: remover('first', 'A'), second: remover('second', 'B') };
    const swap = linkButton('compare-swap', '⇄', () => {
      comparison.swap();
    });
    swap.setAttribute('aria-label', 'Swap A and B');
    swap.title = 'Swap A and B ( , or . )';
    const add = linkButton('compare-add', 'Compare with…', () => {
      context.host.post({ type: 'command', command: 'compareRuns' });
    });
    this.shown = new Segments(
      'compare-shown',
      'What is compared',
      [
        ['tokens', 'Tokens'],
        ['attention', 'Attention'],
      ],
      shown => {
        comparison.choice.set({ shown });
      },
    );
    this.place = new Segments(
      'compare-place',
      'Which image is shown',
      [
        ['first', 'A'],
        ['second', 'B'],
        ['difference', 'Difference'],
      ],
      place => {
        comparison.choice.set({ place, blinked: false });
      },
    );
    this.decode = checkbox('compare-decode', 'as decode reads them', decode => {
      comparison.choice.set({ decode });
    });
    const head = (place: 'first' | 'second', letter: 'A' | 'B', ...more: HTMLElement[]): HTMLElement =>
      element(
        'div',
        { class: `compare-head compare-head-${place}` },
        element('strong', { class: `letter-${letter.toLowerCase()}` }, letter),
        this.pickers[place].element,
        this.removers[place],
        ...more,
      );
    this.element = element(
      'div',
      { class: 'compare-heads', role: 'group', 'aria-label': 'What is compared' },
      head('first', 'A', this.blinked),
      head('second', 'B', swap),
      element(
        'div',
        { class: 'compare-head compare-head-difference' },
        this.place.element,
        this.shown.element,
        this.decode.element,
        add,
      ),
    );
  }

  draw(scene: PairScene): void {
    const { choice, runs, names, a, b, shown, base } = scene;
    const key = JSON.stringify([runs.map(run => run.address), names]);
    if (key !== this.choicesKey) {
      this.choicesKey = key;
      this.choices = runs.map((run, index) => ({ value: run.address, text: names[index]! }));
    }
    for (const [place, side] of [
      ['first', a],
      ['second', b],
    ] as const) {
      this.pickers[place].show(this.choices, side.run.address);
      this.pickers[place].element.title = side.name;
      this.removers[place].hidden = side.run.address === ownRun;
    }
    setText(this.blinked, choice.blinked && !oneImage(scene) ? 'in its place: B' : '');
    this.shown.show(shown);
    this.place.show(choice.place);
    this.place.element.hidden = !oneImage(scene);
    const trims = [a, b].some(({ run }) =>
      (run.metadata.reduction?.stages ?? []).some(({ place }) => place.tower === 'cache'),
    );
    this.decode.element.hidden = !trims || shown !== 'tokens' || base.focus.tower === 'vision';
    this.decode.show(choice.decode, 'as decode reads them');
  }
}

/** Whether the three images share one place, for want of room. */
export const oneImage = ({ base }: Pick<PairScene, 'base'>): boolean =>
  base.layout.mode === 'narrow' || base.layout.mode === 'stacked';

/** One of a few, side by side; arrows move inside. */
class Segments<T extends string> {
  readonly element: HTMLElement;
  private readonly buttons: readonly (readonly [T, HTMLButtonElement])[];

  constructor(name: string, label: string, choices: readonly (readonly [T, string])[], chosen: (value: T) => void) {
    this.buttons = choices.map(([value, text]) => {
      const button = element('button', { type: 'button', role: 'radio', 'data-testid': `${name}-${value}` }, text);
      button.addEventListener('click', () => {
        chosen(value);
        button.focus();
      });
      return [value, button] as const;
    });
    this.element = element(
      'div',
      { class: 'segments', role: 'radiogroup', 'aria-label': label },
      ...this.buttons.map(([, button]) => button),
    );
    this.element.addEventListener('keydown', event => {
      const step =
        event.key === 'ArrowRight' || event.key === 'ArrowDown'
          ? 1
          : event.key === 'ArrowLeft' || event.key === 'ArrowUp'
            ? -1
            : 0;
      if (step === 0) return;
      event.preventDefault();
      event.stopPropagation();
      const at = this.buttons.findIndex(([, button]) => button === document.activeElement);
      this.buttons[(at + step + this.buttons.length) % this.buttons.length]?.[1].click();
    });
  }

  show(value: T): void {
    for (const [one, button] of this.buttons) {
      button.setAttribute('aria-checked', String(one === value));
      button.tabIndex = one === value ? 0 : -1;
    }
  }
}
