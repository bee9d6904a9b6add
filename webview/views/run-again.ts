import { button, dropdown, linkButton, textField, type TextField } from '../controls.ts';
import { element, setText } from '../element.ts';
import type { PanelMethod, PanelParameter } from '../messages.ts';
import type { PanelContext } from '../panel-context.ts';
import { firstText, methodOfRun, requestName, requestOf } from '../pruning/run-draft.ts';
import type { Scene } from '../scene.ts';

/** A field for one parameter. */
interface Field {
  readonly name: string;
  readonly element: HTMLElement;
  text(): string;
}

const pressPause = 1500;

/** What the run was made with, as fields; nothing runs until Enter or the button. */
export class RunAgainControls {
  readonly element: HTMLElement;
  private readonly method;
  private readonly variant;
  private readonly budget: TextField;
  private readonly budgetLabel: HTMLElement;
  private readonly variantLabel: HTMLElement;
  private readonly fields = element('span', { class: 'parameter-fields', 'data-testid': 'parameters' });
  private readonly more: HTMLButtonElement;
  private readonly run: HTMLElement & { disabled?: boolean };
  private readonly problem = element('span', {
    class: 'warn small',
    role: 'alert',
    'data-testid': 'run-again-problem',
  });
  private parameters: readonly Field[] = [];
  private chosen: PanelMethod;
  private chosenVariant: string;
  private opened: boolean | null = null;
  private asked = false;
  private methodChoices: readonly { value: string; text: string }[] = [];
  private variantChoices: readonly { value: string; text: string }[] = [];
  private readonly end: () => void;

  constructor(private readonly context: PanelContext) {
    const { metadata, methods } = context;
    this.chosen = methodOfRun(metadata.method);
    this.chosenVariant = metadata.method.variant ?? '';
    this.method = dropdown('run-method', 'Method', name => {
      const next = this.known().find(method => method.name === name);
      if (next) this.choose(next, next.name === requestName(metadata.method) ? metadata.method.variant : undefined);
    });
    this.variant = dropdown('run-variant', 'Variant', value => {
      this.chosenVariant = value;
    });
    const entered = (): void => {
      this.start();
    };
    this.budget = textField('run-budget', 'Budget in visual tokens', entered);
    this.budget.element.title = 'Visual tokens, mean over the decoder’s layers; blank: as the parameters have it';
    this.more = linkButton('show-parameters', 'Parameters', () => {
      this.opened = !this.isOpen();
      this.drawOpen();
    });
    this.run = button('run-again', 'Run Again', entered);
    this.run.setAttribute('appearance', 'primary');
    const labelled = (text: string, control: HTMLElement): HTMLElement =>
      element('span', { class: 'control' }, element('span', { class: 'dim small' }, text), control);
    this.budgetLabel = labelled('budget', this.budget.element);
    this.variantLabel = labelled('as in', this.variant.element);
    this.element = element(
      'div',
      {
        class: 'run-again',
        role: 'group',
        'aria-label': 'Run again with other settings',
        'data-testid': 'run-again-row',
      },
      labelled('Method', this.method.element),
      this.variantLabel,
      this.budgetLabel,
      this.more,
      this.run,
      this.problem,
      this.fields,
    );
    // The list of methods needs the pipeline's process: it is asked for by who is about to use it.
    for (const event of ['pointerenter', 'focusin'])
      this.element.addEventListener(event, () => {
        if (this.asked) return;
        this.asked = true;
        context.host.post({ type: 'methods' });
      });
    this.end = methods.subscribe(() => {
      this.learn();
    });
    this.choose(this.chosen, metadata.method.variant);
  }

  draw({ layout }: Scene): void {
    const open = this.opened ?? layout.mode === 'wide';
    if (open === this.isOpen()) return;
    this.fields.hidden = !open;
    this.drawOpen();
  }

  dispose(): void {
    this.end();
  }

  private known(): readonly PanelMethod[] {
    const ran = methodOfRun(this.context.metadata.method);
    const list = this.context.methods.get().list ?? [];
    return list.some(({ name }) => name === ran.name) ? list : [ran, ...list];
  }

  private isOpen(): boolean {
    return !this.fields.hidden;
  }

  private drawOpen(): void {
    if (this.opened !== null) this.fields.hidden = !this.opened;
    this.more.setAttribute('aria-expanded', String(this.isOpen()));
    setText(this.more, this.isOpen() ? 'Hide parameters' : `${this.parameters.length} parameters`);
  }

  /** Takes over what the pipeline says; the fields stay as they are, for the list comes while the pointer is here. */
  private learn(): void {
    const told = this.known().find(({ name }) => name === this.chosen.name);
    if (told) {
      const { budget: _, ...rest } = this.chosen;
      const { variants, budget, summary } = told;
      this.chosen = {
        ...rest,
        variants: variants.length > 0 ? variants : rest.variants,
        summary,
        ...(budget && { budget }),
      };
    }
    this.drawChoices();
  }

  private drawChoices(): void {
    const { chosen } = this;
    this.methodChoices = this.known().map(({ name, title }) => ({ value: name, text: title }));
    this.method.show(this.methodChoices, chosen.name);
    this.method.element.title = chosen.summary;
    this.variantChoices = chosen.variants.map(value => ({ value, text: value }));
    this.variant.show(this.variantChoices, this.chosenVariant);
    this.variantLabel.hidden = chosen.variants.length === 0;
    this.budgetLabel.hidden = chosen.budget === undefined;
  }

  private choose(method: PanelMethod, variant: string | undefined): void {
    const { metadata } = this.context;
    const ran = metadata.method;
    this.chosen = method;
    this.chosenVariant = variant ?? method.variants[0] ?? '';
    this.drawChoices();
    const budget = method.name === requestName(ran) && ran.budget ? String(ran.budget.asked) : '';
    if (this.budget.text() === '' || method.name === requestName(ran)) this.budget.set(budget, 'none');
    this.parameters = method.parameters.map(parameter => this.field(parameter));
    this.fields.replaceChildren(...this.parameters.map(field => field.element));
    this.more.hidden = this.parameters.length === 0;
    setText(this.problem, '');
    this.drawOpen();
  }

  private field(parameter: PanelParameter): Field {
    const { name, title, kind, choices = [], meaning } = parameter;
    const first = firstText(parameter, this.chosen.name, this.context.metadata.method);
    const place = (control: HTMLElement): HTMLElement => {
      const field = element('span', { class: 'control' }, element('span', { class: 'dim small' }, title), control);
      field.title = [title, meaning].filter(text => text !== '').join(': ');
      return field;
    };
    if (kind === 'flag' || choices.length > 0) {
      let value = first;
      const values = kind === 'flag' ? ['true', 'false'] : choices;
      const list = [
        ...(first === '' ? [{ value: '', text: 'default' }] : []),
        ...values.map(one => ({ value: one, text: one })),
      ];
      const control = dropdown(`parameter-${name}`, title, next => {
        value = next;
        control.show(list, next);
      });
      control.show(list, first);
      return { name, element: place(control.element), text: () => value };
    }
    const control = textField(`parameter-${name}`, title, () => {
      this.start();
    });
    control.element.classList.toggle('long', kind === 'layers' || kind === 'numbers' || first.length > 7);
    control.set(shorter(first), 'default');
    // A value that was only shortened has not been changed.
    return {
      name,
      element: place(control.element),
      text: () => (control.text() === shorter(first) ? first : control.text()),
    };
  }

  private start(): void {
    if (this.run.disabled) return;
    const { metadata, host } = this.context;
    const { rows, columns } = metadata.visual.grid;
    const draft = {
      method: this.chosen,
      variant: this.chosenVariant,
      budget: this.chosen.budget === undefined ? '' : this.budget.text(),
      texts: Object.fromEntries(this.parameters.map(field => [field.name, field.text()])),
    };
    const request = requestOf(draft, metadata.method, rows * columns);
    const wrong = typeof request === 'string';
    setText(this.problem, wrong ? request : '');
    this.budget.setInvalid(wrong);
    if (wrong) return;
    host.post({ type: 'runAgain', request });
    // A double click is one wish.
    this.run.disabled = true;
    window.setTimeout(() => {
      this.run.disabled = false;
    }, pressPause);
  }
}

/** Solved numbers have more digits than anybody reads; what is not touched runs with all of them. */
function shorter(text: string): string {
  const number = Number(text);
  return text.length > 8 && Number.isFinite(number) ? String(Number(number.toPrecision(4))) : text;
}
