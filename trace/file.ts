import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { TraceError } from './errors.ts';
import type { Evaluation } from './evaluation/evaluation.ts';
import { EvaluationReader } from './evaluation/reader.ts';
import { encodeEvaluation } from './evaluation/writer.ts';
import { TraceReader, type ByteSource } from './reader.ts';
import { readTraceKind, type TraceKind } from './kind.ts';
import type { RunMetadata } from './schema.ts';
import type { TrafficMetadata } from './traffic/metadata.ts';
import { TrafficReader } from './traffic/reader.ts';
import { encodeTraffic, type TrafficContent } from './traffic/writer.ts';
import { encodeTrace, type TraceTensors } from './writer.ts';

/** A trace that is still being written; one that stays behind belongs to a run that never finished. */
export const partialExtension = '.partial';

class FileSource implements ByteSource {
  constructor(
    private readonly handle: FileHandle,
    readonly size: number,
  ) {}

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.handle.read(bytes, filled, length - filled, offset + filled);
      if (bytesRead === 0)
        throw new TraceError('malformed', `The file ended at byte ${offset + filled} while it was read.`);
      filled += bytesRead;
    }
    return bytes;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** Opens a trace on disk. @throws TraceError when it is none; errors of the file system as they come. */
export async function openTraceFile(path: string): Promise<TraceReader> {
  return TraceReader.open(await openSource(path));
}

/** Opens a trace of traffic on disk. @throws TraceError when it is none; errors of the file system as they come. */
export async function openTrafficFile(path: string): Promise<TrafficReader> {
  return TrafficReader.open(await openSource(path));
}

/** Opens an evaluation on disk. @throws TraceError when it is none; errors of the file system as they come. */
export async function openEvaluationFile(path: string): Promise<EvaluationReader> {
  return EvaluationReader.open(await openSource(path));
}

/** @throws TraceError when it is no trace; errors of the file system as they come. */
export async function traceFileKind(path: string): Promise<TraceKind> {
  return readTraceKind(await openSource(path));
}

async function openSource(path: string): Promise<ByteSource> {
  const { size } = await stat(path);
  return new FileSource(await open(path, 'r'), size);
}

/**
 * Writes beside `path` and renames, so that a crash leaves no half trace under the final name.
 * @returns bytes written
 */
export async function writeTraceFile(path: string, metadata: RunMetadata, tensors: TraceTensors): Promise<number> {
  return writeParts(path, encodeTrace(metadata, tensors));
}

/** The same for a trace of traffic. @returns bytes written */
export async function writeTrafficFile(
  path: string,
  metadata: TrafficMetadata,
  content: TrafficContent,
): Promise<number> {
  return writeParts(path, encodeTraffic(metadata, content));
}

/** The same for an evaluation. @returns bytes written */
export async function writeEvaluationFile(path: string, evaluation: Evaluation): Promise<number> {
  return writeParts(path, encodeEvaluation(evaluation));
}

async function writeParts(path: string, parts: readonly Uint8Array[]): Promise<number> {
  const partial = path + partialExtension;
  try {
    const handle = await open(partial, 'w');
    let bytes = 0;
    try {
      for (const part of parts) {
        await handle.writeFile(part);
        bytes += part.length;
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, path);
    return bytes;
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
