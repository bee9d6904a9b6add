import type { Clock } from './clock.ts';

const crashesAllowed = 3;
const windowMilliseconds = 60_000;

/** Refuses to start a process for a minute after it crashed three times within a minute. */
export class CrashGuard {
  private crashes: number[] = [];

  constructor(private readonly clock: Clock) {}

  record(): void {
    this.crashes = [...this.crashes, this.clock.now()].slice(-crashesAllowed);
  }

  forget(): void {
    this.crashes = [];
  }

  /** Milliseconds until a start is allowed again; 0 when it is allowed now. */
  get refusedFor(): number {
    const [first] = this.crashes;
    const last = this.crashes.at(-1);
    if (first === undefined || last === undefined || this.crashes.length < crashesAllowed) return 0;
    if (last - first > windowMilliseconds) return 0;
    return Math.max(0, last + windowMilliseconds - this.clock.now());
  }
}
