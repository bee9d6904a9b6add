import type { StripFace } from '../faces.ts';
import { count } from '../format.ts';
import type { Scene } from '../scene.ts';
import { StripColours } from '../attention/strip-colours.ts';
import { placeWords } from './stages.ts';

/** Marks the text tokens whose attention decided at the chosen stage. */
export class FateStrip implements StripFace {
  private readonly attention = new StripColours();
  private none: readonly string[] = [];
  private raters: { readonly stage: number; readonly tokens: ReadonlySet<number> } = { stage: -2, tokens: new Set() };

  colours(scene: Scene): readonly string[] {
    // Attention of text to text belongs to a token that is pointed at.
    if (scene.focus.tokenPointed) return this.attention.colours(scene);
    if (this.none.length !== scene.metadata.tokens.length) this.none = scene.metadata.tokens.map(() => '');
    return this.none;
  }

  note(scene: Scene): string {
    const { metadata } = scene;
    const raters = this.ratersOf(scene);
    const stage = metadata.reduction?.stages[scene.stage];
    if (scene.focus.tokenPointed) return this.attention.note(scene);
    if (stage && raters.size > 0)
      return `dashed: ${count(raters.size)} text tokens whose attention decided, ${placeWords(stage)}`;
    return `${count(metadata.tokens.length)} text tokens`;
  }

  marked(scene: Scene, token: number): boolean {
    return this.ratersOf(scene).has(token);
  }

  image({ metadata }: Scene): string {
    const { reduction } = metadata;
    if (!reduction) return `image · ${count(metadata.visual.count)} tokens`;
    const counts = [reduction.visualTokens, reduction.layers[0]?.entering, reduction.layers.at(-1)?.leaving];
    const steps = counts.filter((one, i): one is number => one !== undefined && one !== counts[i - 1]);
    return `image · ${steps.map(count).join(' → ')} tokens`;
  }

  private ratersOf({ stage, metadata }: Scene): ReadonlySet<number> {
    if (stage !== this.raters.stage)
      this.raters = { stage, tokens: new Set(metadata.reduction?.stages[stage]?.raters ?? []) };
    return this.raters.tokens;
  }
}
