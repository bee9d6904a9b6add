import { FoveaError } from '../errors.ts';
import type { LinearWeights, NormWeights } from './model-weights.ts';
import { isWeight, weightTypes, type Weight, type WeightIndex } from './weight-index.ts';

interface Mismatch {
  readonly weight: Weight;
  readonly expected: readonly number[];
}

/** Looks weights up below a prefix of their names, and remembers those whose shapes are not the expected ones. */
export class WeightFinder {
  constructor(
    private readonly index: WeightIndex,
    private readonly prefix = '',
    private readonly mismatches: Mismatch[] = [],
    private readonly found = new Map<string, Weight>(),
  ) {}

  /** Every weight found so far, once. */
  get used(): readonly Weight[] {
    return [...this.found.values()];
  }

  at(path: string): WeightFinder {
    return new WeightFinder(this.index, this.prefix + path, this.mismatches, this.found);
  }

  /** Below the first of `prefixes` that holds `anchor`. @throws FoveaError `checkpoint-malformed` when none does */
  below(prefixes: readonly string[], anchor: string): WeightFinder {
    const prefix = prefixes.find(candidate => this.index.has(candidate + anchor));
    if (prefix === undefined) throw this.at(prefixes[0] ?? '').#missing(anchor);
    return this.at(prefix);
  }

  /** @throws FoveaError `checkpoint-malformed` when it is absent or not of floating point */
  tensor(name: string, expected: readonly number[]): Weight {
    const stored = this.index.get(this.prefix + name);
    if (!stored) throw this.#missing(name);
    if (!isWeight(stored)) {
      throw new FoveaError(
        'checkpoint-malformed',
        `The tensor "${stored.name}" holds ${stored.dtype} in ${stored.file}; Fovea computes with ${weightTypes.join(', ')}.`,
        'Use the checkpoint in float16, bfloat16 or float32, not a quantized one.',
      );
    }
    const { shape } = stored;
    if (shape.length !== expected.length || shape.some((size, axis) => size !== expected[axis])) {
      this.mismatches.push({ weight: stored, expected });
    }
    this.found.set(stored.name, stored);
    return stored;
  }

  linear(name: string, outputs: number, inputs: number, bias: boolean): LinearWeights {
    return {
      weight: this.tensor(`${name}.weight`, [outputs, inputs]),
      bias: bias ? this.tensor(`${name}.bias`, [outputs]) : undefined,
    };
  }

  norm(name: string, size: number): NormWeights {
    return { scale: this.tensor(`${name}.weight`, [size]), bias: this.tensor(`${name}.bias`, [size]) };
  }

  /** @param described the file that the shapes follow from; @throws FoveaError `shape-mismatch` for the first tensor that disagreed with it */
  throwMismatches(described = 'config.json'): void {
    const [first] = this.mismatches;
    if (!first) return;
    const others = this.mismatches.length - 1;
    const { weight, expected } = first;
    throw new FoveaError(
      'shape-mismatch',
      `The tensor "${weight.name}" has the shape [${weight.shape.join(', ')}], but ${described} makes it ` +
        `[${expected.join(', ')}]${others > 0 ? `; ${others} more disagree` : ''}.`,
      `${described} and the weights belong to different models: download both from the same place.`,
    );
  }

  #missing(name: string): FoveaError {
    return new FoveaError(
      'checkpoint-malformed',
      `The weights lack the tensor "${this.prefix}${name}".`,
      'The checkpoint is incomplete, or of another architecture than config.json says. Download it again.',
    );
  }
}
