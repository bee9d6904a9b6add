/** Runs a run again from its description, and compares the two. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { TokenReduction } from '../../trace/fates.ts';
import type { RunMetadata, TraceToken } from '../../trace/schema.ts';
import { openMethodWeights } from '../analysis/method-weights.ts';
import { Pipeline } from '../analysis/pipeline.ts';
import { FoveaError } from '../errors.ts';
import { methodRequestOf } from '../methods/request-of-run.ts';
import { devices, type StageProgress } from '../rpc.ts';
import { requireHere, requireSameImages } from './same-images.ts';
import { sameModel, unknownFiles } from './same-model.ts';

export interface ReproduceOptions {
  /** Where the image and the model are now, if not where they were. */
  readonly imagePath: string | undefined;
  readonly modelFolder: string | undefined;
  readonly visionTower?: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: (progress: StageProgress) => void;
}

export interface Comparison {
  /** Whether prompt and answer have the same token ids, in the same order and number. */
  readonly tokensAgree: boolean;
  /** Whether the log-probabilities of the same tokens are no farther apart than other arithmetic explains. */
  readonly numbersAgree: boolean;
  /** Index among the generated tokens of the first that differs. */
  readonly firstDifference?: number;
  /** Generated tokens before it, or all; log-probabilities are compared of these. */
  readonly compared: number;
  /** Largest absolute differences of natural logarithms: of the tokens' own, and of the alternatives in both lists. */
  readonly largestLogprobDifference: number;
  readonly largestAlternativeDifference: number;
}

/** Where a token method ran, or the trace says that none did. */
export interface ReductionComparison {
  /** Every layer saw and kept as many visual tokens as before, at the same stages. */
  readonly reductionAgrees?: boolean;
  /** Decoder layers that did not. */
  readonly layersThatDiffer?: readonly number[];
}

export interface Reproduction extends Comparison, ReductionComparison {
  readonly before: string;
  readonly now: string;
  /** What is not as it was and may explain a difference: "engine: ONNX Runtime 1.30.0, was 1.29.0". */
  readonly changes: readonly string[];
}

/** Tokens, numbers and, where a method ran, the number of visual tokens. */
export const agrees = ({ tokensAgree, numbersAgree, reductionAgrees }: Reproduction): boolean =>
  tokensAgree && numbersAgree && reductionAgrees !== false;

/** In natural logarithms: float32 on another processor differs by 1e-4 or so, other weights by much more. */
const explained = 0.01;

/** @throws FoveaError; `image-unreadable` and `checkpoint-missing` also for an image or model that is another one */
export async function reproduce(metadata: RunMetadata, options: ReproduceOptions): Promise<Reproduction> {
  const generated = metadata.tokens.length - metadata.promptTokens;
  if (generated === 0)
    throw new FoveaError('usage', 'The run has no answer that could be compared.', 'Name another run.');
  const { device, threads } = metadata.engine;
  const known = devices.find(one => one === device);
  if (!known) throw new FoveaError('device-unavailable', `The run was made on "${device}", which Fovea does not know.`);
  await requireSameModule(metadata);
  const { imagePath, furtherImages } = await sameSources(metadata, options.imagePath);
  const method = methodRequestOf(metadata);
  options.progress({ stage: 'load', done: 0, total: 0 });
  const modelFolder = await sameModel(metadata.model, options, checkpoint =>
    openMethodWeights(checkpoint, method ? [method] : []),
  );
  const unknown = unknownFiles(metadata.model);
  const pipeline = new Pipeline();
  try {
    const analysis = await pipeline.analyze(
      {
        imagePath,
        furtherImages,
        modelFolder,
        ...(options.visionTower !== undefined && { visionTower: options.visionTower }),
        question: metadata.prompt.question,
        // Nothing is written there: the run is not traced.
        tracePath: 'reproduced.fovea',
        // Of a cancelled run, only what was answered can be compared.
        maxNewTokens: metadata.status.state === 'cancelled' ? generated : metadata.generation.maxNewTokens,
        sampling: metadata.generation.sampling,
        ...(method && { method }),
        device: known,
        threads,
        progressToken: '',
      },
      { traced: false, signal: options.signal, progress: options.progress },
    );
    if (analysis.state === 'cancelled')
      throw new FoveaError('cancelled', 'Cancelled before the runs could be compared.');
    return {
      before: metadata.answer,
      now: analysis.metadata.answer,
      ...compareRuns(metadata, analysis.metadata),
      ...compareReductions(metadata, analysis.metadata),
      changes: [...changedSurroundings(metadata, analysis.metadata), ...(unknown === undefined ? [] : [unknown])],
    };
  } finally {
    await pipeline.release();
  }
}

/** @throws FoveaError `usage` when the user's own method is another text than what ran, or lies on another computer */
async function requireSameModule({ method }: RunMetadata): Promise<void> {
  if (!method.module) return;
  const { path, digest } = method.module;
  // It would run, and whoever made the trace knows its digest.
  requireHere(path, 'a path of this computer');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new FoveaError('usage', `The method of this run is no longer at ${path}.`, 'Put it back there.', {
      cause: error,
    });
  }
  if (createHash('sha256').update(text).digest('hex') === digest) return;
  throw new FoveaError(
    'usage',
    `${path} is not the method that ran: its text has changed since.`,
    'Bring back the version of then, e.g. from version control, or analyse the image anew.',
  );
}

type Reduced = Pick<RunMetadata, 'reduction'>;

function compareReductions(before: Reduced, now: Reduced): ReductionComparison {
  const [first, second] = [before.reduction, now.reduction];
  if (!first || !second) return {};
  const layersThatDiffer = first.layers.flatMap(({ entering, leaving, cached }, layer) => {
    const other = second.layers[layer];
    return other?.entering === entering && other.leaving === leaving && other.cached === cached ? [] : [layer];
  });
  const stages = ({ stages }: TokenReduction): string =>
    JSON.stringify(stages.map(({ id, entering, leaving }) => [id, entering, leaving]));
  return { reductionAgrees: layersThatDiffer.length === 0 && stages(first) === stages(second), layersThatDiffer };
}

type Tokens = Pick<RunMetadata, 'tokens' | 'promptTokens' | 'status'>;

export function compareRuns(before: Tokens, now: Tokens): Comparison {
  const samePrompt =
    before.promptTokens === now.promptTokens &&
    before.tokens.slice(0, before.promptTokens).every(({ id }, index) => id === now.tokens[index]!.id);
  const [first, second] = [before.tokens.slice(before.promptTokens), now.tokens.slice(now.promptTokens)];
  const length = before.status.state === 'cancelled' ? first.length : Math.max(first.length, second.length);
  let same = 0;
  while (same < length && first[same] && first[same]?.id === second[same]?.id) same++;
  let [own, others] = [0, 0];
  for (let i = 0; i < same; i++) {
    own = Math.max(own, Math.abs((first[i]!.logprob ?? 0) - (second[i]!.logprob ?? 0)));
    others = Math.max(others, alternativeDifference(first[i]!, second[i]!));
  }
  return {
    tokensAgree: samePrompt && same === length,
    numbersAgree: Math.max(own, others) <= explained,
    ...(same < length && { firstDifference: same }),
    compared: same,
    largestLogprobDifference: own,
    largestAlternativeDifference: others,
  };
}

function alternativeDifference({ alternatives = [] }: TraceToken, other: TraceToken): number {
  const now = new Map(other.alternatives?.map(({ id, logprob }) => [id, logprob]));
  const differences = alternatives.map(({ id, logprob }) => Math.abs(logprob - (now.get(id) ?? logprob)));
  return Math.max(0, ...differences);
}

function changedSurroundings(before: RunMetadata, now: RunMetadata): string[] {
  const facts = (run: RunMetadata): [string, string][] => [
    ['Fovea', run.producer.version],
    ['engine', `${run.engine.name} ${run.engine.version}`],
    ['hardware', run.engine.hardware],
    ['arithmetic', run.engine.arithmetic],
    ['threads', String(run.engine.threads)],
  ];
  const then = new Map(facts(before));
  return facts(now)
    .filter(([name, value]) => then.get(name) !== value)
    .map(([name, value]) => `${name}: ${value}, was ${then.get(name) ?? 'unknown'}`);
}

async function sameImage({ image }: RunMetadata, named: string | undefined): Promise<string> {
  const hint = 'With --image FILE, name the image as it was.';
  const path = named ?? image.path;
  if (path === undefined)
    throw new FoveaError('image-unreadable', `The run does not say where ${image.name} is.`, hint);
  if (named === undefined) requireHere(path, '--image FILE');
  await requireSameImages(path, image.digest);
  return path;
}

/**
 * The image of the run; for one that read frames, everything that they came from. Only the first file has a digest to compare.
 * @throws FoveaError `image-unreadable`
 */
async function sameSources(
  metadata: RunMetadata,
  named: string | undefined,
): Promise<{ readonly imagePath: string; readonly furtherImages: readonly string[] }> {
  const { image, crossAttention } = metadata;
  const [first = '', ...furtherImages] = crossAttention?.sources ?? [];
  if (furtherImages.length === 0 && (first === '' || first === image.path)) {
    return { imagePath: await sameImage(metadata, named), furtherImages: [] };
  }
  if (named !== undefined) {
    const hint = 'Leave --image out, and put the files back where they were.';
    throw new FoveaError('image-unreadable', 'The run read several files, which cannot all be named anew.', hint);
  }
  for (const source of [first, ...furtherImages]) requireHere(source, 'a path of this computer');
  await sameImage(metadata, undefined);
  return { imagePath: first, furtherImages };
}
