/** Asks in this process. */
import { decoderMacs } from '../../trace/costs.ts';
import { meanEntering, meanLeaving } from '../../trace/fates.ts';
import type { HighResolution } from '../../trace/high-resolution.ts';
import { readingMacs } from '../../trace/high-resolution-costs.ts';
import type { EvaluationOutcome } from '../../trace/evaluation/evaluation.ts';
import type { Analysis, Pipeline } from '../analysis/pipeline.ts';
import { FoveaError } from '../errors.ts';
import type { AnswerRequest } from '../rpc.ts';
import type { Answerer } from './answerer.ts';
import { macFormula } from './mac-formula.ts';
import { isCorrect } from './match-answer.ts';

export class PipelineAnswerer implements Answerer {
  /** @param keepLoaded leaves the model in memory at the end: others use the pipeline, too */
  constructor(
    private readonly pipeline: Pipeline,
    private readonly options: { readonly keepLoaded: boolean },
  ) {}

  async answer(request: AnswerRequest, signal: AbortSignal | undefined): Promise<EvaluationOutcome> {
    const { imagePath, question, modelFolder, visionTower, maxNewTokens, device, threads, answers, condition } =
      request;
    const { method, variant, budget, parameters } = condition;
    const analysis = await this.pipeline.analyze(
      {
        imagePath,
        question,
        modelFolder,
        ...(visionTower !== undefined && { visionTower }),
        maxNewTokens,
        device,
        threads,
        sampling: { mode: 'greedy' },
        method: { name: method, parameters, ...(variant && { variant }), ...(budget !== undefined && { budget }) },
        tracePath: 'untraced',
        progressToken: '',
      },
      { traced: false, signal },
    );
    // Half an answer is no result.
    if (analysis.state === 'cancelled') throw new FoveaError('cancelled', 'The evaluation was cancelled.');
    return outcomeOf(analysis, answers);
  }

  async close(): Promise<void> {
    if (!this.options.keepLoaded) await this.pipeline.release();
  }
}

function outcomeOf({ metadata, ms }: Analysis, accepted: readonly string[]): EvaluationOutcome {
  const { answer, reduction, keyValueCacheBytes, highResolution, crossAttention, tokens, promptTokens } = metadata;
  if (!reduction) throw new Error('The pipeline kept no account of the visual tokens.');
  const { hiddenSize, intermediateSize } = metadata.model.decoder;
  if (intermediateSize === undefined) throw new Error('The width of the MLP is not known.');
  const { layers, decodeSteps } = reduction;
  const macs = decoderMacs(macFormula, layers, decodeSteps, { hiddenSize, intermediateSize });
  const reading = readingMacs(metadata);
  return {
    answer,
    correct: isCorrect(answer, accepted),
    entering: meanEntering(reduction.layers),
    leaving: meanLeaving(reduction.layers),
    macs: { prefill: macs.prefill + reading.prefill, decode: macs.decode + reading.decode },
    kvBytes: keyValueCacheBytes + (highResolution?.cacheBytes ?? 0) + (crossAttention?.cacheBytes ?? 0),
    ms: { vision: micro(ms.vision), prefill: micro(ms.prefill), decode: micro(ms.decode) },
    answerTokens: tokens.length - promptTokens,
    ...(highResolution && { highResolutionShare: shareRead(highResolution) }),
    // Cross-attention reads every token.
    ...(crossAttention?.input === 'high-resolution' && { highResolutionShare: 1 }),
  };
}

function shareRead({ meanSelected, grid }: HighResolution): number {
  return meanSelected / (grid.rows * grid.columns);
}

/** Clocks tell no more than microseconds. */
const micro = (milliseconds: number): number => Math.round(milliseconds * 1000) / 1000;
