import { axisLength, rowCount, type RunMetadata } from '../trace/schema.ts';
import type { AttentionPages } from './attention/pages.ts';

/** Runs whose rows together stay under this are read ahead whole; of others only the neighbours. */
const wholeRunBytes = 8 * 2 ** 20;
const idleDelay = 250;

/** Reads rows that will probably be hovered next, one at a time, so that a hover finds them here. */
export class Prefetch {
  private readonly asked = new Set<number>();
  private timer: number | undefined;
  private stopped = false;

  constructor(
    private readonly pages: AttentionPages,
    private readonly metadata: RunMetadata,
  ) {}

  /** After a moment of rest, reads on from this row. */
  around(row: number | undefined, rows: number): void {
    window.clearTimeout(this.timer);
    if (row === undefined || !this.pages.wholeRows) return;
    this.asked.add(row);
    this.timer = window.setTimeout(() => {
      void this.read(this.candidates(row, rows));
    }, idleDelay);
  }

  dispose(): void {
    this.stopped = true;
    window.clearTimeout(this.timer);
  }

  private candidates(row: number, rows: number): number[] {
    const valuesPerRow = ['layers', 'heads', 'visualTokens'] as const;
    const bytes = valuesPerRow.reduce((size, axis) => size * (axisLength(axis, this.metadata) ?? 1), 2);
    const reach = bytes * rowCount(this.metadata) <= wholeRunBytes ? rows : 1;
    const near = Array.from({ length: reach }, (_, i) => [row + i + 1, row - i - 1]).flat();
    return near.filter(one => one >= 0 && one < rows && !this.asked.has(one));
  }

  private async read(rows: readonly number[]): Promise<void> {
    const { layers } = this.metadata.model.decoder;
    for (const row of rows) {
      if (this.stopped) return;
      this.asked.add(row);
      try {
        await Promise.all([this.pages.rowImage(row, 0, layers - 1), this.pages.rowMass(row), this.pages.rowText(row)]);
      } catch {
        // Read ahead in vain; the page is asked for again, and its error told, when it is shown.
        this.asked.delete(row);
        return;
      }
    }
  }
}
