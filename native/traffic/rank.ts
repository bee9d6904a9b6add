/** The life of a rank's thread: load the kernels, then run its program whenever the driver says so. */
import { parentPort } from 'node:worker_threads';
import { asMemoryError } from '../analysis/memory.ts';
import { FoveaError } from '../errors.ts';
import { BlockKernel } from './block-kernel.ts';
import type { DriverMessage, RankMessage, RankSetup, ThreadFailure } from './protocol.ts';
import { Interrupted, RankChannel } from './rank-channel.ts';
import { RankRecorder } from './rank-recorder.ts';
import { RankRun } from './rank-run.ts';

export async function runRank(setup: RankSetup): Promise<void> {
  const { rank, sizes, shared, epoch, port, pass } = setup;
  const tell = (message: RankMessage): void => parentPort?.postMessage(message);
  const kernel = new BlockKernel({ device: 'cpu', threads: setup.threads });
  const channel = new RankChannel(port, rank, sizes.sharding.queryRows.length, shared);
  const recorder = new RankRecorder(rank, pass, epoch, tell);
  try {
    const masks = setup.visible ? [true, false] : [false];
    for (const masked of masks) {
      await kernel.load('attention', masked);
      if (pass === 'backward') await kernel.load('gradient', masked);
    }
    tell({ type: 'ready' });
    for (let order = await nextOrder(); order.type === 'go'; order = await nextOrder()) {
      const { repetition, checked } = order;
      const run = new RankRun({ ...setup, snapshots: setup.snapshots && checked }, kernel, channel, recorder);
      channel.markRunning(true);
      if (setup.preparation) await prepare(run, setup, channel, repetition);
      channel.meetOthers(setup.preparation ? 2 * repetition + 1 : repetition);
      recorder.start(repetition);
      const started = recorder.now();
      await run.run(setup.program, pass, repetition);
      const ended = recorder.now();
      recorder.stop();
      channel.markRunning(false);
      const results = run.math.results(
        !setup.keepBlocks && setup.program.operations.every(({ op }) => op !== 'assemble'),
      );
      tell({ type: 'finished', repetition, started, ended, results: checked ? results : {} });
    }
  } catch (error) {
    recorder.stop();
    tell(error instanceof Interrupted ? { type: 'interrupted' } : { type: 'failed', failure: describe(error) });
  } finally {
    channel.markRunning(false);
    await kernel.release();
    port.close();
  }
}

/** The forward pass, whose results the backward pass needs. */
async function prepare(run: RankRun, setup: RankSetup, channel: RankChannel, repetition: number): Promise<void> {
  channel.meetOthers(2 * repetition);
  await run.run(setup.preparation!, 'forward', -1);
  run.math.keepResults();
}

function nextOrder(): Promise<DriverMessage> {
  return new Promise(resolve => {
    parentPort?.once('message', resolve);
  });
}

export function describe(thrown: unknown): ThreadFailure {
  const error = asMemoryError(thrown);
  if (error instanceof FoveaError) return { code: error.code, message: error.message, hint: error.hint };
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'internal', message, hint: 'This should not happen; please report it.' };
}
