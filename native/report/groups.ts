/** How tokens and their groups are called in a report. */
import type { MassGroup } from '../../trace/schema.ts';

export const groupNames: Readonly<Record<MassGroup, string>> = {
  image: 'image',
  bos: '<s>',
  system: 'system',
  question: 'question',
  generated: 'generated',
};

/** From the image outwards, as in the panel. */
export const groupOrder: readonly MassGroup[] = ['image', 'question', 'generated', 'system', 'bos'];

/** A token's text with its spaces and line feeds made visible. */
export function visibleToken(text: string): string {
  const trimmed = text.replace(/^ +| +$/g, '');
  return trimmed === '' ? (text === '' ? '∅' : '␣') : trimmed.replaceAll('\n', '⏎').replaceAll('\t', '⇥');
}
