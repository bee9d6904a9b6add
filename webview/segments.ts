import { element } from './element.ts';

export interface Segments<Value extends string> {
  readonly element: HTMLElement;
  show(value: Value): void;
}

/** A few choices side by side, of which one holds: a radio group with one tab stop, arrows move inside. */
export function drawSegments<Value extends string>(
  name: string,
  label: string,
  choices: readonly { readonly value: Value; readonly text: string; readonly words: string }[],
  changed: (value: Value) => void,
): Segments<Value> {
  const buttons = choices.map(({ value, text, words }) => {
    const button = element(
      'button',
      { type: 'button', role: 'radio', 'data-testid': `${name}-${value}`, title: words },
      text,
    );
    button.addEventListener('click', () => {
      changed(value);
      button.focus();
    });
    return button;
  });
  const group = element('div', { class: 'segments', role: 'radiogroup', 'aria-label': label }, ...buttons);
  group.addEventListener('keydown', event => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const now = buttons.findIndex(button => button.getAttribute('aria-checked') === 'true');
    buttons[(now + step + buttons.length) % buttons.length]?.click();
  });
  return {
    element: group,
    show(value) {
      choices.forEach((choice, i) => {
        const on = choice.value === value;
        buttons[i]!.setAttribute('aria-checked', String(on));
        buttons[i]!.tabIndex = on ? 0 : -1;
      });
    },
  };
}
