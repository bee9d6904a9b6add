/** Lets one task run at a time and tells the waiting ones how many are before them. */

/** @param ahead tasks that run or wait before this one */
export type PositionListener = (ahead: number) => void;

interface Waiting {
  readonly listener: PositionListener | undefined;
  readonly start: () => void;
}

export class RunQueue {
  private running = false;
  private readonly waiting: Waiting[] = [];

  /**
   * Runs `task` after those asked for before it. An abort while it waits takes it out of the queue.
   * @throws the signal's reason, or what the task throws
   */
  async run<Result>(task: () => Promise<Result>, signal?: AbortSignal, listener?: PositionListener): Promise<Result> {
    await this.takeTurn(signal, listener);
    try {
      return await task();
    } finally {
      this.next();
    }
  }

  private takeTurn(signal: AbortSignal | undefined, listener: PositionListener | undefined): Promise<void> {
    if (!this.running) {
      this.running = true;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        this.tellPositions();
        reject(signal?.reason as Error);
      };
      const entry: Waiting = {
        listener,
        start: () => {
          signal?.removeEventListener('abort', leave);
          resolve();
        },
      };
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      signal?.addEventListener('abort', leave, { once: true });
      this.waiting.push(entry);
      listener?.(this.waiting.length);
    });
  }

  private next(): void {
    const first = this.waiting.shift();
    if (!first) {
      this.running = false;
      return;
    }
    first.start();
    this.tellPositions();
  }

  private tellPositions(): void {
    this.waiting.forEach(({ listener }, index) => listener?.(index + 1));
  }
}
