import { shownRow } from '../attention/rows.ts';
import { wordColours } from '../colour/word-colours.ts';
import type { StripFace } from '../faces.ts';
import { count, share } from '../format.ts';
import type { Scene } from '../scene.ts';
import { placeWords } from './cross-scene.ts';

/** Words coloured by how much they read from the shown frame; for one image, by how much reading changed them. */
export class CrossStrip implements StripFace {
  private drawn: readonly string[] = [];
  private key = '';
  private most = 0;

  colours({ cross, metadata, theme, focus }: Scene): readonly string[] {
    const places = cross?.places ?? [];
    const key = `${places.join()} ${cross?.frame} ${focus.head} ${focus.row} ${cross !== null} ${theme.scheme}`;
    if (key === this.key) return this.drawn;
    this.key = key;
    const values = metadata.tokens.map((_, token) => {
      const row = cross?.run.rowOf(shownRow(token, focus.row, metadata).row);
      if (!cross || row === undefined || places.length === 0) return 0;
      const shares = cross.run.shares(row, places, focus.head);
      if (shares) return shares[cross.frame]!;
      return places.reduce((sum, place) => sum + cross.run.change(row, place) / places.length, 0);
    });
    this.most = Math.max(0, ...values);
    this.drawn = wordColours(values, this.most, theme.detailColours);
    return this.drawn;
  }

  note(scene: Scene): string {
    this.colours(scene);
    const { cross, metadata } = scene;
    const inSequence = `${count(metadata.tokens.length + metadata.visual.count)} tokens`;
    if (!cross) return inSequence;
    const aside = `${inSequence} + ${count(cross.run.tokens)} held aside`;
    if (cross.places.length === 0) return aside;
    const what = cross.run.frames > 0 ? `attention to frame ${cross.frame + 1}` : 'change of the word’s row';
    return `colour: ${what}, ${placeWords(cross)}, up to ${share(this.most)} · ${aside}`;
  }

  marked(): boolean {
    return false;
  }

  image({ metadata, cross }: Scene): string {
    const frame = cross && cross.run.frames > 0 ? ', frame 1' : '';
    return `image${frame} · ${count(metadata.visual.count)} tokens`;
  }
}
