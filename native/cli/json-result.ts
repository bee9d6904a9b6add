/** The one JSON object that --json prints. */
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

export function jsonFailure({ code, message, hint }: Failure): object {
  return { error: { code, message, hint } };
}
