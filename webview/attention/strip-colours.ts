import { wordColours } from '../colour/word-colours.ts';
import type { StripFace } from '../faces.ts';
import { count, probability } from '../format.ts';
import type { Scene } from '../scene.ts';

/** Tokens coloured by what the shown row reads, or by how much they looked at the hovered patch. */
export class StripColours implements StripFace {
  private scene: Scene | null = null;
  private maximum = 0;
  private drawn: readonly string[] = [];

  colours(scene: Scene): readonly string[] {
    if (scene === this.scene) return this.drawn;
    const { metadata, theme, text, readers, selection, focus } = scene;
    const values = readers?.byToken ?? (focus.tower === 'decoder' ? text : null);
    // <s> is a sink that would outshine all others; what goes there is in the readout.
    const coloured = metadata.tokens.map(({ role }, index) =>
      role === 'bos' || (selection.hideText && role === 'system') ? 0 : (values?.[index] ?? 0),
    );
    this.scene = scene;
    this.maximum = Math.max(0, ...coloured);
    this.drawn = wordColours(coloured, this.maximum, theme.colours);
    return this.drawn;
  }

  note(scene: Scene): string {
    this.colours(scene);
    const { metadata, readers, focus, text, geometry } = scene;
    const total = `${count(metadata.tokens.length + metadata.visual.count)} tokens`;
    if (readers) {
      const [row, column] = [Math.floor(readers.patch / geometry.columns), readers.patch % geometry.columns];
      return `colour: who looked at row ${row}, column ${column}, up to ${probability(readers.maximum)}`;
    }
    if (!text || focus.tower === 'vision') return total;
    return `colour: text that the row reads, mean of heads, up to ${probability(this.maximum)} · ${total}`;
  }

  marked(): boolean {
    return false;
  }

  image({ metadata }: Scene): string {
    return `image · ${count(metadata.visual.count)} tokens`;
  }
}
