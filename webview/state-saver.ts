import type { PanelContext } from './panel-context.ts';
import type { SavedState } from './saved-state.ts';

const savingDelay = 100;

/** Gives the host what a hidden or reloaded panel is restored from; changes that follow each other are saved once. */
export class StateSaver {
  private timer: number | undefined;

  constructor(private readonly context: Pick<PanelContext, 'host' | 'metadata' | 'selection' | 'comparison'>) {}

  saveSoon(): void {
    this.timer ??= window.setTimeout(() => {
      this.save();
    }, savingDelay);
  }

  save(): void {
    window.clearTimeout(this.timer);
    this.timer = undefined;
    const { host, metadata, selection, comparison } = this.context;
    const state: SavedState = {
      run: metadata.id,
      selection: selection.get(),
      comparison: comparison.toSaved(),
    };
    host.saveState(state);
  }
}
