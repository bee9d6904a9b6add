import type { Stage } from '../../native/rpc.ts';
import type { PipelineLog } from './client.ts';
import type { Clock } from './clock.ts';

/** The child reads messages between two layers; one that is silent for longer is stuck. */
const leastGraceMilliseconds = 1_500;
/**
 * A layer of a large model may take longer than that, and killing it would cost minutes of loading: as many times the
 * longest silence of this run so far.
 */
const silencesToWait = 3;
/** A child that is writing what it computed has heard the Cancel; a large trace takes a while. */
const writeGraceMilliseconds = 15_000;

/** Kills the process when it does not answer a Cancel in time. Dispose it when the answer is there. */
export class CancelGrace {
  private stage: Stage = 'load';
  private heardAt: number;
  private longestSilence = 0;
  private forget: (() => void) | undefined;

  constructor(
    private readonly child: { kill(): void },
    private readonly signal: AbortSignal,
    private readonly services: { readonly clock: Clock; readonly log: PipelineLog },
  ) {
    this.heardAt = services.clock.now();
    signal.addEventListener('abort', this.countDown, { once: true });
    if (signal.aborted) this.countDown();
  }

  /** Tells that the process was heard of and what it is doing; writing after Cancel starts the longer time. */
  stageIs(stage: Stage): void {
    const now = this.services.clock.now();
    this.longestSilence = Math.max(this.longestSilence, now - this.heardAt);
    this.heardAt = now;
    const startsToWrite = stage === 'write' && this.stage !== 'write';
    this.stage = stage;
    if (startsToWrite && this.signal.aborted) this.countDown();
  }

  dispose(): void {
    this.signal.removeEventListener('abort', this.countDown);
    this.forget?.();
  }

  private readonly countDown = (): void => {
    this.forget?.();
    const milliseconds =
      this.stage === 'write'
        ? writeGraceMilliseconds
        : Math.min(writeGraceMilliseconds, Math.max(leastGraceMilliseconds, silencesToWait * this.longestSilence));
    this.forget = this.services.clock.after(milliseconds, () => {
      this.services.log.warn(`The pipeline did not answer ${milliseconds / 1000} s after Cancel and is killed.`);
      this.child.kill();
    });
  };
}
