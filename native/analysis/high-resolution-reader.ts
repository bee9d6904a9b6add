/** The decoder's side of fetching high-resolution tokens: which a layer reads, what it selects for the next one. */
import { selectedTokens } from '../../trace/high-resolution.ts';
import { massGroups } from '../../trace/schema.ts';
import type { Engine, Fetch, FetchedAttention, FetchedKeys, RotaryRows, RowAttention } from '../engine/engine.ts';
import type { HighResolutionPlan } from '../methods/high-resolution/plan.ts';
import type { Grid } from '../methods/high-resolution/selection.ts';
import type { VisualTokens } from '../methods/visual-tokens.ts';
import type { HighResolutionFeatures } from './high-resolution-image.ts';
import type { HighResolutionRecorder } from './high-resolution-recorder.ts';

export interface ReaderSettings {
  readonly plan: HighResolutionPlan;
  readonly image: HighResolutionFeatures;
  readonly patches: Grid;
  readonly cells: Grid;
  readonly margin: Grid;
  readonly rotary: RotaryRows;
  /** All tokens' keys and values by layer, filled on the way; empty where they are projected at every step. */
  readonly projected: Map<number, FetchedKeys>;
  readonly recorder?: HighResolutionRecorder | undefined;
}

/** One layer after it ran; rows are those whose attention was asked for, the last one is the one that selects. */
export interface LayerOutcome {
  readonly layer: number;
  readonly attention: RowAttention;
  readonly fetched?: FetchedAttention | undefined;
  readonly rows: number;
  readonly heads: number;
  /** Visual tokens in this layer's keys: `leading` ones before the first patch's. */
  readonly tokens: VisualTokens;
  readonly leading: number;
  readonly firstVisual: number;
  /** [keys, groups], 0 or 1 */
  readonly groups: Float32Array;
}

export class HighResolutionReader {
  private step = 0;
  /** Tokens that the layer before selected, and which layer that was. */
  private selection: { readonly layer: number; readonly tokens: Int32Array } | undefined;
  private fetchedTokens: Int32Array = new Int32Array();
  private readonly firstCells = new Map<number, Uint8Array>();
  /** Wall clock of projecting, and how many tokens were. */
  projectMs = 0;
  reprojectMs = 0;
  private readonly selectedCounts: number[] = [];

  constructor(
    private readonly engine: Engine,
    private readonly settings: ReaderSettings,
  ) {}

  /** Tokens that attending layers read, mean over layers and steps. */
  get meanSelected(): number {
    return this.selectedCounts.reduce((sum, count) => sum + count, 0) / Math.max(1, this.selectedCounts.length);
  }

  /** Whether queries stand where they would without pruning. */
  get asInPicture(): boolean {
    return this.settings.plan.queryPositions === 'picture';
  }

  /** Whether this layer's attention is needed, to select or to tell what it read. */
  watches(layer: number): boolean {
    const { attending } = this.settings.plan;
    return attending.includes(layer) || attending.includes(layer + 1);
  }

  /**
   * What this layer reads, if the layer before it selected anything.
   * @param positions of each row of this step for high-resolution keys
   */
  async fetch(layer: number, positions: Int32Array): Promise<Fetch | undefined> {
    const { plan } = this.settings;
    const selection = this.selection?.layer === layer - 1 ? this.selection.tokens : undefined;
    this.fetchedTokens = new Int32Array();
    if (!plan.attending.includes(layer) || !selection) return undefined;
    this.selectedCounts.push(selection.length);
    if (selection.length === 0) return undefined;
    this.fetchedTokens = selection;
    const last = positions.length - 1;
    const rows = plan.rows === 'all' ? Int32Array.from(positions.keys()) : Int32Array.of(last);
    const keys = await this.keysOf(layer, selection);
    return { ...keys, rows, positions: Int32Array.from(rows, row => positions[row]!) };
  }

  private async keysOf(layer: number, selection: Int32Array): Promise<FetchedKeys> {
    const { engine } = this;
    const { plan, image, projected, rotary } = this.settings;
    if (!plan.keepProjections) {
      const started = performance.now();
      const keys = await this.project(layer, selection);
      this.reprojectMs += performance.now() - started;
      return keys;
    }
    let all = projected.get(layer);
    if (!all) {
      const started = performance.now();
      all = await engine.projectHighResolution(layer, image.features, rotary);
      this.projectMs += performance.now() - started;
      projected.set(layer, all);
    }
    const gathered = { keys: engine.gatherRows(all.keys, selection), values: engine.gatherRows(all.values, selection) };
    return gathered;
  }

  /** Keys and values of some tokens, as the official code makes them at every step. */
  async project(layer: number, tokens: Int32Array): Promise<FetchedKeys> {
    const { image, rotary } = this.settings;
    const half = rotary.cos.length / image.features.shape[0]!;
    const rowsOf = (table: Float32Array): Float32Array => {
      const rows = new Float32Array(tokens.length * half);
      tokens.forEach((token, row) => {
        rows.set(table.subarray(token * half, (token + 1) * half), row * half);
      });
      return rows;
    };
    const features = this.engine.gatherRows(image.features, tokens);
    return this.engine.projectHighResolution(layer, features, { cos: rowsOf(rotary.cos), sin: rowsOf(rotary.sin) });
  }

  /** The layer before selects for the next one. */
  observe(outcome: LayerOutcome): void {
    const { plan, patches, cells, margin, image, recorder } = this.settings;
    const { layer, tokens, fetched } = outcome;
    const row = fetched && plan.map === 'joint' ? jointRow(fetched, outcome) : plainRow(outcome);
    const attention = tokens.spread(row);
    const first = this.firstCells.get(layer);
    const view = { step: this.step, layer, attention, patches, cells, margin, ...(first && { first }) };
    const steps = plan.select(view);
    if (!first) this.firstCells.set(layer, steps.cells);
    const mask = selectedTokens(steps.cells, { grid: image.grid, cells });
    const selected = indicesOf(mask);
    this.selection = { layer, tokens: selected };
    recorder?.add({
      attention,
      steps,
      selected: selected.length,
      mass: fetched ? jointMass(fetched, outcome) : plainMass(outcome),
      ...(fetched && { tokenAttention: this.tokenAttention(fetched, outcome.heads) }),
      change: fetched ? relativeChange(fetched) : 0,
    });
  }

  finishStep(): void {
    this.settings.recorder?.finishStep();
    this.step++;
    this.selection = undefined;
  }

  /** [high-resolution tokens], mean over heads */
  private tokenAttention({ probabilities }: FetchedAttention, heads: number): Float32Array {
    const attention = new Float32Array(this.settings.image.features.shape[0]!);
    const width = probabilities.length / heads;
    const keys = width - this.fetchedTokens.length;
    this.fetchedTokens.forEach((token, index) => {
      let sum = 0;
      for (let head = 0; head < heads; head++) sum += probabilities[head * width + keys + index]!;
      attention[token] = sum / heads;
    });
    return attention;
  }
}

function indicesOf(mask: Uint8Array): Int32Array {
  const indices: number[] = [];
  mask.forEach((value, index) => {
    if (value) indices.push(index);
  });
  return Int32Array.from(indices);
}

/** [tokens], sum over heads, of the softmax without high-resolution keys. */
function plainRow({ attention, rows, heads, tokens, leading }: LayerOutcome): Float32Array {
  const width = leading + tokens.count;
  const row = new Float32Array(tokens.count);
  for (let head = 0; head < heads; head++) {
    const start = (head * rows + rows - 1) * width + leading;
    for (let token = 0; token < tokens.count; token++) row[token]! += attention.toVisual[start + token]!;
  }
  return row;
}

function jointRow(
  { probabilities }: FetchedAttention,
  { heads, tokens, leading, firstVisual }: LayerOutcome,
): Float32Array {
  const width = probabilities.length / heads;
  const row = new Float32Array(tokens.count);
  for (let head = 0; head < heads; head++) {
    const start = head * width + firstVisual + leading;
    for (let token = 0; token < tokens.count; token++) row[token]! += probabilities[start + token]!;
  }
  return row;
}

const groupCount = massGroups.length;

/** [heads, 1 + groups]: nothing on high-resolution tokens. */
function plainMass({ attention, rows, heads }: LayerOutcome): Float32Array {
  const mass = new Float32Array(heads * (groupCount + 1));
  for (let head = 0; head < heads; head++) {
    const start = (head * rows + rows - 1) * groupCount;
    mass.set(attention.mass.subarray(start, start + groupCount), head * (groupCount + 1) + 1);
  }
  return mass;
}

function jointMass({ probabilities }: FetchedAttention, { heads, groups }: LayerOutcome): Float32Array {
  const width = probabilities.length / heads;
  const keys = groups.length / groupCount;
  const mass = new Float32Array(heads * (groupCount + 1));
  for (let head = 0; head < heads; head++) {
    const place = head * (groupCount + 1);
    for (let key = 0; key < width; key++) {
      const value = probabilities[head * width + key]!;
      if (key >= keys) mass[place]! += value;
      else
        for (let group = 0; group < groupCount; group++)
          mass[place + 1 + group]! += value * groups[key * groupCount + group]!;
    }
  }
  return mass;
}

function relativeChange({ context, plainContext }: FetchedAttention): number {
  let [difference, plain] = [0, 0];
  for (let index = 0; index < context.length; index++) {
    difference += (context[index]! - plainContext[index]!) ** 2;
    plain += plainContext[index]! ** 2;
  }
  return Math.sqrt(difference / plain);
}
