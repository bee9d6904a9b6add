/** What a trace says about its run, put together from what each part of the pipeline knows. */
import { randomUUID } from 'node:crypto';
import type { ModelFile } from '../../trace/model-files.ts';
import { type RunMetadata, schemaVersion, type StageTimings } from '../../trace/schema.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { gridSide, type VisionConfig } from '../checkpoint/model-config.ts';
import type { EngineDescription } from '../engine/engine.ts';
import { hardware } from '../engine/processor-cores.ts';
import type { DecodedImage } from '../image/decode-image.ts';
import type { DisplayCopy } from '../image/display-copy.ts';
import type { ModelInput } from '../image/preprocess.ts';
import { isBundled, modelName } from '../models.ts';
import { version } from '../version.ts';
import type { Prompt } from '../prompt/build-prompt.ts';
import type { AnalyzeRequest } from '../rpc.ts';
import type { ModelRun } from './model-run.ts';

export interface RunParts {
  readonly request: AnalyzeRequest;
  readonly checkpoint: Checkpoint;
  /** Undefined where nobody looked. */
  readonly files: readonly ModelFile[] | undefined;
  readonly engine: EngineDescription;
  readonly image: DecodedImage;
  readonly input: ModelInput;
  readonly display: Pick<DisplayCopy, 'mime' | 'width' | 'height'>;
  readonly prompt: Prompt;
  readonly run: ModelRun;
  readonly ms: StageTimings;
  readonly sumTolerance: number;
}

export function describeRun(parts: RunParts): RunMetadata {
  const { request, checkpoint, files, engine, image, input, display, prompt, run } = parts;
  const side = gridSide(checkpoint.config.vision);
  const cancelled = run.stop === 'cancelled';
  return {
    schema: schemaVersion,
    id: randomUUID(),
    created: new Date().toISOString(),
    status: cancelled ? { state: 'cancelled', after: `token ${run.generated.length}` } : { state: 'complete' },
    producer: { name: 'fovea', version },
    engine: { ...engine, hardware: hardware() },
    model: describeModel(checkpoint, files),
    method: run.method,
    reduction: run.reduction,
    ...(run.highResolution && { highResolution: run.highResolution }),
    ...(run.crossAttention && { crossAttention: run.crossAttention }),
    image: {
      name: image.name,
      path: image.path,
      digest: image.digest,
      bytes: image.bytes,
      format: image.format,
      width: image.width,
      height: image.height,
      notes: image.notes,
      display: { mime: display.mime, width: display.width, height: display.height },
      input: { width: input.width, height: input.height },
      crop: coveredByPatches(input.crop, checkpoint.config.vision),
    },
    prompt: { question: prompt.question, text: prompt.text, templateSource: prompt.templateSource },
    generation: { maxNewTokens: request.maxNewTokens, sampling: request.sampling, stop: run.stop },
    visual: {
      ...prompt.visual,
      leading: prompt.visual.count - side * side,
      grid: { rows: side, columns: side },
    },
    tokens: [...prompt.tokens, ...run.generated],
    promptTokens: prompt.tokens.length,
    answer: run.answer,
    ms: parts.ms,
    attention: { precision: 'F16', sumTolerance: parts.sumTolerance },
    keyValueCacheBytes: run.keyValueCacheBytes,
  };
}

/** A remainder that makes no whole patch, at the right and the bottom, is not seen by the model either. */
function coveredByPatches(crop: ModelInput['crop'], vision: VisionConfig): ModelInput['crop'] {
  const share = (gridSide(vision) * vision.patchSize) / vision.imageSize;
  return { ...crop, width: crop.width * share, height: crop.height * share };
}

function describeModel(
  { folder, config, parameters, storedPrecision, digest }: Checkpoint,
  files: RunParts['files'],
): RunMetadata['model'] {
  const { vision, decoder } = config;
  return {
    name: modelName(folder),
    folder,
    bundled: isBundled(folder),
    architecture: config.architecture,
    parameters,
    storedPrecision,
    digest,
    ...(files && { files }),
    vision: {
      layers: vision.layers,
      heads: vision.heads,
      hiddenSize: vision.hiddenSize,
      intermediateSize: vision.intermediateSize,
      featureLayers: config.featureLayers,
      selectStrategy: config.selectStrategy,
    },
    decoder: {
      layers: decoder.layers,
      heads: decoder.heads,
      keyValueHeads: decoder.keyValueHeads,
      headSize: decoder.headSize,
      hiddenSize: decoder.hiddenSize,
      intermediateSize: decoder.intermediateSize,
      vocabularySize: decoder.vocabularySize,
    },
  };
}
