import { drawRamp } from '../colour/ramp.ts';
import { canvasRatio, element, setText } from '../element.ts';
import { tick } from '../format.ts';
import type { Scene } from '../scene.ts';

/** The colours of attention to high-resolution tokens or frames, from 0 to the largest probability. */
export class DetailScale {
  readonly element: HTMLElement;
  private readonly ramp: HTMLCanvasElement;
  private readonly most = element('span', { class: 'dim' });
  private drawn = '';

  constructor(testId: string) {
    this.ramp = element('canvas', { role: 'img', 'data-testid': testId });
    this.element = element('span', { class: 'detail-scale' }, '0', this.ramp, this.most);
  }

  /** @param largest probability; null hides the scale */
  show(largest: number | null, { selection, theme }: Pick<Scene, 'selection' | 'theme'>): void {
    this.element.hidden = largest === null;
    if (largest === null) return;
    setText(this.most, `${tick(largest)} probability`);
    this.ramp.setAttribute('aria-label', `Colour scale from 0 to ${tick(largest)} probability`);
    const key = `${selection.opacity} ${theme.scheme} ${canvasRatio()}`;
    if (key === this.drawn) return;
    this.drawn = key;
    drawRamp(this.ramp, 64, { ...theme, colours: theme.detailColours }, selection.opacity);
  }
}
