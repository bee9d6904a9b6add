/** The vision tower's side of a run: from pixels to the visual tokens that enter the decoder. */
import type { ModelConfig } from '../checkpoint/model-config.ts';
import type { Engine, EngineTensor, VisionAttentionResult } from '../engine/engine.ts';
import type { VisionNeeds } from '../methods/method.ts';
import type { TokenReducer } from '../methods/token-reducer.ts';
import type { StageProgress } from '../rpc.ts';
import { letOthersRun } from './interruption.ts';
import { runTiledVision } from './tiled-vision.ts';
import type { TraceRecorder } from './trace-recorder.ts';

export interface VisionRunOptions {
  readonly progress?: ((progress: StageProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Without one, vision layers that neither the projector nor the method needs are left out. */
  readonly recorder?: TraceRecorder | undefined;
  readonly reducer: TokenReducer;
  /** Tiles at each side of an image larger than the vision tower's; no token method runs on them. */
  readonly tiles?: number | undefined;
}

export interface VisionRun {
  /** [visual tokens, decoder hidden size] */
  readonly visual: EngineTensor;
  /** Tokens that entered each vision layer, CLS included; 0 for layers that did not run. */
  readonly tokens: readonly number[];
}

export async function runVision(
  engine: Engine,
  config: ModelConfig,
  pixels: Float32Array,
  { progress, signal, recorder, reducer, tiles = 1 }: VisionRunOptions,
): Promise<VisionRun> {
  if (tiles > 1) return runTiledVision(engine, config, pixels, { tiles, progress, signal, recorder });
  const needed = Math.max(...config.featureLayers, reducer.lastVisionLayer) + 1;
  const layers = recorder ? config.vision.layers : needed;
  const features = new Map<number, EngineTensor>();
  const tokens = Array.from({ length: config.vision.layers }, () => 0);
  progress?.({ stage: 'vision', done: 0, total: layers });
  await letOthersRun(signal);
  /** Mean over heads of each layer, as long as every token is one patch. */
  const maps: Float32Array[] = [];
  let hidden = await engine.embedPatches(pixels);
  const keepFeature = (layer: number): void => {
    if (config.featureLayers.includes(layer)) features.set(layer, hidden);
  };
  keepFeature(-1);
  for (let layer = 0; layer < layers; layer++) {
    await letOthersRun(signal);
    tokens[layer] = hidden.shape[0]!;
    const needs = reducer.visionNeeds(layer);
    const keyBias = reducer.visionKeyBias();
    const attention = await engine.runVisionAttention(layer, hidden, {
      traced: recorder !== undefined || (needs?.clsAttention ?? false),
      keys: needs?.keys ?? false,
      ...(keyBias && { keyBias }),
    });
    if (recorder && attention.clsAttention && attention.meanAttention) {
      recorder.addVisionLayer(layer, attention.clsAttention, reducer.tokens);
      if (reducer.tokens.whole) maps.push(attention.meanAttention);
    }
    /** Lets the method look, and reduces what is computed and what was set aside alike. */
    const reduce = async (at: VisionNeeds['at'], current: EngineTensor): Promise<EngineTensor> => {
      if (needs?.at !== at) return current;
      const view = visionView(engine, needs, layer, current, attention);
      const reduction = await reducer.visionLayer(view);
      if (!reduction) return current;
      const rows = [
        { members: [0] },
        ...reduction.groups.map(group => ({ ...group, members: group.members.map(member => member + 1) })),
      ];
      for (const [place, feature] of features) features.set(place, engine.combineRows(feature, rows));
      return engine.combineRows(current, rows);
    };
    hidden = await engine.runVisionMlp(layer, await reduce('inside', attention.middle));
    hidden = await reduce('after', hidden);
    keepFeature(layer);
    progress?.({ stage: 'vision', done: layer + 1, total: layers });
  }
  if (recorder && maps.length === layers) recorder.addRollout(await engine.followAttention(maps));
  return { visual: await engine.project(config.featureLayers.map(layer => features.get(layer)!)), tokens };
}

function visionView(
  engine: Engine,
  needs: VisionNeeds,
  layer: number,
  current: EngineTensor,
  { keys, clsAttention }: VisionAttentionResult,
): Parameters<TokenReducer['visionLayer']>[0] {
  return {
    layer,
    ...(needs.hidden && { hidden: engine.read(current) }),
    ...(keys && { keys }),
    ...(needs.clsAttention && clsAttention && { clsAttention: withoutCls(clsAttention, current.shape[0]!) }),
  };
}

/** [heads, 1 + tokens] to [heads, tokens] */
function withoutCls(attention: Float32Array, columns: number): Float32Array {
  const heads = attention.length / columns;
  const patches = new Float32Array(heads * (columns - 1));
  for (let head = 0; head < heads; head++) {
    patches.set(attention.subarray(head * columns + 1, (head + 1) * columns), head * (columns - 1));
  }
  return patches;
}
