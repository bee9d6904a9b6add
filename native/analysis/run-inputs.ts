/** What a run is made of before the model runs: from what was asked for to what the model is to see. */
import type { ModelFile } from '../../trace/model-files.ts';
import { projectionDistances } from '../checkpoint/projection-distances.ts';
import type { DecodedImage } from '../image/decode-image.ts';
import { checkInputSize, type ModelInput, prepareImage, type RgbImage } from '../image/preprocess.ts';
import type { ChosenMethod } from '../methods/choose-method.ts';
import type { Prompt } from '../prompt/build-prompt.ts';
import type { AnalyzeRequest, StageProgress } from '../rpc.ts';
import { type CrossAttentionInput, crossAttentionInput, namedImages, promptImage } from './cross-attention-input.ts';
import { enlargedNotes } from './enlarged-model.ts';
import { highResolutionInput, paddedSettings } from './high-resolution-input.ts';
import type { HighResolutionInput } from './high-resolution-run.ts';
import type { ModelFiles } from './loaded-model.ts';
import type { MethodWeights } from './method-weights.ts';
import { crossAttentionSize, highResolutionSize } from './run-memory.ts';

export interface PreparedRun {
  readonly request: AnalyzeRequest;
  /** The model as its weights are. */
  readonly loadable: ModelFiles;
  /** The model as it looks for the size of image that is to stand in its sequence. */
  readonly files: ModelFiles;
  /** Of all that is read of the model; undefined where no trace is to say. */
  readonly digests: Promise<readonly ModelFile[]> | undefined;
  readonly prompt: Prompt;
  readonly weights: MethodWeights;
  readonly method: ChosenMethod | undefined;
  /** `performance.now()` when the run began. */
  readonly started: number;
  readonly tracePath: string;
}

/** What the model is to see, and whose images that are. */
export interface RunInputs {
  readonly image: DecodedImage;
  /** The image of the prompt, as the vision tower takes it. */
  readonly input: ModelInput;
  readonly method: ChosenMethod | undefined;
  readonly highResolution: HighResolutionInput | undefined;
  readonly crossAttention: CrossAttentionInput | undefined;
}

interface Options {
  readonly progress?: ((progress: StageProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly traced?: boolean;
}

/** @throws FoveaError `image-unreadable`, `image-too-large`, `shape-mismatch`, `usage` or `cancelled` */
export async function prepareInputs(prepared: PreparedRun, options: Options): Promise<RunInputs> {
  const { request, files } = prepared;
  const { projections, crossAttention: weights } = prepared.weights;
  const { progress, signal, traced = true } = options;
  const { checkpoint, processor } = files;
  const { vision } = checkpoint.config;
  const named = await namedImages(request, prepared.method?.crossAttention);
  const image = await promptImage(named);
  const method = withImageNotes(prepared, image);
  const plan = method?.highResolution;
  const settings = paddedSettings(processor, plan);
  checkInputSize(image, settings, vision.imageSize);
  const resized = prepareImage(image, settings);
  const highResolution = plan &&
    projections && {
      ...highResolutionInput(image, settings, vision, plan, projections),
      ...(traced && { distances: await projectionDistances(projections, checkpoint.model.decoderLayers) }),
    };
  const input = highResolution?.low ?? resized;
  const { crossAttention: crossPlan } = method ?? {};
  const crossAttention =
    crossPlan &&
    weights &&
    (await crossAttentionInput(
      { image, input, named, settings, vision, plan: crossPlan, weights },
      request,
      progress,
      signal,
    ));
  return { image, input, method, highResolution, crossAttention };
}

/** Bytes that a long visual input takes besides the prompt's image, in memory and in the trace. */
export function sizeBesidePrompt(
  { request: { maxNewTokens }, files, prompt }: PreparedRun,
  { highResolution, crossAttention }: Pick<RunInputs, 'highResolution' | 'crossAttention'>,
): { readonly memoryBytes: number; readonly traceBytes: number } {
  const { config } = files.checkpoint;
  const sizes = [
    ...(highResolution
      ? [highResolutionSize(config, highResolution, { promptLength: prompt.ids.length, maxNewTokens })]
      : []),
    ...(crossAttention
      ? [crossAttentionSize(config, crossAttention, { textTokens: prompt.tokens.length, maxNewTokens })]
      : []),
  ];
  return {
    memoryBytes: sizes.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
    traceBytes: sizes.reduce((sum, { traceBytes }) => sum + traceBytes, 0),
  };
}

/** The method with what is to be said of an image of another size than the model's. */
function withImageNotes({ method, loadable, files, prompt }: PreparedRun, image: RgbImage): ChosenMethod | undefined {
  const side = files.checkpoint.config.vision.imageSize;
  if (!method || side === loadable.checkpoint.config.vision.imageSize) return method;
  return { ...method, notes: [...method.notes, ...enlargedNotes(loadable, side, prompt.ids.length, image)] };
}
