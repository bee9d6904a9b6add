/** Everything of one run that concerns high-resolution tokens: encoded once, read by every decoder run, described at the end. */
import type { HighResolution } from '../../trace/high-resolution.ts';
import type { TraceTensors } from '../../trace/writer.ts';
import { bytesOf } from '../../trace/writer.ts';
import type { HighResolutionProjections } from '../checkpoint/high-resolution-weights.ts';
import { gridSide, type ModelConfig } from '../checkpoint/model-config.ts';
import type { Engine, EngineTensor, FetchedKeys, RotaryRows } from '../engine/engine.ts';
import type { ModelInput } from '../image/preprocess.ts';
import type { HighResolutionPlan } from '../methods/high-resolution/plan.ts';
import type { Grid } from '../methods/high-resolution/selection.ts';
import type { Prompt } from '../prompt/build-prompt.ts';
import { featureTensors } from './feature-tensors.ts';
import { encodeTiles, type HighResolutionFeatures, type LargeImage } from './high-resolution-image.ts';
import { HighResolutionReader } from './high-resolution-reader.ts';
import { HighResolutionRecorder } from './high-resolution-recorder.ts';
import type { RunOptions } from './model-run.ts';

export interface HighResolutionInput {
  readonly plan: HighResolutionPlan;
  readonly projections: HighResolutionProjections;
  readonly image: LargeImage;
  readonly crop: HighResolution['crop'];
  /** The low-resolution image where it is the large one scaled down. */
  readonly low?: ModelInput;
  /** Patches at each edge that show padding. */
  readonly margin: Grid;
  readonly notes: readonly string[];
  readonly distances?: HighResolution['weights']['distances'];
}

export class HighResolutionRun {
  private readonly projected = new Map<number, FetchedKeys>();
  private readonly recorder: HighResolutionRecorder | undefined;
  private reprojectStepMs: number | undefined;

  private constructor(
    private readonly engine: Engine,
    private readonly config: ModelConfig,
    private readonly input: HighResolutionInput,
    private readonly features: HighResolutionFeatures,
    private readonly rotary: RotaryRows,
    traced: boolean,
  ) {
    const { rows, columns } = features.grid;
    this.recorder = traced
      ? new HighResolutionRecorder({
          layers: this.layers.length,
          patches: gridSide(config.vision) ** 2,
          cells: this.cells.rows * this.cells.columns,
          heads: config.decoder.heads,
          tokens: rows * columns,
        })
      : undefined;
  }

  /** Loads the projections and encodes the tiles. @throws FoveaError `cancelled` and what the engine reports */
  static async prepare(
    engine: Engine,
    { config, prompt }: { readonly config: ModelConfig; readonly prompt: Prompt },
    input: HighResolutionInput,
    { progress, signal, recorder }: RunOptions,
  ): Promise<HighResolutionRun> {
    const { plan, projections, image } = input;
    const layers = new Map(plan.attending.map(layer => [layer, projections.layers.get(layer)!]));
    const id = `${projections.id} ${plan.attending.join(',')}`;
    await engine.loadHighResolution({ ...projections, id, layers }, undefined, signal);
    const features = await encodeTiles(engine, config, image, progress, signal);
    const side = gridSide(config.vision);
    const place = {
      first: prompt.visual.first + prompt.visual.count - side ** 2,
      patches: { rows: side, columns: side },
      grid: features.grid,
    };
    const rotary = engine.highResolutionRotary(plan.rotary, place, prompt.ids.length);
    return new HighResolutionRun(engine, config, input, features, rotary, recorder !== undefined);
  }

  /** @param records whether this is the run that the trace tells of, and not a trial */
  reader(records: boolean): HighResolutionReader {
    const side = gridSide(this.config.vision);
    return new HighResolutionReader(this.engine, {
      plan: this.input.plan,
      image: this.features,
      patches: { rows: side, columns: side },
      cells: this.cells,
      margin: this.input.margin,
      rotary: this.rotary,
      projected: this.projected,
      recorder: records ? this.recorder : undefined,
    });
  }

  /**
   * What one more step would cost without kept projections: as many tokens as layers read on average, projected in one
   * layer, times the layers.
   */
  async measureReprojection(reader: HighResolutionReader): Promise<void> {
    const { attending, keepProjections } = this.input.plan;
    const tokens = Int32Array.from({ length: Math.round(reader.meanSelected) }, (_, token) => token);
    if (!keepProjections || tokens.length === 0) return;
    const started = performance.now();
    await reader.project(attending[0]!, tokens);
    this.reprojectStepMs = (performance.now() - started) * attending.length;
  }

  describe(reader: HighResolutionReader, steps: number): HighResolution {
    const { plan, projections, crop, margin, notes, distances } = this.input;
    const { vision } = this.config;
    const { grid, tiles, encodeMs } = this.features;
    const reprojectStep = plan.keepProjections ? this.reprojectStepMs : reader.reprojectMs / Math.max(1, steps);
    return {
      variant: plan.variant,
      source: plan.source,
      rule: plan.rule,
      pooling: plan.pooledCells > 0 ? 'adaptive-max' : 'none',
      rows: plan.rows,
      map: plan.map,
      rotary: plan.rotary,
      lowResolution: this.input.low ? 'scaled' : 'resized',
      grid,
      cells: this.cells,
      tiles: { rows: tiles, columns: tiles, side: vision.imageSize },
      crop,
      margin,
      layers: this.layers,
      attending: plan.attending,
      weights: {
        kind: projections.description.kind,
        source: projections.description.source,
        ...(distances && { distances }),
      },
      ms: {
        encode: encodeMs,
        project: reader.projectMs,
        ...(reprojectStep !== undefined && { reprojectStep }),
      },
      cacheBytes: this.cacheBytes,
      meanSelected: reader.meanSelected,
      notes: [...plan.notes, ...notes],
    };
  }

  /** @param visual tokens of the low-resolution image, [patches, hidden size] */
  tensors(visual: EngineTensor): TraceTensors {
    if (!this.recorder) return {};
    const side = gridSide(this.config.vision);
    const { grid, features } = this.features;
    const { norm, similarity } = featureTensors(
      this.engine.read(features),
      this.engine.read(visual),
      this.config.decoder.hiddenSize,
      grid,
      { rows: side, columns: side },
    );
    return {
      ...this.recorder.tensors(),
      'high_resolution.feature_norm': { dtype: 'F32', shape: [norm.length], data: bytesOf(norm) },
      ...(similarity && {
        'high_resolution.feature_similarity': { dtype: 'F32', shape: [similarity.length], data: bytesOf(similarity) },
      }),
    };
  }

  /** The largest amount by which a recorded row of probabilities misses its sum. */
  get largestMiss(): number {
    return this.recorder?.largestMiss ?? 0;
  }

  private get cells(): Grid {
    const side = this.input.plan.pooledCells || gridSide(this.config.vision);
    return { rows: side, columns: side };
  }

  /** Layers that select or attend. */
  private get layers(): number[] {
    const { attending } = this.input.plan;
    return [...new Set(attending.flatMap(layer => [layer - 1, layer]))].sort((a, b) => a - b);
  }

  private get cacheBytes(): number {
    let elements = 0;
    for (const { keys, values } of this.projected.values()) {
      for (const { shape } of [keys, values]) elements += shape[0]! * shape[1]!;
    }
    return elements * Float32Array.BYTES_PER_ELEMENT;
  }
}
