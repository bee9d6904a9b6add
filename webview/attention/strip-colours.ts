import { inkOn, tableIndex } from '../colour/colour-map.ts';
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
    const coloured = metadata.tokens.map(
      ({ role }, index) =>
        role !== 'bos' && !(selection.hideText && role === 'system') && values?.[index] !== undefined,
    );
    const maximum = metadata.tokens.reduce((most, _, i) => (coloured[i] ? Math.max(most, values![i]!) : most), 0);
    this.scene = scene;
    this.maximum = maximum;
    this.drawn = metadata.tokens.map((_, index) => {
      const cell = coloured[index] ? tableIndex(values![index]!, maximum) : 0;
      if (cell < 6) return '';
      const [r, g, b] = theme.colours.subarray(cell * 3, cell * 3 + 3);
      return `rgb(${r} ${g} ${b})/${inkOn(theme.colours, cell)}`;
    });
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
