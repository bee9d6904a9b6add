/** The way back from a document to the trace that it carries. */
import { decodeTensor, type EmbeddedTensor, type EmbeddedTrace } from './embedding.ts';
import type { ByteSource } from './tensor-file.ts';
import { encodeChecked, type TraceTensor } from './writer.ts';

/**
 * Unpacks a trace of any kind that lies in the document itself, to the file that it was made of. Its reader validates it.
 * @param textOf the text of the element with this id
 * @throws TraceError, TypeError for a block that is damaged
 */
export async function embeddedFile(trace: EmbeddedTrace, textOf: (id: string) => string): Promise<ByteSource> {
  const unpack = async (tensor: EmbeddedTensor): Promise<[string, TraceTensor]> => {
    const coded = await inflate(bytesOfBase64(textOf(tensor.block)));
    return [tensor.name, { dtype: tensor.dtype, shape: tensor.shape, data: decodeTensor(tensor, coded) }];
  };
  const tensors = Object.fromEntries(await Promise.all(trace.tensors.map(unpack)));
  const parts = encodeChecked(trace.metadata, tensors, () => undefined);
  const file = new Uint8Array(await new Blob(parts.map(whole)).arrayBuffer());
  return {
    size: file.length,
    read: (offset, length) => Promise.resolve(file.slice(offset, offset + length)),
    close: () => Promise.resolve(),
  };
}

/** A Blob takes bytes that own their buffer. */
const whole = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);

function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> {
  const characters = atob(text.trim());
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
