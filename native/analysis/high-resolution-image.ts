/** The large image through the vision tower and the projector, tile by tile. */
import type { ModelConfig } from '../checkpoint/model-config.ts';
import { gridSide } from '../checkpoint/model-config.ts';
import type { Engine, EngineTensor } from '../engine/engine.ts';
import type { StageProgress } from '../rpc.ts';
import { letOthersRun } from './interruption.ts';

export interface LargeImage {
  /** [3, side, side], normalised; side = tiles x the vision tower's */
  readonly pixels: Float32Array;
  /** Tiles at each side. */
  readonly tiles: number;
}

export interface HighResolutionFeatures {
  /** [rows x columns, decoder hidden size] in raster order of the whole image */
  readonly features: EngineTensor;
  readonly grid: { readonly rows: number; readonly columns: number };
  readonly tiles: number;
  /** Wall clock. */
  readonly encodeMs: number;
}

/**
 * Tiles are encoded on their own, so features have seams between them, as in FlexAttention (official code, section "encode_images").
 * @throws FoveaError `cancelled`, between two layers
 */
export async function encodeTiles(
  engine: Engine,
  config: ModelConfig,
  { pixels, tiles }: LargeImage,
  progress?: (progress: StageProgress) => void,
  signal?: AbortSignal,
): Promise<HighResolutionFeatures> {
  const started = performance.now();
  const patches = gridSide(config.vision);
  const parts: EngineTensor[] = [];
  for (let tile = 0; tile < tiles ** 2; tile++) {
    progress?.({ stage: 'tiles', done: tile, total: tiles ** 2 });
    const part = cutTile(pixels, config.vision.imageSize, tiles, Math.floor(tile / tiles), tile % tiles);
    parts.push(await encodeTile(engine, config, part, signal));
  }
  progress?.({ stage: 'tiles', done: tiles ** 2, total: tiles ** 2 });
  const stacked = tiles === 1 ? parts[0]! : engine.concatenate(parts);
  const side = tiles * patches;
  return {
    features: tiles === 1 ? stacked : engine.gatherRows(stacked, rasterOrder(patches, tiles)),
    grid: { rows: side, columns: side },
    tiles,
    encodeMs: performance.now() - started,
  };
}

async function encodeTile(
  engine: Engine,
  config: ModelConfig,
  pixels: Float32Array,
  signal: AbortSignal | undefined,
): Promise<EngineTensor> {
  const features = new Map<number, EngineTensor>();
  let hidden = await engine.embedPatches(pixels);
  features.set(-1, hidden);
  for (let layer = 0; layer <= Math.max(...config.featureLayers); layer++) {
    await letOthersRun(signal);
    const { middle } = await engine.runVisionAttention(layer, hidden, { traced: false });
    hidden = await engine.runVisionMlp(layer, middle);
    if (config.featureLayers.includes(layer)) features.set(layer, hidden);
  }
  return engine.project(config.featureLayers.map(layer => features.get(layer)!));
}

/** [3, size, size] of an image [3, size x tiles, size x tiles] */
export function cutTile(pixels: Float32Array, size: number, tiles: number, row: number, column: number): Float32Array {
  if (tiles === 1) return pixels;
  const side = size * tiles;
  const tile = new Float32Array(3 * size * size);
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < size; y++) {
      const start = (channel * side + row * size + y) * side + column * size;
      tile.set(pixels.subarray(start, start + size), (channel * size + y) * size);
    }
  }
  return tile;
}

/** For each token of the whole image, its row among the tiles stacked one after the other. */
export function rasterOrder(patches: number, tiles: number): Int32Array {
  const side = patches * tiles;
  return Int32Array.from({ length: side * side }, (_, token) => {
    const [y, x] = [Math.floor(token / side), token % side];
    const tile = Math.floor(y / patches) * tiles + Math.floor(x / patches);
    return tile * patches * patches + (y % patches) * patches + (x % patches);
  });
}
