/** ONNX Runtime reports everything as an `Error` with a text; this tells what a user can do about it. */
import { FoveaError } from '../../errors.ts';
import type { Device } from '../../rpc.ts';
import { outOfMemory } from '../float-memory.ts';

const exhausted =
  /bad[_ ]alloc|failed to allocate|out of memory|E_OUTOFMEMORY|allocation failed|invalid (typed )?array( buffer)? length/i;

/**
 * The error to throw instead of one of ONNX Runtime. On the CPU an unknown failure is a bug of ours and stays as it is;
 * on an accelerator it is taken for the device's.
 */
export function runtimeError(error: unknown, doing: string, device: Device): unknown {
  if (error instanceof FoveaError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  if (exhausted.test(reason)) return outOfMemory(doing, error);
  return device === 'cpu' ? error : deviceUnavailable(device, `${doing} failed: ${readable(reason)}`, error);
}

export function deviceUnavailable(device: Device, reason: string, cause?: unknown): FoveaError {
  const message = `The device "${device}" cannot be used: ${reason}.`;
  return new FoveaError('device-unavailable', message, 'Choose the device "cpu", which always works.', { cause });
}

/** The first line without the place in ONNX Runtime's source and the condition that failed there. */
function readable(text: string): string {
  const [line = ''] = text.split('\n');
  return line.replace(/^\S*onnxruntime\S*\.(cc|h|cpp):\d+ .*? was false\. /, '').replace(/\.$/, '');
}
