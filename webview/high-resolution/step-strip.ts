import { wordColours } from '../colour/word-colours.ts';
import type { StripFace } from '../faces.ts';
import { count, share } from '../format.ts';
import type { Scene } from '../scene.ts';
import { notReading } from './shown-selection.ts';

/** Tokens of the answer coloured by how much the chosen layer read in high resolution to predict them. */
export class StepStrip implements StripFace {
  private drawn: readonly string[] = [];
  private key = '';
  private most = 0;

  colours({ detail, metadata, theme }: Scene): readonly string[] {
    const key = `${detail?.layer} ${detail !== null} ${theme.scheme}`;
    if (key === this.key) return this.drawn;
    this.key = key;
    const { promptTokens, tokens } = metadata;
    const shares = tokens.map((_, token) => detail?.run.share(token - promptTokens, detail.layer) ?? 0);
    this.most = Math.max(0, ...shares);
    this.drawn = wordColours(shares, this.most, theme.detailColours);
    return this.drawn;
  }

  note(scene: Scene): string {
    this.colours(scene);
    const { detail, metadata } = scene;
    const inSequence = `${count(metadata.tokens.length + metadata.visual.count)} tokens`;
    if (!detail) return inSequence;
    const aside = `${inSequence} + ${count(detail.run.tokens)} high-resolution tokens held aside`;
    if (!detail.run.reads(detail.layer)) return `${notReading(detail)} ${aside}`;
    return `colour: attention of D${detail.layer} on high-resolution tokens, up to ${share(this.most)} · ${aside}`;
  }

  marked(): boolean {
    return false;
  }

  image({ metadata }: Scene): string {
    return `image · ${count(metadata.visual.count)} tokens`;
  }
}
