/** What MustDrop costs where no image is at hand: counts are given, or assumed for a budget. */
import { FoveaError } from '../../errors.ts';
import type { MethodSetup, PredictedTokens } from '../method.ts';
import { keySetSize, readParameters, type MustDropParameters } from './parameters.ts';
import { mergeLayer } from './vision-stages.ts';
import { windowGrid } from './window-merge.ts';

/** @throws FoveaError `usage`: counts follow from the image */
export function refusePlannedTokens({ parameters }: MethodSetup): void {
  if (parameters['plannedTokens'] === undefined) return;
  throw new FoveaError(
    'usage',
    'plannedTokens is for plans: with an image at hand, MustDrop counts for itself.',
    'Leave plannedTokens out.',
  );
}

/** Undefined without counts and budget. @throws FoveaError `usage` or `budget-impossible` */
export function predictTokens(setup: MethodSetup, budget?: number): PredictedTokens | undefined {
  const parameters = readParameters(setup);
  const given = setup.parameters['plannedTokens'] as readonly number[] | undefined;
  if (given) {
    checkGiven(given, parameters, setup);
    return countsOf(given, parameters, setup, ['Token counts as given.']);
  }
  if (budget === undefined) return undefined;
  const { stages, notes } = assumed(budget, parameters, setup);
  return countsOf(stages, parameters, setup, notes);
}

function checkGiven(given: readonly number[], { layers }: MustDropParameters, { shape }: MethodSetup): void {
  const patches = shape.grid.rows * shape.grid.columns;
  const falls = given.every((count, index) => Number.isSafeInteger(count) && count <= (given[index - 1] ?? patches));
  if (falls && given.length === layers.length + 1) return;
  throw new FoveaError(
    'usage',
    `plannedTokens is ${given.join(', ')}; it must be ${layers.length + 1} whole numbers that do not rise, at most ${patches}.`,
    `After merging, then after the filters of layers ${layers.join(', ')}.`,
  );
}

/** The first filter leaves what the others leave, up to rounding; as few windows merge as the budget lets. */
function assumed(
  budget: number,
  { layers, keyShare, window }: MustDropParameters,
  { shape }: MethodSetup,
): { readonly stages: number[]; readonly notes: string[] } {
  const depth = shape.decoder.layers;
  const patches = shape.grid.rows * shape.grid.columns;
  const { side } = windowGrid(shape.grid, window);
  const first = layers[0] ?? depth;
  const windows = (side / window) ** 2;
  let least = Infinity;
  for (let merged = 0; merged <= windows; merged++) {
    const tokens = patches - merged * (window ** 2 - 1);
    const key = Math.max(1, keySetSize(tokens, keyShare));
    const left = budget * depth - first * tokens;
    const floor = first * tokens + (depth - first) * key;
    least = Math.min(least, Math.ceil(floor / depth));
    if (left < (depth - first) * key) continue;
    const stages = [tokens, ...spread(left, layers, depth, tokens)];
    return {
      stages,
      notes: [
        `Counts follow from the image. Assumed: ${merged} of ${windows} windows merge, and the first filter drops all that is dropped.`,
      ],
    };
  }
  throw new FoveaError(
    'budget-impossible',
    `MustDrop cannot go down to ${budget} visual tokens, even if all windows merge and only the key set stays.`,
    `The least is ${least}. Ask for more, lower keyShare, or filter after an earlier layer.`,
  );
}

/** Equal counts after each filter that sum to `left` over the layers, the remainder in the first ones. */
function spread(left: number, layers: readonly number[], depth: number, most: number): number[] {
  const [first] = layers;
  if (first === undefined) return [];
  const base = Math.floor(left / (depth - first));
  if (base >= most) return layers.map(() => most);
  let rest = left - base * (depth - first);
  return layers.map((layer, index) => {
    const span = (layers[index + 1] ?? depth) - layer;
    if (rest < span) {
      rest = 0;
      return base;
    }
    rest -= span;
    return base + 1;
  });
}

function countsOf(
  stages: readonly number[],
  { layers }: MustDropParameters,
  { shape, variant, parameters }: MethodSetup,
  notes: readonly string[],
): PredictedTokens {
  const [merged = 0] = stages;
  const final = stages[stages.length - 1]!;
  const patches = shape.grid.rows * shape.grid.columns;
  /** Filters that have acted on the output of layers up to this one. */
  const after = (layer: number): number => stages[layers.filter(filter => filter <= layer).length]!;
  const depth = Array.from({ length: shape.decoder.layers }, (_, layer) => layer);
  const kept = variant === 'code' ? final : Math.min(final, keySetSize(merged, Number(parameters['keyShare'])));
  return {
    visionTokens: Array.from(
      { length: shape.vision.layers },
      (_, layer) => (layer > mergeLayer ? merged : patches) + 1,
    ),
    entering: depth.map(layer => after(layer - 1)),
    leaving: depth.map(after),
    cached: depth.map(layer => (layer < (layers[0] ?? Infinity) ? merged : kept)),
    notes,
  };
}
