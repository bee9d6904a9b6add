import type { TraceToken } from '../../trace/schema.ts';
import { element } from '../element.ts';
import { tokenProbability, visibleToken } from '../format.ts';

/** What could have stood in a token's place, as bars of the model's own probability; the heading alone for one that was not predicted. */
export function nextTokenBars(token: TraceToken | undefined, heading: string): HTMLElement {
  const alternatives = (token?.alternatives ?? []).map(other => {
    const probability = Math.exp(other.logprob);
    const bar = element('b', { class: 'probability' });
    bar.style.width = `${probability * 100}%`;
    return element(
      'div',
      { class: `bar-line${other.id === token?.id ? ' given' : ''}` },
      element('span', { class: 'name', dir: 'auto' }, visibleToken(other.text)),
      element('span', { class: 'bar' }, bar),
      element('span', { class: 'value' }, tokenProbability(probability)),
    );
  });
  return element('div', { class: 'bars' }, element('div', { class: 'small dim' }, heading), ...alternatives);
}
