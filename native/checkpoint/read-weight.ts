import { open } from 'node:fs/promises';
import { fromHalf } from '../../trace/half.ts';
import { FoveaError } from '../errors.ts';
import type { Weight } from './weight-index.ts';

/**
 * The values of one weight as float32. Meant for small ones: graphs take theirs from the file themselves.
 * @throws FoveaError `checkpoint-malformed` for a file that has become shorter than its header said
 */
export async function readWeight({ name, file, offset, bytes, dtype }: Weight): Promise<Float32Array> {
  const raw = new Uint8Array(bytes);
  const handle = await open(file, 'r');
  try {
    const { bytesRead } = await handle.read(raw, 0, bytes, offset);
    if (bytesRead < bytes) {
      throw new FoveaError(
        'checkpoint-malformed',
        `${file} ends in the middle of "${name}".`,
        'Wait until the file is written, or download it again.',
      );
    }
  } finally {
    await handle.close();
  }
  switch (dtype) {
    case 'F32':
      return new Float32Array(raw.buffer);
    case 'F16':
      return fromHalf(new Uint16Array(raw.buffer));
    case 'BF16': {
      const widened = Uint32Array.from(new Uint16Array(raw.buffer), value => value * 65_536);
      return new Float32Array(widened.buffer);
    }
  }
}
