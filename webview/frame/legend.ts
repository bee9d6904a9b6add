import { scaleLinear } from 'd3';
import { drawRamp } from '../colour/ramp.ts';
import { checkbox } from '../controls.ts';
import { element, setText } from '../element.ts';
import { tick } from '../format.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { Scene } from '../scene.ts';

const widestBar = 176;
const narrowestBar = 152;

/** The scale of the overlay in its unit, and how it is drawn. */
export class Legend implements Region {
  readonly element: HTMLElement;
  private readonly bar = element('canvas', { 'data-testid': 'legend-bar', role: 'img' });
  private readonly ticks = [0, 0.5, 1].map(at => element('span', { class: 'tick', 'data-at': at }));
  private readonly unit = element('span', { class: 'unit dim', 'data-testid': 'legend-unit' });
  private readonly scaleButtons: Readonly<Record<Scene['selection']['scale'], HTMLButtonElement>>;
  private readonly keep;
  private readonly opacity = element('input', {
    type: 'range',
    min: 0,
    max: 100,
    step: 5,
    'aria-label': 'Overlay opacity in percent',
    'data-testid': 'opacity',
  });
  private scene: Scene | null = null;
  private drawn = '';

  constructor(context: PanelContext) {
    const { selection } = context;
    const choice = (scale: Scene['selection']['scale'], text: string, title: string): HTMLButtonElement => {
      const button = element('button', { type: 'button', role: 'radio', 'data-testid': `scale-${scale}`, title }, text);
      button.addEventListener('click', () => {
        selection.set({ scale, keptMaximum: null });
        this.scaleButtons[scale].focus();
      });
      button.addEventListener('keydown', event => {
        if (!event.key.startsWith('Arrow')) return;
        event.preventDefault();
        event.stopPropagation();
        this.scaleButtons[scale === 'own' ? 'absolute' : 'own'].click();
      });
      return button;
    };
    this.scaleButtons = {
      absolute: choice('absolute', 'Absolute', 'One scale for all maps of this row'),
      own: choice('own', 'Own maximum', 'Each map by itself; its maximum is printed in its corner'),
    };
    this.keep = checkbox('keep-scale', 'Keep scale', checked => {
      selection.set({ keptMaximum: checked ? (this.scene?.imageMaximum ?? null) : null });
    });
    this.opacity.addEventListener('input', () => {
      selection.set({ opacity: Number(this.opacity.value) / 100 });
    });
    this.element = element(
      'div',
      { class: 'legend', 'data-testid': 'legend', role: 'group', 'aria-label': 'Scale' },
      element('div', { class: 'scale' }, this.bar, element('div', { class: 'ticks' }, ...this.ticks)),
      element(
        'div',
        { class: 'segments', role: 'radiogroup', 'aria-label': 'Scale of the maps' },
        this.scaleButtons.absolute,
        this.scaleButtons.own,
      ),
      this.unit,
      this.keep.element,
      element('label', { class: 'opacity dim' }, 'overlay', this.opacity),
    );
  }

  draw(scene: Scene): void {
    this.scene = scene;
    const { selection, imageMaximum, theme, image } = scene;
    for (const scale of ['absolute', 'own'] as const) {
      const on = selection.scale === scale;
      this.scaleButtons[scale].setAttribute('aria-checked', String(on));
      this.scaleButtons[scale].tabIndex = on ? 0 : -1;
    }
    setText(this.scaleButtons.own, scene.layout.mode === 'wide' ? 'Own maximum' : 'Own max');
    this.keep.element.hidden = selection.scale === 'own';
    this.keep.show(selection.keptMaximum !== null, 'Keep');
    if (document.activeElement !== this.opacity) this.opacity.value = String(Math.round(selection.opacity * 100));
    const scale = scaleLinear([0, 1], [0, imageMaximum]);
    const over = image && selection.keptMaximum !== null && image.maximum > selection.keptMaximum;
    this.ticks.forEach((label, i) => {
      setText(label, imageMaximum === 0 ? (i === 0 ? '0' : '') : (over && i === 2 ? '≥ ' : '') + tick(scale(i / 2)));
    });
    this.setUnit(scene);
    const barWidth = scene.layout.mode === 'medium' ? narrowestBar : widestBar;
    const key = `${selection.opacity} ${theme.scheme} ${barWidth} ${window.devicePixelRatio}`;
    this.bar.setAttribute('aria-label', `Colour scale from 0 to ${tick(imageMaximum)} ${this.unit.textContent}`);
    if (key === this.drawn) return;
    this.drawn = key;
    drawRamp(this.bar, barWidth, theme, selection.opacity);
  }

  /** Tells that the old picture stays until a page is here. */
  showReading(what: string): void {
    setText(this.unit, `reading ${what}`);
    this.element.classList.add('reading');
  }

  private setUnit(scene: Scene): void {
    this.element.classList.remove('reading');
    setText(this.unit, unitOf(scene));
  }
}

/** Unit of the overlay. */
export function unitOf({ image, selection, focus }: Scene): string {
  const hidden = image ? image.hiddenText + image.hiddenPatches : 0;
  if (hidden > 0) return 'share of the rest';
  return focus.tower === 'vision' && selection.visionHead === 'rollout' ? 'share of CLS' : 'probability';
}
