/** The one JSON object that --json prints. */
import { runMacs } from '../../trace/costs.ts';
import { crossTokens } from '../../trace/cross-attention.ts';
import { furtherVisionMacs, readingMacs, resolutionComparison } from '../../trace/high-resolution-costs.ts';
import { meanEntering, meanLeaving } from '../../trace/fates.ts';
import type { Analysis } from '../analysis/pipeline.ts';
import type { Failure } from './exit-codes.ts';

export function jsonResult({ metadata, tracePath, traceBytes }: Analysis): object {
  const generated = metadata.tokens.slice(metadata.promptTokens);
  return {
    answer: metadata.answer,
    question: metadata.prompt.question,
    state: metadata.status.state,
    stop: metadata.generation.stop,
    tokens: generated.map(({ id, text, logprob, alternatives }) => ({ id, text, logprob, alternatives })),
    promptTokens: metadata.promptTokens + metadata.visual.count,
    visualTokens: metadata.visual.count,
    ...reductionResult(metadata),
    ...highResolutionResult(metadata),
    ...crossAttentionResult(metadata),
    ms: metadata.ms,
    trace: tracePath,
    traceBytes,
    model: metadata.model.name,
    modelFolder: metadata.model.folder,
    bundledModel: metadata.model.bundled,
    device: metadata.engine.device,
    threads: metadata.engine.threads,
    image: {
      path: metadata.image.path,
      width: metadata.image.width,
      height: metadata.image.height,
      notes: metadata.image.notes,
    },
  };
}

/** What the method was and what it left of the work; MACs by formula F3. */
function reductionResult(metadata: Analysis['metadata']): object {
  const { method, reduction, model } = metadata;
  if (!reduction) return {};
  const macs = runMacs('F3', reduction, model);
  const reading = readingMacs(metadata);
  return {
    method: method.name,
    variant: method.variant ?? null,
    parameters: method.parameters,
    budget: method.budget ?? null,
    notes: method.notes ?? [],
    visualTokensPerLayer: {
      entering: reduction.layers.map(({ entering }) => entering),
      leaving: reduction.layers.map(({ leaving }) => leaving),
    },
    eIn: meanEntering(reduction.layers),
    eOut: meanLeaving(reduction.layers),
    macs: macs
      ? {
          formula: 'F3',
          prefill: macs.prefill + reading.prefill,
          decode: macs.decode + reading.decode,
          vision: macs.vision + (furtherVisionMacs(metadata) ?? 0),
        }
      : null,
    kvBytes: reduction.layers.reduce((sum, { cacheBytes }) => sum + cacheBytes, 0),
  };
}

/** How high-resolution tokens were read, how many, and what that costs beside the rivals; MACs by formula F3. */
function highResolutionResult({ highResolution, method, ...run }: Analysis['metadata']): object {
  if (!highResolution) return {};
  const tokens = highResolution.grid.rows * highResolution.grid.columns;
  return {
    beside: method.beside ?? null,
    highResolution: {
      ...highResolution,
      tokens,
      share: highResolution.meanSelected / tokens,
      macs: resolutionComparison('F3', { ...run, highResolution }) ?? null,
    },
  };
}

/** What text read through cross-attention; costs are among `macs`. */
function crossAttentionResult({ crossAttention }: Analysis['metadata']): object {
  return crossAttention ? { crossAttention: { ...crossAttention, tokens: crossTokens(crossAttention) } } : {};
}

export function jsonFailure({ code, message, hint }: Failure): object {
  return { error: { code, message, hint } };
}
