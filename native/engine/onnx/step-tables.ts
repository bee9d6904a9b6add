import type { DecoderConfig } from '../../checkpoint/model-config.ts';
import { causalMask } from '../causal-mask.ts';
import type { DecoderStep } from '../engine.ts';
import { rotaryTables, type RotaryTables } from '../rotary-embedding.ts';

/** Mask and rotary tables of a step: the same for all its layers, so the last ones are kept. */
export class StepTables {
  #mask: { readonly rows: number; readonly past: number; readonly values: Float32Array } | undefined;
  #rotary:
    { readonly positions: Int32Array; readonly sequenceLength: number; readonly tables: RotaryTables } | undefined;

  constructor(private readonly decoder: DecoderConfig) {}

  /** [rows, past + rows], 0 or -infinity */
  mask(rows: number, past: number): Float32Array {
    if (this.#mask?.rows !== rows || this.#mask.past !== past) {
      this.#mask = { rows, past, values: causalMask(rows, past) };
    }
    return this.#mask.values;
  }

  rotary({ positions, sequenceLength }: DecoderStep): RotaryTables {
    const kept = this.#rotary;
    if (kept?.sequenceLength === sequenceLength && equal(kept.positions, positions)) return kept.tables;
    const tables = rotaryTables(this.decoder.rope, this.decoder.headSize, positions, sequenceLength);
    this.#rotary = { positions: positions.slice(), sequenceLength, tables };
    return tables;
  }
}

function equal(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
