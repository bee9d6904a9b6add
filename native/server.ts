/** Entry of the pipeline process: answers native/rpc.ts on the IPC channel of whoever forked it. */
import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  type CancellationToken,
  createMessageConnection,
  ErrorCodes,
  IPCMessageReader,
  IPCMessageWriter,
  ResponseError,
} from 'vscode-jsonrpc/node';
import { TraceError } from '../trace/errors.ts';
import type { EvaluationOutcome } from '../trace/evaluation/evaluation.ts';
import { Pipeline } from './analysis/pipeline.ts';
import { FoveaError } from './errors.ts';
import { answererStarter } from './evaluation/answerers.ts';
import { evaluate, type EvaluationEnd } from './evaluation/evaluate.ts';
import { PipelineAnswerer } from './evaluation/pipeline-answerer.ts';
import type { ModelShape } from './methods/method.ts';
import { methodSummaries } from './methods/method-summaries.ts';
import { methods } from './methods/registry.ts';
import { bundledModelFolder } from './models.ts';
import { shapeOf } from './planning/known-shapes.ts';
import { writeReport } from './report/write-report.ts';
import {
  type AnalyzeRequest,
  analyzeRequest,
  answerRequest,
  type AnswerRequest,
  type AnalyzeResult,
  type EvaluateRequest,
  evaluateRequest,
  type EvaluateResult,
  type EvaluationProgress,
  evaluationProgress,
  logNotification,
  methodsRequest,
  type PipelineError,
  type PipelineStatus,
  releaseRequest,
  type ReportRequest,
  reportRequest,
  type ReportResult,
  type StageProgress,
  stageProgress,
  statusRequest,
  type TrafficProgress,
  trafficProgress,
  type TrafficRequest,
  trafficRequest,
  type TrafficResult,
} from './rpc.ts';
import { RunQueue } from './run-queue.ts';
import { answerTraffic } from './traffic/traffic-request.ts';

/** "RequestFailed" of the language server protocol: understood, and failed for a reason that the data tells. */
const requestFailed = -32803;

/** A signal that follows the token, with what the other side is told. */
function abortOf(token: CancellationToken, message: string): { readonly signal: AbortSignal; dispose(): void } {
  const abort = new AbortController();
  const cancel = (): void => {
    abort.abort(new FoveaError('cancelled', message, 'Run it again when you like.'));
  };
  const listener = token.onCancellationRequested(cancel);
  if (token.isCancellationRequested) cancel();
  return {
    signal: abort.signal,
    dispose: () => {
      listener.dispose();
    },
  };
}

/** Methods are listed before anybody has said for which model; their parameters are the same for all. */
const bundledShape = async (): Promise<ModelShape> => (await shapeOf(join(bundledModelFolder(), 'config.json'))).shape;

function serve(): void {
  const connection = createMessageConnection(new IPCMessageReader(process), new IPCMessageWriter(process));
  const pipeline = new Pipeline();
  const queue = new RunQueue();

  const log = (level: 'info' | 'warn' | 'error', message: string): void => {
    connection.sendNotification(logNotification, { level, message }).catch(leaveOnClosedChannel);
  };
  /** A message that cannot be sent means that the parent is gone, which `disconnect` handles. */
  const leaveOnClosedChannel = (): void => {
    if (!process.connected) leave();
  };
  const leave = (): void => {
    if (pipeline.unfinishedFile !== undefined) rmSync(pipeline.unfinishedFile, { force: true });
    process.exit();
  };

  const analyze = async (request: AnalyzeRequest, token: CancellationToken): Promise<AnalyzeResult> => {
    const abort = abortOf(token, 'The run was cancelled.');
    const progress = (value: StageProgress): void => {
      connection.sendProgress(stageProgress, request.progressToken, value).catch(leaveOnClosedChannel);
    };
    try {
      const analysis = await queue.run(
        () => pipeline.analyze(request, { progress, signal: abort.signal }),
        abort.signal,
        ahead => {
          progress({ stage: 'queued', done: 0, total: ahead });
        },
      );
      const { metadata, ...result } = analysis;
      log('info', `${basename(request.imagePath)}: ${result.state}, ${(metadata.ms.total / 1000).toFixed(2)} s`);
      return result;
    } finally {
      abort.dispose();
    }
  };

  const report = async (request: ReportRequest, token: CancellationToken): Promise<ReportResult> => {
    const abort = abortOf(token, 'The report was cancelled.');
    try {
      return await queue.run(() => writeReport(request, abort.signal), abort.signal);
    } finally {
      abort.dispose();
    }
  };

  const evaluation = async (request: EvaluateRequest, token: CancellationToken): Promise<EvaluateResult> => {
    const abort = abortOf(token, 'The evaluation was cancelled.');
    const progress = (value: EvaluationProgress): void => {
      connection.sendProgress(evaluationProgress, request.progressToken, value).catch(leaveOnClosedChannel);
    };
    const startAnswerers = answererStarter(() => new PipelineAnswerer(pipeline, { keepLoaded: true }));
    try {
      const run = (): Promise<EvaluationEnd> =>
        evaluate(request, { progress, signal: abort.signal, methods, startAnswerers });
      const { evaluation: _, summary: __, ...result } = await queue.run(run, abort.signal);
      log('info', `Evaluation: ${result.state}, ${result.done} of ${result.total} runs.`);
      return result;
    } finally {
      abort.dispose();
    }
  };

  const answer = async (request: AnswerRequest, token: CancellationToken): Promise<EvaluationOutcome> => {
    const abort = abortOf(token, 'The question was cancelled.');
    try {
      const answerer = new PipelineAnswerer(pipeline, { keepLoaded: true });
      return await queue.run(() => answerer.answer(request, abort.signal), abort.signal);
    } finally {
      abort.dispose();
    }
  };

  const traffic = async (request: TrafficRequest, token: CancellationToken): Promise<TrafficResult> => {
    const abort = abortOf(token, 'The run was cancelled.');
    const progress = (value: TrafficProgress): void => {
      connection.sendProgress(trafficProgress, request.progressToken, value).catch(leaveOnClosedChannel);
    };
    try {
      const options = { model: pipeline.model, progress, signal: abort.signal };
      const result = await queue.run(
        () => answerTraffic(request, options),
        abort.signal,
        ahead => {
          progress({ doing: 'queued', label: '', done: 0, total: ahead });
        },
      );
      log('info', `Traffic on ${request.ranks} ranks: ${result.state}, ${result.violations.length} violations`);
      return result;
    } finally {
      abort.dispose();
    }
  };

  const status = (): PipelineStatus => {
    const { folder, engine, loads } = pipeline.model;
    return {
      pid: process.pid,
      residentBytes: process.memoryUsage.rss(),
      ...(folder !== undefined && { loadedModel: folder }),
      engine: engine
        ? `${engine.description.name} ${engine.description.version} (${engine.description.device})`
        : 'not loaded',
      loads,
    };
  };

  /** What the other side may know: a message, a code and a hint; the stack goes to the log. */
  const asResponseError = (error: unknown): ResponseError<PipelineError> => {
    if (error instanceof TraceError) {
      const hint = 'A file that was copied only in part looks like this. Open another trace.';
      return new ResponseError<PipelineError>(requestFailed, error.message, { code: 'disk', hint });
    }
    if (error instanceof FoveaError) {
      return new ResponseError(requestFailed, error.message, { code: error.code, hint: error.hint });
    }
    const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
    log('error', stack ?? message);
    const hint = 'The log has the details. Please report this with them.';
    return new ResponseError<PipelineError>(ErrorCodes.InternalError, message, { code: 'internal', hint });
  };
  const answering =
    <Arguments extends unknown[], Result>(handler: (...values: Arguments) => Promise<Result>) =>
    async (...values: Arguments): Promise<Result | ResponseError<PipelineError>> => {
      try {
        return await handler(...values);
      } catch (error) {
        return asResponseError(error);
      }
    };

  connection.onRequest(analyzeRequest, answering(analyze));
  connection.onRequest(reportRequest, answering(report));
  connection.onRequest(evaluateRequest, answering(evaluation));
  connection.onRequest(answerRequest, answering(answer));
  connection.onRequest(trafficRequest, answering(traffic));
  connection.onRequest(
    methodsRequest,
    answering(({ modules }) => methodSummaries(modules, bundledShape)),
  );
  connection.onRequest(statusRequest, status);
  connection.onRequest(
    releaseRequest,
    answering(() => queue.run(() => pipeline.release())),
  );
  connection.onError(([error]) => {
    process.stderr.write(`fovea pipeline: ${error.message}\n`);
  });
  process.once('disconnect', leave);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, leave);
  connection.listen();
}

if (process.send) {
  process.title = 'fovea pipeline';
  serve();
} else {
  process.stderr.write('This is the pipeline process of Fovea; VS Code starts it. On the command line, use fovea.\n');
  process.exitCode = 2;
}
