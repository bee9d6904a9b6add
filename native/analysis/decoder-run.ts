/** The decoder's side of a run: its cache, its sequence, and what a method leaves of the visual tokens on the way. */
import type { LayerAccount } from '../../trace/fates.ts';
import { massGroups } from '../../trace/schema.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import type { DecoderLayerResult, Engine, EngineTensor, KeyValueCache, RowAttention } from '../engine/engine.ts';
import type { DecoderNeeds, DecoderView, TokenCounts } from '../methods/method.ts';
import type { Reduction, TokenReducer } from '../methods/token-reducer.ts';
import type { VisualTokens } from '../methods/visual-tokens.ts';
import type { Prompt } from '../prompt/build-prompt.ts';
import type { StageProgress } from '../rpc.ts';
import type { CrossAttentionRun } from './cross-attention-run.ts';
import type { HighResolutionReader } from './high-resolution-reader.ts';
import { letOthersRun } from './interruption.ts';
import { KeyLayout } from './key-layout.ts';
import type { RowWriter, TraceRecorder } from './trace-recorder.ts';

export interface DecoderInput {
  readonly config: ModelConfig;
  readonly prompt: Prompt;
  readonly maxNewTokens: number;
}

export interface DecoderRunOptions {
  readonly progress?: ((progress: StageProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly recorder?: TraceRecorder | undefined;
  readonly reducer: TokenReducer;
  /** Lets layers fetch high-resolution tokens. */
  readonly fetching?: HighResolutionReader | undefined;
  /** Lets text rows behind the image read a long visual input before some layers. */
  readonly crossAttention?: CrossAttentionRun | undefined;
}

/** What is known of a layer while it runs. */
type Account = { -readonly [K in keyof LayerAccount]: LayerAccount[K] };

export class DecoderRun {
  readonly cache: KeyValueCache;
  private readonly layout: KeyLayout;
  /** Visual tokens before the first patch: CLS, where the model keeps it. */
  private readonly leading: number;
  /** Patches in each layer's cache. */
  private readonly cached: VisualTokens[] = [];
  private readonly accounts: Account[] = [];
  private steps = 0;

  constructor(
    private readonly engine: Engine,
    private readonly input: DecoderInput,
    private readonly options: DecoderRunOptions,
  ) {
    const { prompt, maxNewTokens } = input;
    this.layout = new KeyLayout(prompt);
    this.leading = prompt.visual.count - options.reducer.tokens.patchCount;
    // The last token is never fed, so it needs no place.
    this.cache = engine.createCache(maxNewTokens - 1);
  }

  get counts(): TokenCounts {
    return {
      entering: this.accounts.map(({ entering }) => entering),
      leaving: this.accounts.map(({ leaving }) => leaving),
    };
  }

  /** One for each layer, as far as the run went. */
  layerAccounts(): LayerAccount[] {
    return this.accounts.map((account, layer) => ({
      ...account,
      cached: this.leading + (this.cached[layer]?.count ?? 0),
      cacheLength: this.cache.length(layer),
      cacheBytes: this.cache.layerBytes(layer),
    }));
  }

  get decodeSteps(): number {
    return this.steps;
  }

  /** @param visual [visual tokens, hidden size] @returns logits of the first answer token */
  async prefill(visual: EngineTensor): Promise<Float32Array> {
    const { engine } = this;
    const { reducer, progress, signal } = this.options;
    const { ids, visual: place } = this.input.prompt;
    const { layers } = this.input.config.decoder;
    progress?.({ stage: 'prefill', done: 0, total: layers });
    const after = ids.slice(place.first + place.count);
    const textAfter = after.length > 0 ? await engine.embedTokens(after) : undefined;
    let positions: 'renumbered' | 'original' = 'renumbered';
    let tokens = visual;
    if (reducer.hooks.beforeDecoder) {
      const text = textAfter ? engine.read(textAfter) : new Float32Array();
      const reduction = await reducer.beforeDecoder({ visual: engine.read(visual), text });
      if (reduction) {
        tokens = engine.combineRows(visual, reduction.groups);
        ({ positions } = reduction);
      }
    }
    const parts = [tokens];
    if (place.first > 0) parts.unshift(await engine.embedTokens(ids.slice(0, place.first)));
    if (textAfter) parts.push(textAfter);
    let hidden = parts.length > 1 ? engine.concatenate(parts) : tokens;
    let sequence = this.firstPositions(positions);
    const writer = this.options.recorder?.startRows(this.layout.textTokens, this.layout.textTokens);
    for (let layer = 0; layer < layers; layer++) {
      await letOthersRun(signal);
      const started = performance.now();
      const entering = this.visualCount;
      this.cached[layer] = reducer.tokens;
      const needs = reducer.decoderNeeds(layer);
      const rows = this.prefillRows(needs, layer, sequence.length);
      const fetch = await this.options.fetching?.fetch(layer, this.pictureOrSequence(sequence));
      const reading = sequence.length - after.length;
      const entered = (await this.options.crossAttention?.read(layer, hidden, reading)) ?? hidden;
      const result = await engine.runDecoderLayer(layer, entered, {
        positions: sequence,
        sequenceLength: lastOf(sequence) + 1,
        cache: this.cache,
        ...(rows.length > 0 && { attention: this.attentionQuery(rows) }),
        ...(fetch && { fetch }),
      });
      hidden = result.hidden;
      this.observe(layer, result, rows.length);
      if (writer && result.attention) this.record(writer, layer, result.attention, rows);
      if (needs) {
        const view = this.view(layer, needs, rows, sequence, hidden, result.attention);
        const reduction = await reducer.decoderLayer(view);
        if (reduction) [hidden, sequence] = this.reduce(reduction, hidden, sequence);
      }
      this.accounts[layer] = {
        entering,
        leaving: this.visualCount,
        sequence: entering + this.layout.textTokens,
        cached: 0,
        cacheLength: 0,
        cacheBytes: 0,
        lastKeyPosition: lastOf(this.cache.positions(layer)),
        attentionRead: needs?.attention !== undefined,
        prefillMs: performance.now() - started,
      };
      progress?.({ stage: 'prefill', done: layer + 1, total: layers });
    }
    const logits = await engine.logits(hidden, hidden.shape[0]! - 1);
    writer?.finish();
    this.options.fetching?.finishStep();
    this.options.crossAttention?.finishStep();
    await this.trim();
    return logits;
  }

  /** Feeds a token that was generated; the logits are those of the next one. */
  async step(id: number): Promise<Float32Array> {
    const { engine } = this;
    const { reducer, signal, recorder, fetching, crossAttention } = this.options;
    const steps = this.steps + 1;
    const continued = this.accounts[0]!.lastKeyPosition + steps;
    let hidden = await engine.embedTokens([id]);
    this.layout.addGenerated();
    const writer = recorder?.startRows(1, this.layout.textTokens);
    const one = Int32Array.of(0);
    for (let layer = 0; layer < this.input.config.decoder.layers; layer++) {
      await letOthersRun(signal);
      const position = reducer.hooks.decodePositions === 'cache-length' ? this.cache.length(layer) : continued;
      this.accounts[layer]!.queryPosition ??= position;
      const inPicture = this.input.prompt.ids.length - 1 + steps;
      const fetch = await fetching?.fetch(layer, Int32Array.of(fetching.asInPicture ? inPicture : position));
      const watched = writer !== undefined || fetching?.watches(layer);
      const entered = (await crossAttention?.read(layer, hidden, 0)) ?? hidden;
      const result = await engine.runDecoderLayer(layer, entered, {
        positions: Int32Array.of(position),
        sequenceLength: position + 1,
        cache: this.cache,
        ...(watched && { attention: this.attentionQuery(one, this.cached[layer]) }),
        ...(fetch && { fetch }),
      });
      hidden = result.hidden;
      this.observe(layer, result, one.length);
      if (writer && result.attention) this.record(writer, layer, result.attention, one);
    }
    const logits = await engine.logits(hidden, 0);
    writer?.finish();
    fetching?.finishStep();
    crossAttention?.finishStep();
    this.steps = steps;
    return logits;
  }

  /** Where the rows of the sequence stand for high-resolution keys. */
  private pictureOrSequence(sequence: Int32Array): Int32Array {
    return this.options.fetching?.asInPicture ? this.firstPositions('original') : sequence;
  }

  private observe(layer: number, { attention, fetched }: DecoderLayerResult, rows: number): void {
    const { fetching } = this.options;
    if (!fetching?.watches(layer) || !attention) return;
    const tokens = this.cached[layer]!;
    fetching.observe({
      layer,
      attention,
      fetched,
      rows,
      heads: this.input.config.decoder.heads,
      tokens,
      leading: this.leading,
      firstVisual: this.layout.before,
      groups: this.layout.groups(this.leading + tokens.count),
    });
  }

  private get visualCount(): number {
    return this.leading + this.options.reducer.tokens.count;
  }

  private firstPositions(kind: 'renumbered' | 'original'): Int32Array {
    const { layout, leading } = this;
    const { tokens } = this.options.reducer;
    const length = layout.textTokens + this.visualCount;
    const positions = Int32Array.from({ length }, (_, index) => index);
    if (kind === 'renumbered') return positions;
    const first = layout.before + leading;
    tokens.list.forEach(({ patches }, index) => {
      positions[first + index] = first + patches[0]!;
    });
    const gone = tokens.patchCount - tokens.count;
    for (let row = first + tokens.count; row < length; row++) positions[row] = row + gone;
    return positions;
  }

  /** Rows of the sequence whose attention is wanted, by the trace or by the method. */
  private prefillRows(needs: DecoderNeeds | undefined, layer: number, length: number): Int32Array {
    if (needs?.attention === 'all') return Int32Array.from({ length }, (_, row) => row);
    if (this.options.recorder) return this.layout.textColumns(this.visualCount);
    if (needs?.attention === 'text') return this.layout.textColumns(this.visualCount).slice(this.layout.before);
    if (needs?.attention === 'last' || this.options.fetching?.watches(layer)) return Int32Array.of(length - 1);
    return new Int32Array();
  }

  private attentionQuery(
    rows: Int32Array,
    tokens = this.options.reducer.tokens,
  ): {
    rows: Int32Array;
    visual: { first: number; count: number };
    groups: Float32Array;
    groupCount: number;
  } {
    const count = this.leading + tokens.count;
    return {
      rows,
      visual: { first: this.layout.before, count },
      groups: this.layout.groups(count),
      groupCount: massGroups.length,
    };
  }

  private record(writer: RowWriter, layer: number, attention: RowAttention, rows: Int32Array): void {
    const tokens = this.cached[layer]!;
    const textColumns = this.layout.textColumns(this.leading + tokens.count);
    const everything = rows.length > 1 && rows.length !== textColumns.length;
    writer.addLayer(layer, attention, {
      queries: everything ? textColumns : rows.map((_, index) => index),
      queryCount: rows.length,
      tokens,
      leading: this.leading,
      firstVisual: this.layout.before,
      textColumns,
    });
  }

  private view(
    layer: number,
    needs: DecoderNeeds,
    rows: Int32Array,
    sequence: Int32Array,
    hidden: EngineTensor,
    attention: RowAttention | undefined,
  ): Omit<DecoderView, 'tokens'> {
    const { reducer } = this.options;
    const first = this.layout.before + this.leading;
    const count = reducer.tokens.count;
    const wanted = wantedRows(needs.attention, rows, this.layout.before + this.visualCount);
    const width = this.input.config.decoder.hiddenSize;
    return {
      layer,
      rows: wanted.length,
      rowPositions: Int32Array.from(wanted, row => sequence[rows[row]!]!),
      tokenPositions: sequence.slice(first, first + count),
      ...(attention &&
        needs.attention && {
          attention: pick(attention.toVisual, rows.length, wanted, this.visualCount, this.leading),
        }),
      ...(needs.hidden && { hidden: this.engine.read(hidden).slice(first * width, (first + count) * width) }),
    };
  }

  private reduce(reduction: Reduction, hidden: EngineTensor, sequence: Int32Array): [EngineTensor, Int32Array] {
    const first = this.layout.before + this.leading;
    const single = (row: number): { members: number[] } => ({ members: [row] });
    const before = Array.from({ length: first }, (_, row) => single(row));
    const visual = reduction.groups.map(group => ({ ...group, members: group.members.map(member => first + member) }));
    const textAfter = this.layout.textTokens - this.layout.before;
    const after = Array.from({ length: textAfter }, (_, index) => single(sequence.length - textAfter + index));
    const groups = [...before, ...visual, ...after];
    const positions =
      reduction.positions === 'original'
        ? Int32Array.from(groups, ({ members }) => Math.min(...members.map(member => sequence[member]!)))
        : Int32Array.from(groups, (_, index) => index);
    return [this.engine.combineRows(hidden, groups), positions];
  }

  private async trim(): Promise<void> {
    const kept = await this.options.reducer.afterPrefill(this.cached);
    kept?.forEach((indices, layer) => {
      const tokens = this.cached[layer]!;
      if (indices.length === tokens.count) return;
      const first = this.layout.before + this.leading;
      const length = this.cache.length(layer);
      const entries = Array.from({ length: first }, (_, entry) => entry);
      entries.push(...indices.map(index => first + index));
      for (let entry = first + tokens.count; entry < length; entry++) entries.push(entry);
      this.cache.keep(layer, Int32Array.from(entries));
      this.cached[layer] = tokens.combine(indices.map(index => ({ members: [index] })));
    });
  }
}

/** Which of the rows that were run the method asked for. */
function wantedRows(kind: DecoderNeeds['attention'], rows: Int32Array, firstAfter: number): number[] {
  const all = Array.from(rows, (_, index) => index);
  switch (kind) {
    case undefined:
      return [];
    case 'all':
      return all;
    case 'last':
      return all.slice(-1);
    case 'text':
      return all.filter(index => rows[index]! >= firstAfter);
  }
}

/** [heads, rows, visual] to [heads, wanted rows, patches] */
function pick(
  toVisual: Float32Array,
  rows: number,
  wanted: readonly number[],
  visual: number,
  leading: number,
): Float32Array {
  const heads = toVisual.length / (rows * visual);
  const width = visual - leading;
  const picked = new Float32Array(heads * wanted.length * width);
  for (let head = 0; head < heads; head++) {
    wanted.forEach((row, place) => {
      const start = (head * rows + row) * visual + leading;
      picked.set(toVisual.subarray(start, start + width), (head * wanted.length + place) * width);
    });
  }
  return picked;
}

function lastOf(values: Int32Array): number {
  return values[values.length - 1] ?? -1;
}
