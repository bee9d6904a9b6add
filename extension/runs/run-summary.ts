import { stat } from 'node:fs/promises';
import { openTraceFile } from '../../trace/file.ts';
import type { RunMetadata } from '../../trace/schema.ts';

/** What lists show of a run: small, so that thousands stay in memory. */
export interface RunDescription extends Pick<RunMetadata, 'id' | 'created' | 'status' | 'image' | 'answer' | 'method'> {
  readonly question: string;
  readonly model: { readonly name: string; readonly bundled: boolean };
  /** Milliseconds of the whole run. */
  readonly totalMilliseconds: number;
  /** Text tokens, and how many of them the model generated. */
  readonly tokens: { readonly text: number; readonly generated: number };
}

export interface RunSummary {
  /** Absolute. */
  readonly path: string;
  /** Size of the trace on disk. */
  readonly bytes: number;
  readonly metadata: RunDescription;
}

/** Reads the header only. @throws TraceError when the file is no trace; errors of the file system as they come. */
export async function readRunSummary(path: string): Promise<RunSummary> {
  const { size } = await stat(path);
  const trace = await openTraceFile(path);
  await trace.close();
  const { id, created, status, image, prompt, answer, model, method, ms, tokens, promptTokens } = trace.metadata;
  return {
    path,
    bytes: size,
    metadata: {
      id,
      created,
      status,
      image,
      answer,
      method,
      question: prompt.question,
      model: { name: model.name, bundled: model.bundled },
      totalMilliseconds: ms.total,
      tokens: { text: tokens.length, generated: tokens.length - promptTokens },
    },
  };
}
