/** How many visual tokens SparseVLM keeps at each of its layers: published tables, and counts for any other budget. */
import { FoveaError } from '../../errors.ts';
import type { ModelShape, TokenCounts } from '../method.ts';

/** For LLaVA-1.5-7B: 576 visual tokens, 32 layers, pruned after these. */
const publishedPatches = 576;
const publishedDepth = 32;
export const publishedLayers: readonly number[] = [2, 6, 15];
type Tables = Readonly<Record<number, readonly number[]>>;

/** Top-k after each of the layers, by budget; recycled tokens come on top. */
export const tables15: Tables = { 192: [300, 200, 110], 128: [303, 110, 36], 96: [238, 48, 26], 64: [66, 30, 17] };
export const tables20: Tables = { 192: [300, 200, 118], 128: [238, 108, 60], 96: [246, 54, 28], 64: [66, 34, 20] };

export interface Recycling {
  /** Share of the dropped tokens that is clustered; 0 for none. */
  readonly share: number;
  /** Recycled tokens for each cluster. */
  readonly clusterSize: number;
}

/** Tokens that are recycled out of so many dropped ones, and the clusters that they become. */
export function recycled(dropped: number, { share, clusterSize }: Recycling): { tokens: number; clusters: number } {
  if (dropped === 0 || share === 0) return { tokens: 0, clusters: 0 };
  const tokens = Math.min(dropped, Math.floor(share * dropped) + 1);
  return { tokens, clusters: Math.min(tokens, Math.floor(tokens / clusterSize) + 1) };
}

/** At least one token is dropped, and at least one stays. */
export function keptOf(tokens: number, asked: number): number {
  return Math.max(1, Math.min(asked, tokens - 1));
}

export interface Counting {
  readonly shape: ModelShape;
  /** Ascending. */
  readonly layers: readonly number[];
  readonly recycling: Recycling;
}

/** @param kept top-k after each of the layers */
export function countTokens(kept: readonly number[], { shape, layers, recycling }: Counting): TokenCounts {
  let tokens = shape.grid.rows * shape.grid.columns;
  const entering: number[] = [];
  const leaving: number[] = [];
  for (let layer = 0; layer < shape.decoder.layers; layer++) {
    entering.push(tokens);
    const stage = layers.indexOf(layer);
    if (stage >= 0) {
      const stay = keptOf(tokens, kept[stage]!);
      tokens = stay + recycled(tokens - stay, recycling).clusters;
    }
    leaving.push(tokens);
  }
  return { entering, leaving };
}

const total = ({ leaving }: TokenCounts): number => leaving.reduce((sum, count) => sum + count, 0);

/**
 * Top-k that meet a budget of tokens leaving a layer on average: the published ones where there are any for this model,
 * otherwise those of the nearest table, scaled, and changed by a few tokens so that the mean is exact.
 * @throws FoveaError `budget-impossible`
 */
export function tokensForBudget(
  budget: number,
  tables: Tables,
  counting: Counting,
): { readonly tokens: readonly number[]; readonly note: string } {
  const { shape, layers } = counting;
  const patches = shape.grid.rows * shape.grid.columns;
  const depth = shape.decoder.layers;
  const asPublished =
    patches === publishedPatches && depth === publishedDepth && layers.join() === publishedLayers.join();
  if (asPublished && tables[budget]) {
    const reached = total(countTokens(tables[budget], counting)) / depth;
    return {
      tokens: tables[budget],
      note: `Published table for ${budget}: ${reached.toFixed(2)} leave a layer on average.`,
    };
  }
  const nearest = nearestBudget((budget * publishedPatches) / patches, tables);
  const base = layers.map(layer => (keptAt(layer / depth, tables[nearest]!) * patches) / publishedPatches);
  const target = budget * depth;
  const least = total(
    countTokens(
      base.map(() => 1),
      counting,
    ),
  );
  if (least > target) {
    throw new FoveaError(
      'budget-impossible',
      `SparseVLM cannot go down to ${budget} visual tokens on average when it prunes after layers ${layers.join(', ')} of ${depth}.`,
      `The least is ${Math.ceil(least / depth)}: ask for that or more, or prune after an earlier layer.`,
    );
  }
  const scaled = largestWithin(target, base, counting);
  const tokens = exactly(target, scaled, counting);
  const reached = total(countTokens(tokens, counting)) / depth;
  return {
    tokens,
    note: `Top ${tokens.join(', ')} after layers ${layers.join(', ')}: the published table for ${nearest}, scaled so that ${reached === budget ? 'exactly ' : ''}${Number(reached.toFixed(2))} leave a layer on average.`,
  };
}

function nearestBudget(budget: number, tables: Tables): number {
  const distance = (known: number): number => Math.abs(Math.log(budget / known));
  return Object.keys(tables)
    .map(Number)
    .reduce((best, known) => (distance(known) < distance(best) ? known : best));
}

/** A table's counts between its layers, along straight lines of their logarithms. @param depth 0 ... 1 */
function keptAt(depth: number, table: readonly number[]): number {
  const places = publishedLayers.map(layer => layer / publishedDepth);
  const after = places.findIndex(place => depth <= place);
  if (after === 0) return table[0]!;
  if (after < 0) return table[table.length - 1]!;
  const share = (depth - places[after - 1]!) / (places[after]! - places[after - 1]!);
  return Math.exp((1 - share) * Math.log(table[after - 1]!) + share * Math.log(table[after]!));
}

/** The base times one factor, as great as the target lets. */
function largestWithin(target: number, base: readonly number[], counting: Counting): number[] {
  const { rows, columns } = counting.shape.grid;
  const at = (factor: number): number[] =>
    base.map(kept => Math.max(1, Math.min(rows * columns, Math.round(kept * factor))));
  let [low, high] = [0, (rows * columns) / Math.min(...base)];
  for (let halving = 0; halving < 40; halving++) {
    const middle = (low + high) / 2;
    if (total(countTokens(at(middle), counting)) > target) high = middle;
    else low = middle;
  }
  return at(low);
}

/** Changes counts by as few tokens as meet the target, or come nearest below it. */
function exactly(target: number, kept: readonly number[], counting: Counting): readonly number[] {
  const reach = kept.length <= 3 ? 8 : 2;
  /** Beyond these, later counts stay as they are. */
  const varied = Math.min(kept.length, 5);
  let best = { tokens: kept, short: target - total(countTokens(kept, counting)), changed: 0 };
  const tryFrom = (stage: number, tokens: readonly number[], changed: number): void => {
    if (stage === varied) {
      const short = target - total(countTokens(tokens, counting));
      if (short < 0 || short > best.short || (short === best.short && changed >= best.changed)) return;
      best = { tokens, short, changed };
      return;
    }
    for (let offset = -reach; offset <= reach; offset++) {
      const count = tokens[stage]! + offset;
      if (count >= 1) tryFrom(stage + 1, tokens.with(stage, count), changed + Math.abs(offset));
    }
  };
  if (best.short > 0) tryFrom(0, kept, 0);
  return best.tokens;
}
