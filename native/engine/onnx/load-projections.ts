import { setImmediate } from 'node:timers/promises';
import type { HighResolutionProjections } from '../../checkpoint/high-resolution-weights.ts';
import type { DecoderConfig } from '../../checkpoint/model-config.ts';
import { FoveaError } from '../../errors.ts';
import { highResolutionProjectionGraph } from '../../graph/high-resolution-projection.ts';
import type { LoadProgress } from '../engine.ts';
import { OnnxSession, type SessionSettings } from './onnx-session.ts';

/** One session per layer that reads high-resolution tokens. @throws FoveaError; what was loaded by then is given back */
export async function loadProjections(
  decoder: DecoderConfig,
  { layers }: HighResolutionProjections,
  settings: SessionSettings,
  progress?: LoadProgress,
  signal?: AbortSignal,
): Promise<ReadonlyMap<number, OnnxSession>> {
  const sessions = new Map<number, OnnxSession>();
  try {
    for (const [layer, weights] of layers) {
      await setImmediate();
      if (signal?.aborted) throw new FoveaError('cancelled', 'Loading the high-resolution projections was cancelled.');
      sessions.set(layer, await OnnxSession.load(highResolutionProjectionGraph(decoder, weights, layer), settings));
      progress?.(sessions.size, layers.size);
    }
    return sessions;
  } catch (error) {
    await Promise.all([...sessions.values()].map(session => session.release()));
    throw error;
  }
}
