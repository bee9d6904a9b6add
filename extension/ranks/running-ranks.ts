/** All ranks that this window started: they end with it. */
export class RunningRanks {
  private readonly controls = new Set<AbortController>();

  /** @param run gets the signal that ends its ranks */
  async during<Result>(run: (control: AbortController) => Promise<Result>): Promise<Result> {
    const control = new AbortController();
    this.controls.add(control);
    try {
      return await run(control);
    } finally {
      this.controls.delete(control);
    }
  }

  dispose(): void {
    for (const control of this.controls) control.abort();
  }
}
