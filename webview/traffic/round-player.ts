const pause = 700;

/** Plays the rounds one after the other; with reduced motion each start is one step. */
export class RoundPlayer {
  private timer: number | undefined;

  /** @param step goes on by one round and says whether there are more */
  constructor(private readonly step: () => boolean) {}

  get playing(): boolean {
    return this.timer !== undefined;
  }

  start(): void {
    this.stop();
    const reduced =
      document.body.classList.contains('vscode-reduce-motion') ||
      matchMedia('(prefers-reduced-motion: reduce)').matches;
    if (!this.step() || reduced) return;
    this.timer = window.setInterval(() => {
      if (!this.step()) this.stop();
    }, pause);
  }

  stop(): void {
    window.clearInterval(this.timer);
    this.timer = undefined;
  }
}
