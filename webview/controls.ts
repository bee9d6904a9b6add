/** The only place that knows the control library, because upstream has frozen it. */
import './focus-probe.ts';
import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeDropdown,
  vsCodeOption,
  vsCodeTextField,
} from '@vscode/webview-ui-toolkit';

export function registerControls(): void {
  provideVSCodeDesignSystem().register(
    vsCodeButton(),
    vsCodeCheckbox(),
    vsCodeDropdown(),
    vsCodeOption(),
    vsCodeTextField(),
  );
}

function custom(tag: string, name: string, label: string): HTMLElement {
  const created = document.createElement(tag);
  created.dataset['testid'] = name;
  created.setAttribute('aria-label', label);
  return created;
}

export interface Choice {
  readonly value: string;
  readonly text: string;
}

export interface Dropdown {
  readonly element: HTMLElement;
  /** Draws anew only for another value or another list, which is told by its identity. */
  show(choices: readonly Choice[], value: string): void;
}

/** A labelled drop-down list; `changed` gets the value that the user chose. */
export function dropdown(name: string, label: string, changed: (value: string) => void): Dropdown {
  const select = custom('vscode-dropdown', name, label) as HTMLElement & { value: string };
  let drawn: readonly Choice[] = [];
  let shown = '';
  select.addEventListener('change', () => {
    if (select.value !== shown) changed(select.value);
  });
  return {
    element: select,
    show(choices, value) {
      if (choices === drawn && value === shown) return;
      shown = value;
      if (choices !== drawn) {
        drawn = choices;
        select.replaceChildren(
          ...choices.map(choice => {
            const option = document.createElement('vscode-option');
            option.setAttribute('value', choice.value);
            option.textContent = choice.text;
            return option;
          }),
        );
      }
      // The list takes up its options only after they are attached.
      select.setAttribute('current-value', value);
      select.value = value;
      queueMicrotask(() => {
        if (shown === value && select.value !== value) select.value = value;
      });
    },
  };
}

export interface Checkbox {
  readonly element: HTMLElement;
  show(checked: boolean, text: string, enabled?: boolean): void;
}

export function checkbox(name: string, label: string, changed: (checked: boolean) => void): Checkbox {
  const box = custom('vscode-checkbox', name, label) as HTMLElement & { checked: boolean; disabled: boolean };
  let shown = false;
  box.addEventListener('change', () => {
    if (box.checked !== shown) changed(box.checked);
  });
  return {
    element: box,
    show(checked, text, enabled = true) {
      shown = checked;
      if (box.checked !== checked) box.checked = checked;
      if (box.disabled === enabled) box.disabled = !enabled;
      if (box.textContent === text) return;
      box.textContent = text;
      box.setAttribute('aria-label', text);
    },
  };
}

export interface TextField {
  readonly element: HTMLElement;
  /** What is in it. */
  text(): string;
  set(text: string, placeholder: string): void;
  setInvalid(invalid: boolean): void;
}

/** One line of text; `entered` is called for Enter. */
export function textField(name: string, label: string, entered: () => void): TextField {
  const field = custom('vscode-text-field', name, label) as HTMLElement & { value: string; placeholder: string };
  field.addEventListener('keydown', event => {
    if (event.key === 'Enter') entered();
  });
  return {
    element: field,
    text: () => field.value,
    set(text, placeholder) {
      field.value = text;
      field.placeholder = placeholder;
    },
    setInvalid(invalid) {
      field.toggleAttribute('invalid', invalid);
      field.setAttribute('aria-invalid', String(invalid));
    },
  };
}

export function button(name: string, text: string, pressed: () => void): HTMLElement {
  const created = custom('vscode-button', name, text);
  created.setAttribute('appearance', 'secondary');
  created.textContent = text;
  created.addEventListener('click', pressed);
  return created;
}

/** A link that acts; a real button, so that it is reached and pressed by keyboard. */
export function linkButton(name: string, text: string, pressed: () => void): HTMLButtonElement {
  const created = document.createElement('button');
  created.type = 'button';
  created.className = 'link';
  created.dataset['testid'] = name;
  created.textContent = text;
  created.addEventListener('click', pressed);
  return created;
}
