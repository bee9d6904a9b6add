/** Entry of the pipeline process: answers native/rpc.ts on the IPC channel of whoever forked it. */
import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  type CancellationToken,
  createMessageConnection,
  ErrorCodes,
  IPCMessageReader,
  IPCMessageWriter,
  type ProgressType,
  type RequestParam,
  ResponseError,
} from 'vscode-jsonrpc/node';
import { TraceError } from '../trace/errors.ts';
import type { EvaluationOutcome } from '../trace/evaluation/evaluation.ts';
import { Pipeline } from './analysis/pipeline.ts';
import { FoveaError } from './errors.ts';
import { answererStarter } from './evaluation/answerers.ts';
import { evaluate } from './evaluation/evaluate.ts';
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
  evaluationProgress,
  logNotification,
  methodsRequest,
  type PipelineError,
  type PipelineStatus,
  releaseRequest,
  type ReportRequest,
  reportRequest,
  type ReportResult,
  stageProgress,
  statusRequest,
  trafficProgress,
  type TrafficRequest,
  trafficRequest,
  type TrafficResult,
} from './rpc.ts';
import { type PositionListener, RunQueue } from './run-queue.ts';
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

type Log = (level: 'info' | 'warn' | 'error', message: string) => void;

/** What the other side may know: a message, a code and a hint; the stack goes to the log. */
function asResponseError(error: unknown, log: Log): ResponseError<PipelineError> {
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
}

function serve(): void {
  const connection = createMessageConnection(new IPCMessageReader(process), new IPCMessageWriter(process));
  const pipeline = new Pipeline();
  const queue = new RunQueue();

  const log: Log = (level, message) => {
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

  /** Lets the work have its turn, until the other side cancels. */
  const inTurn = async <Result>(
    token: CancellationToken,
    cancelled: string,
    work: (signal: AbortSignal) => Promise<Result>,
    listener?: PositionListener,
  ): Promise<Result> => {
    const abort = abortOf(token, cancelled);
    try {
      return await queue.run(() => work(abort.signal), abort.signal, listener);
    } finally {
      abort.dispose();
    }
  };
  const progressOf =
    <Value>(type: ProgressType<Value>, progressToken: string) =>
    (value: RequestParam<Value>): void => {
      connection.sendProgress(type, progressToken, value).catch(leaveOnClosedChannel);
    };

  const analyze = async (request: AnalyzeRequest, token: CancellationToken): Promise<AnalyzeResult> => {
    const progress = progressOf(stageProgress, request.progressToken);
    const { metadata, ...result } = await inTurn(
      token,
      'The run was cancelled.',
      signal => pipeline.analyze(request, { progress, signal }),
      ahead => {
        progress({ stage: 'queued', done: 0, total: ahead });
      },
    );
    log('info', `${basename(request.imagePath)}: ${result.state}, ${(metadata.ms.total / 1000).toFixed(2)} s`);
    return result;
  };

  const report = (request: ReportRequest, token: CancellationToken): Promise<ReportResult> =>
    inTurn(token, 'The report was cancelled.', signal => writeReport(request, signal));

  const evaluation = async (request: EvaluateRequest, token: CancellationToken): Promise<EvaluateResult> => {
    const progress = progressOf(evaluationProgress, request.progressToken);
    const startAnswerers = answererStarter(() => new PipelineAnswerer(pipeline, { keepLoaded: true }));
    const {
      evaluation: _,
      summary: __,
      ...result
    } = await inTurn(token, 'The evaluation was cancelled.', signal =>
      evaluate(request, { progress, signal, methods, startAnswerers }),
    );
    log('info', `Evaluation: ${result.state}, ${result.done} of ${result.total} runs.`);
    return result;
  };

  const answer = (request: AnswerRequest, token: CancellationToken): Promise<EvaluationOutcome> => {
    const answerer = new PipelineAnswerer(pipeline, { keepLoaded: true });
    return inTurn(token, 'The question was cancelled.', signal => answerer.answer(request, signal));
  };

  const traffic = async (request: TrafficRequest, token: CancellationToken): Promise<TrafficResult> => {
    const progress = progressOf(trafficProgress, request.progressToken);
    const result = await inTurn(
      token,
      'The run was cancelled.',
      signal => answerTraffic(request, { model: pipeline.model, progress, signal }),
      ahead => {
        progress({ doing: 'queued', label: '', done: 0, total: ahead });
      },
    );
    log('info', `Traffic on ${request.ranks} ranks: ${result.state}, ${result.violations.length} violations`);
    return result;
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

  const answering =
    <Arguments extends unknown[], Result>(handler: (...values: Arguments) => Promise<Result>) =>
    async (...values: Arguments): Promise<Result | ResponseError<PipelineError>> => {
      try {
        return await handler(...values);
      } catch (error) {
        return asResponseError(error, log);
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
