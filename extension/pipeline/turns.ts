/** One at a time, first come, first served. */
export class Turns {
  private readonly waiting: (() => void)[] = [];
  private taken = false;

  get busy(): boolean {
    return this.taken;
  }

  /** Resolves with a function that ends the turn, or with `undefined` when the signal is aborted while waiting. */
  async take(signal: AbortSignal): Promise<(() => void) | undefined> {
    if (signal.aborted) return undefined;
    if (!this.taken) {
      this.taken = true;
      return this.endOnce();
    }
    return new Promise(resolve => {
      const start = (): void => {
        signal.removeEventListener('abort', leave);
        resolve(this.endOnce());
      };
      const leave = (): void => {
        this.waiting.splice(this.waiting.indexOf(start), 1);
        resolve(undefined);
      };
      this.waiting.push(start);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  private endOnce(): () => void {
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      const next = this.waiting.shift();
      if (next) next();
      else this.taken = false;
    };
  }
}
