/** Tensors as bytes on the wire: rounded to the element type that travels, and back to float32. */
import { fromHalf, toHalf } from '../../trace/half.ts';
import type { ElementType } from '../../trace/traffic/schedule.ts';

/** A copy: the buffer is handed over to the receiver. */
export function encodeWire(values: Float32Array, element: ElementType): ArrayBuffer {
  switch (element) {
    case 'F32':
      return values.slice().buffer;
    case 'F16':
      return toHalf(values.slice()).buffer as ArrayBuffer;
    case 'BF16':
      return toBrainFloat(values).buffer as ArrayBuffer;
  }
}

export function decodeWire(bytes: ArrayBuffer, element: ElementType): Float32Array {
  switch (element) {
    case 'F32':
      return new Float32Array(bytes);
    case 'F16':
      return fromHalf(new Uint16Array(bytes));
    case 'BF16':
      return fromBrainFloat(new Uint16Array(bytes));
  }
}

/** Rounds to what the element type holds. */
export function roundTo(values: Float32Array, element: ElementType): Float32Array {
  return element === 'F32' ? values : decodeWire(encodeWire(values, element), element);
}

/** The upper half of a float32, rounded to the nearest, ties to even. */
function toBrainFloat(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.slice().buffer);
  const halves = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i]!;
    const rounded = value + 0x7fff + ((value >>> 16) & 1);
    halves[i] = Number.isNaN(values[i]) ? 0x7fc0 : rounded >>> 16;
  }
  return halves;
}

function fromBrainFloat(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return new Float32Array(bits.buffer);
}
