/** The engine on ONNX Runtime: one session per layer, weights read straight from the checkpoint's files. */
import type { Checkpoint } from '../../checkpoint/checkpoint.ts';
import type { Device } from '../../rpc.ts';
import type { Engine, LoadProgress } from '../engine.ts';

export interface OnnxEngineOptions {
  readonly device: Device;
  /** 0 lets the engine choose: one per physical core, at most 8. */
  readonly threads: number;
}

/**
 * Loads all sessions; yields to the event loop between them, which is where an abort is noticed.
 * @throws FoveaError `cancelled`, `device-unavailable`, `out-of-memory` or `shape-mismatch`.
 */
export function loadOnnxEngine(
  checkpoint: Checkpoint,
  options: OnnxEngineOptions,
  progress?: LoadProgress,
  signal?: AbortSignal,
): Promise<Engine> {
  void progress;
  void signal;
  return Promise.reject(new Error(`loadOnnxEngine is not written yet (${checkpoint.folder}, ${options.device})`));
}
