import type { DecoderConfig } from '../../checkpoint/model-config.ts';
import { causalMask } from '../causal-mask.ts';
import type { DecoderStep } from '../engine.ts';
import { rotaryTables, type RotaryTables } from '../rotary-embedding.ts';

interface KeptTables {
  readonly positions: Int32Array;
  readonly sequenceLength: number;
  readonly tables: RotaryTables;
}

/** Mask and rotary tables of a step: the same for all its layers, so the last ones are kept. */
export class StepTables {
  #mask: { readonly rows: number; readonly past: number; readonly values: Float32Array } | undefined;
  #rotary: KeptTables | undefined;
  #fetching: KeptTables | undefined;

  constructor(private readonly decoder: DecoderConfig) {}

  /** [rows, past + rows], 0 or -infinity */
  mask(rows: number, past: number): Float32Array {
    if (this.#mask?.rows !== rows || this.#mask.past !== past) {
      this.#mask = { rows, past, values: causalMask(rows, past) };
    }
    return this.#mask.values;
  }

  rotary({ positions, sequenceLength }: DecoderStep): RotaryTables {
    this.#rotary = this.#tables(this.#rotary, positions, sequenceLength);
    return this.#rotary.tables;
  }

  /** Of the queries that read high-resolution keys, by where they stand relative to the picture. */
  fetching(positions: Int32Array, sequenceLength: number): RotaryTables {
    this.#fetching = this.#tables(this.#fetching, positions, sequenceLength);
    return this.#fetching.tables;
  }

  #tables(kept: KeptTables | undefined, positions: Int32Array, sequenceLength: number): KeptTables {
    if (kept?.sequenceLength === sequenceLength && equal(kept.positions, positions)) return kept;
    const tables = rotaryTables(this.decoder.rope, this.decoder.headSize, positions, sequenceLength);
    return { positions: positions.slice(), sequenceLength, tables };
  }
}

function equal(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
