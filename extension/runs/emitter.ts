/** What VS Code's own emitter offers, without VS Code: for code that runs and is tested in plain Node. */
export interface Subscription {
  dispose(): void;
}

export type Subscribe<Value> = (listener: (value: Value) => void) => Subscription;

export class Emitter<Value = void> {
  private readonly listeners = new Set<(value: Value) => void>();

  readonly event: Subscribe<Value> = listener => {
    // A wrapper for each, so that a function given twice is called twice and removed one by one.
    const entry = (value: Value): void => {
      listener(value);
    };
    this.listeners.add(entry);
    return {
      dispose: () => {
        this.listeners.delete(entry);
      },
    };
  };

  fire(value: Value): void {
    for (const listener of [...this.listeners]) listener(value);
  }

  dispose(): void {
    this.listeners.clear();
  }
}
