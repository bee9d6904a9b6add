/** The header of one weight file: names, types, shapes and places of its tensors. No tensor data is read. */
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { headerLength, lengthPrefixBytes, parseHeader, SafetensorsError } from '../../trace/safetensors.ts';
import { FoveaError } from '../errors.ts';
import type { StoredTensor } from './weight-index.ts';

export interface WeightHeader {
  readonly tensors: readonly StoredTensor[];
  /** sha256 of the header as stored, hex. */
  readonly digest: string;
}

const lfsPointer = 'version https://git-lfs.github.com/spec/';

/**
 * @param file absolute path, symbolic links resolved
 * @param name how messages call the file
 * @throws FoveaError `checkpoint-missing` for a Git LFS pointer, `checkpoint-malformed` naming file and tensor
 */
export async function readWeightHeader(file: string, name: string): Promise<WeightHeader> {
  try {
    const handle = await open(file, 'r');
    try {
      return await readHeader(handle, file, name);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof FoveaError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const hint =
      error instanceof SafetensorsError
        ? 'Download the file again and compare its size with the one on the model page.'
        : `Check that you may read ${file}.`;
    throw new FoveaError('checkpoint-malformed', `The weight file ${name} cannot be read. ${reason}`, hint, {
      cause: error,
    });
  }
}

async function readHeader(handle: FileHandle, file: string, name: string): Promise<WeightHeader> {
  const { size } = await handle.stat();
  const start = await readBytes(handle, 0, Math.min(size, lfsPointer.length));
  rejectPointer(name, start);
  const header = await readBytes(handle, lengthPrefixBytes, headerLength(start, size));
  const { tensors } = parseHeader(header, size);
  rejectDuplicates(header.toString());
  return {
    tensors: [...tensors].map(([tensor, entry]) => ({ ...entry, name: tensor, file })),
    digest: createHash('sha256').update(header).digest('hex'),
  };
}

async function readBytes(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await handle.read(bytes, 0, length, position);
  return bytes.subarray(0, bytesRead);
}

function rejectPointer(name: string, start: Buffer): void {
  if (start.toString('latin1') !== lfsPointer) return;
  throw new FoveaError(
    'checkpoint-missing',
    `${name} is a Git LFS pointer, not the weights themselves.`,
    'Run "git lfs pull" in the model folder, or download the file from the model page.',
  );
}

/** `JSON.parse` keeps the last of two equal keys in silence; which tensor was meant cannot be known. */
function rejectDuplicates(header: string): void {
  const seen = new Set<string>();
  let depth = 0;
  for (const [token] of header.matchAll(/"(?:[^"\\]|\\.)*"(?:\s*:)?|[{}[\]]/g)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (depth === 1 && token.endsWith(':')) {
      const key = token.slice(1, token.lastIndexOf('"'));
      if (seen.has(key)) throw new SafetensorsError(`Tensor "${key}" is in the header twice.`, key);
      seen.add(key);
    }
  }
}
