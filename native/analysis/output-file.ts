/** The place where a trace goes: checked before the work, and every failure of the disk in words. */
import { type BigIntStats, constants } from 'node:fs';
import { access, mkdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { type RunMetadata, traceExtension } from '../../trace/schema.ts';
import { writeTraceFile, writeTrafficFile } from '../../trace/file.ts';
import type { TrafficMetadata } from '../../trace/traffic/metadata.ts';
import type { TrafficContent } from '../../trace/traffic/writer.ts';
import type { TraceTensors } from '../../trace/writer.ts';
import { FoveaError } from '../errors.ts';

/**
 * Creates the folder of `path` and makes sure that a file may be put there: the finished one replaces what bears its
 * name, which must be neither anything but a file nor what the run reads.
 * @param sources files that are read, or folders of frames; those that are not there are told by whoever reads them
 * @throws FoveaError `disk`
 */
export async function prepareOutput(path: string, sources: readonly string[] = []): Promise<void> {
  const folder = dirname(path);
  try {
    // Asked first: on a read-only disk, mkdir complains that the folder does not exist.
    await access(await nearestFolder(folder), constants.W_OK);
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (error) {
    throw diskError(path, error);
  }
  const existing = await identityOf(path);
  if (!existing) return;
  if (existing.isDirectory()) {
    throw new FoveaError('disk', `${path} is a folder.`, traceNameHint);
  }
  if (!existing.isFile()) throw new FoveaError('disk', `${path} is no regular file.`, traceNameHint);
  const within = await identityOf(folder);
  for (const source of sources) {
    const read = await identityOf(source);
    if (!read) continue;
    if (isSame(existing, read)) {
      throw new FoveaError('disk', `${path} is read too; the result would replace it.`, traceNameHint);
    }
    // Traces are no frames; whatever else lies in a folder of frames may be one.
    if (within && isSame(within, read) && extname(path) !== traceExtension) {
      throw new FoveaError('disk', `${path} is one of the frames; the result would replace it.`, traceNameHint);
    }
  }
}

/** Whole numbers: Windows has inodes that a double rounds to their neighbours'. Undefined where there is nothing. */
function identityOf(path: string): Promise<BigIntStats | undefined> {
  return stat(path, { bigint: true }).catch(() => undefined);
}

function isSame(one: BigIntStats, other: BigIntStats): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}

/** `path`, or what exists of it. */
async function nearestFolder(path: string): Promise<string> {
  const missing = await stat(path).then(
    () => false,
    () => true,
  );
  const parent = dirname(path);
  return missing && parent !== path ? nearestFolder(parent) : path;
}

/** @param bytes the least that a trace will take; @throws FoveaError `disk` when its disk has less */
export async function requireSpace(path: string, bytes: number): Promise<void> {
  // Some network file systems do not say; then writing tells.
  const disk = await statfs(dirname(path)).catch(() => undefined);
  if (!disk || disk.blocks === 0) return;
  const free = disk.bavail * disk.bsize;
  if (bytes <= free) return;
  throw new FoveaError(
    'disk',
    `The trace takes ${Math.ceil(bytes / 1e6)} MB or more, and the disk of ${path} has ${Math.floor(free / 1e6)} MB left.`,
    spaceHint,
  );
}

const spaceHint = 'Free some space, or write to another disk.';
const traceNameHint = 'Name a file that ends in .fovea.';

/** @returns bytes written; @throws FoveaError `disk` */
export function writeOutput(path: string, metadata: RunMetadata, tensors: TraceTensors): Promise<number> {
  return toldInWords(path, () => writeTraceFile(path, metadata, tensors));
}

/** @returns bytes written; @throws FoveaError `disk` */
export function writeTraffic(path: string, metadata: TrafficMetadata, content: TrafficContent): Promise<number> {
  return toldInWords(path, () => writeTrafficFile(path, metadata, content));
}

/** What is written beside traces. @param sources as for `prepareOutput`; @throws FoveaError `disk` */
export async function writeText(path: string, text: string, sources: readonly string[] = []): Promise<void> {
  await prepareOutput(path, sources);
  await toldInWords(path, () => replaceFile(path, text));
}

/** Under another name first, so that a failure leaves no half file. @throws what the file system does */
export async function replaceFile(path: string, content: string): Promise<void> {
  const partial = `${path}.partial`;
  try {
    await writeFile(partial, content);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw error;
  }
}

async function toldInWords<Result>(path: string, write: () => Promise<Result>): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof Error && 'code' in error && 'syscall' in error) throw diskError(path, error);
    throw error;
  }
}

const explanations: Readonly<Record<string, readonly [problem: string, hint: string]>> = {
  ENOSPC: ['the disk is full', spaceHint],
  EDQUOT: ['your disk quota is used up', spaceHint],
  EACCES: ['you may not write there', 'Choose another folder, or change its permissions.'],
  EPERM: ['you may not write there', 'Choose another folder, or change its permissions.'],
  EROFS: ['that disk is read-only', 'Choose a folder on another disk.'],
  ENOTDIR: ['a part of the path is a file, not a folder', 'Choose another path.'],
  EEXIST: ['a part of the path is a file, not a folder', 'Choose another path.'],
  ENAMETOOLONG: ['the name is too long', 'Choose a shorter one.'],
  EMFILE: ['too many files are open', 'Close other programs and try again.'],
};

/** @param error of the file system, told in words */
export function diskError(path: string, error: unknown): FoveaError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reason = error instanceof Error ? error.message : String(error);
  const [problem, hint] = explanations[code] ?? [reason, 'Choose another folder, or check the disk.'];
  return new FoveaError('disk', `The trace cannot be written to ${path}: ${problem}.`, hint, { cause: error });
}
