import type { MethodHooks, MethodSetup, TokenMethod } from '../method.ts';
import { solveThresholds } from './budget-solver.ts';
import { cachePlan, filterPlan } from './decoder-stages.ts';
import { mustDropParameters, readParameters } from './parameters.ts';
import { predictTokens, refusePlannedTokens } from './planned-tokens.ts';
import { clsMean, keySetPlan, mergeLayer, mergePlan, visionNeeds } from './vision-stages.ts';
import { windowGrid } from './window-merge.ts';

/** Ids of the key set's tokens: what the decoder's side has to know of the vision tower's. */
interface VisionMemory {
  readonly keyIds: ReadonlySet<number>;
}

/**
 * MustDrop (arXiv 2411.10803): merges alike windows in the vision tower, protects a key set, filters by the text's
 * attention in prefill, and trims the cache for decode.
 */
export const mustDrop: TokenMethod = {
  name: 'mustdrop',
  title: 'MustDrop',
  summary: 'Merges alike patches, drops what the question overlooks in prefill, and trims the cache for decode.',
  source: 'arXiv 2411.10803; official code at 909afa5',
  variants: ['code', 'paper'],
  parameters: mustDropParameters,
  budget: 'leaving',
  solveBudget: solveThresholds,
  predict: predictTokens,
  start,
};

function start(setup: MethodSetup, memory?: unknown): MethodHooks {
  const parameters = readParameters(setup);
  refusePlannedTokens(setup);
  const grid = windowGrid(setup.shape.grid, parameters.window);
  const { layers } = setup.shape.vision;
  let { keyIds }: VisionMemory = (memory as VisionMemory | undefined) ?? { keyIds: new Set() };
  let shadow: Float32Array | undefined;
  return {
    visionNeeds: visionNeeds(layers),
    visionLayer: view => {
      if (view.layer === mergeLayer) return mergePlan(view, grid, parameters);
      const attention = clsMean(view);
      if (view.layer < layers - 1) {
        shadow = attention;
        return undefined;
      }
      const { keySet, plan } = keySetPlan(attention, shadow, view.layer, parameters);
      keyIds = new Set(keySet.map(index => view.tokens[index]!.id));
      return plan;
    },
    decoderNeeds: Array.from({ length: setup.shape.decoder.layers }, (_, layer) =>
      parameters.layers.includes(layer) ? { attention: 'text' } : undefined,
    ),
    decoderLayer: view => filterPlan(view, keyIds, parameters, setup),
    afterPrefill: view => cachePlan(view, keyIds, parameters, setup),
    decodePositions: parameters.decodePositions,
    memory: (): VisionMemory => ({ keyIds }),
  };
}
