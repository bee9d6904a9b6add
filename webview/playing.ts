/** Steps that follow each other by themselves. Where motion is unwelcome, each start is one step. */
export class Playing {
  private timer: number | undefined;

  constructor(
    /** Goes on by one, and says whether there are more. */
    private readonly step: () => boolean,
    /** Told when it starts and when it stops. */
    private readonly changed: () => void,
    /** Milliseconds. */
    private readonly pause: number,
  ) {}

  get on(): boolean {
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
    }, this.pause);
    this.changed();
  }

  stop(): void {
    if (this.timer === undefined) return;
    window.clearInterval(this.timer);
    this.timer = undefined;
    this.changed();
  }
}
