/** The vision tower over a large image whose tokens all go into the sequence: tile by tile. */
import type { ModelConfig } from '../checkpoint/model-config.ts';
import type { Engine, EngineTensor } from '../engine/engine.ts';
import type { StageProgress } from '../rpc.ts';
import { cutTile, rasterOrder } from './high-resolution-image.ts';
import { letOthersRun } from './interruption.ts';
import type { TraceRecorder } from './trace-recorder.ts';
import type { VisionRun } from './vision-run.ts';

export interface TiledVisionOptions {
  readonly tiles: number;
  readonly progress?: ((progress: StageProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly recorder?: TraceRecorder | undefined;
}

/** @param config whose image size is that of the large image; @param pixels [3, side, side] */
export async function runTiledVision(
  engine: Engine,
  config: ModelConfig,
  pixels: Float32Array,
  { tiles, progress, signal, recorder }: TiledVisionOptions,
): Promise<VisionRun> {
  const { vision, featureLayers } = config;
  const size = vision.imageSize / tiles;
  const patches = size / vision.patchSize;
  const layers = recorder ? vision.layers : Math.max(...featureLayers) + 1;
  const parts: EngineTensor[] = [];
  for (let tile = 0; tile < tiles ** 2; tile++) {
    progress?.({ stage: 'tiles', done: tile, total: tiles ** 2 });
    const features = new Map<number, EngineTensor>();
    let hidden = await engine.embedPatches(cutTile(pixels, size, tiles, Math.floor(tile / tiles), tile % tiles));
    features.set(-1, hidden);
    for (let layer = 0; layer < layers; layer++) {
      await letOthersRun(signal);
      const attention = await engine.runVisionAttention(layer, hidden, { traced: recorder !== undefined });
      if (recorder && attention.clsAttention) recorder.addVisionTile(layer, tile, tiles, attention.clsAttention);
      hidden = await engine.runVisionMlp(layer, attention.middle);
      if (featureLayers.includes(layer)) features.set(layer, hidden);
    }
    parts.push(await engine.project(featureLayers.map(layer => features.get(layer)!)));
  }
  progress?.({ stage: 'tiles', done: tiles ** 2, total: tiles ** 2 });
  const tokens = Array.from({ length: vision.layers }, (_, layer) =>
    layer < layers ? tiles ** 2 * (patches ** 2 + 1) : 0,
  );
  return { visual: engine.gatherRows(engine.concatenate(parts), rasterOrder(patches, tiles)), tokens };
}
