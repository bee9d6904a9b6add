import type { KeyValueCache } from './engine.ts';
import { allocateFloats } from './float-memory.ts';

export interface CacheSizes {
  readonly layers: number;
  /** Elements of one position's keys in one layer: key-value heads x head size. */
  readonly rowSize: number;
  /** Positions to have room for behind a layer's first ones. */
  readonly spare: number;
}

/** Views of one layer's memory, [positions, key-value heads x head size] each. */
export interface CacheRows {
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

interface LayerMemory {
  keys: Float32Array;
  values: Float32Array;
  positions: Int32Array;
  length: number;
}

/**
 * Keys and values in this process's memory, position after position, so that a session reads the filled part in place
 * and writes the rows of a step right behind it: no step copies the cache.
 */
export class HostCache implements KeyValueCache {
  readonly #rowSize: number;
  readonly #spare: number;
  readonly #layers: LayerMemory[];

  constructor({ layers, rowSize, spare }: CacheSizes) {
    this.#rowSize = rowSize;
    this.#spare = spare;
    this.#layers = Array.from({ length: layers }, () => ({
      keys: new Float32Array(),
      values: new Float32Array(),
      positions: new Int32Array(),
      length: 0,
    }));
  }

  get allocatedBytes(): number {
    return this.#layers.reduce((bytes, _, layer) => bytes + this.layerBytes(layer), 0);
  }

  layerBytes(layer: number): number {
    const { keys, values } = this.#layer(layer);
    return keys.byteLength + values.byteLength;
  }

  length(layer: number): number {
    return this.#layer(layer).length;
  }

  /** Rotary positions of the filled part. */
  positions(layer: number): Int32Array {
    const { positions, length } = this.#layer(layer);
    return positions.subarray(0, length);
  }

  filled(layer: number): CacheRows {
    return this.#rows(this.#layer(layer), 0, this.length(layer));
  }

  /** Room for `count` rows behind the filled part, whose views are only valid until the next call; grows if it must. */
  reserve(layer: number, count: number): CacheRows {
    const memory = this.#layer(layer);
    const needed = memory.length + count;
    const capacity = memory.positions.length;
    if (capacity === 0) this.#grow(memory, count + this.#spare);
    else if (needed > capacity) this.#grow(memory, Math.max(needed, 2 * capacity));
    return this.#rows(memory, memory.length, needed);
  }

  /** Makes the rows just reserved and written part of the filled part. */
  commit(layer: number, positions: Int32Array): void {
    const memory = this.#layer(layer);
    memory.positions.set(positions, memory.length);
    memory.length += positions.length;
  }

  keep(layer: number, entries: Int32Array): void {
    const memory = this.#layer(layer);
    if (entries.length === memory.length) return;
    const capacity = entries.length + this.#spare;
    const kept = (old: Float32Array): Float32Array => {
      const smaller = allocateFloats(capacity * this.#rowSize);
      entries.forEach((entry, row) => {
        smaller.set(old.subarray(entry * this.#rowSize, (entry + 1) * this.#rowSize), row * this.#rowSize);
      });
      return smaller;
    };
    const positions = new Int32Array(capacity);
    positions.set(entries.map(entry => memory.positions[entry]!));
    [memory.keys, memory.values, memory.positions] = [kept(memory.keys), kept(memory.values), positions];
    memory.length = entries.length;
  }

  #layer(layer: number): LayerMemory {
    const memory = this.#layers[layer];
    if (!memory) throw new RangeError(`The cache has ${this.#layers.length} layers, not ${layer + 1}.`);
    return memory;
  }

  #rows({ keys, values }: LayerMemory, first: number, end: number): CacheRows {
    const [start, stop] = [first * this.#rowSize, end * this.#rowSize];
    return { keys: keys.subarray(start, stop), values: values.subarray(start, stop) };
  }

  #grow(memory: LayerMemory, capacity: number): void {
    const moved = (old: Float32Array): Float32Array => {
      const larger = allocateFloats(capacity * this.#rowSize);
      larger.set(old.subarray(0, memory.length * this.#rowSize));
      return larger;
    };
    const [keys, values] = [moved(memory.keys), moved(memory.values)];
    const positions = new Int32Array(capacity);
    positions.set(memory.positions);
    [memory.keys, memory.values, memory.positions] = [keys, values, positions];
  }
}
