/** Which key of a layer is what: text before the image, visual tokens, text after it and what was generated. */
import { massGroups } from '../../trace/schema.ts';
import type { Prompt } from '../prompt/build-prompt.ts';

export class KeyLayout {
  private readonly membership = new Map<string, Float32Array>();
  /** Mass group of each text token, generated ones last. */
  private readonly groupOf: number[];

  constructor(prompt: Prompt) {
    this.before = prompt.visual.first;
    this.groupOf = prompt.tokens.map(({ role }) => massGroups.indexOf(role));
  }

  /** Text tokens before the image. */
  readonly before: number;

  get textTokens(): number {
    return this.groupOf.length;
  }

  addGenerated(): void {
    this.groupOf.push(massGroups.indexOf('generated'));
  }

  /** Where a layer with this many visual tokens keeps each text token, in order. */
  textColumns(visualTokens: number): Int32Array {
    return Int32Array.from(this.groupOf, (_, index) => (index < this.before ? index : index + visualTokens));
  }

  /** [keys, groups], 0 or 1 */
  groups(visualTokens: number): Float32Array {
    const keys = this.textTokens + visualTokens;
    const name = `${visualTokens} of ${keys}`;
    const known = this.membership.get(name);
    if (known) return known;
    const membership = new Float32Array(keys * massGroups.length);
    const image = massGroups.indexOf('image');
    for (let token = 0; token < visualTokens; token++)
      membership[(this.before + token) * massGroups.length + image] = 1;
    const columns = this.textColumns(visualTokens);
    columns.forEach((column, index) => {
      membership[column * massGroups.length + this.groupOf[index]!] = 1;
    });
    this.membership.clear();
    this.membership.set(name, membership);
    return membership;
  }
}
