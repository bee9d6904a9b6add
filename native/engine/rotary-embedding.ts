/**
 * Frequencies and tables of rotary position embeddings, rounded to float32 where transformers computes in float32
 * (modeling_rope_utils.py of transformers 5; the kinds are described in each config's `rope_parameters`).
 */
import type { RopeConfig } from '../checkpoint/model-config.ts';

export interface RotaryTables {
  /** [positions, head size / 2] */
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

const { fround } = Math;

/**
 * Radians per position of each pair of elements, [head size / 2].
 * @param sequenceLength positions in all after this step; matters to "dynamic" only
 */
export function inverseFrequencies(rope: RopeConfig, headSize: number, sequenceLength: number): Float32Array {
  switch (rope.kind) {
    case 'default':
      return frequencies(rope.theta, headSize);
    case 'linear':
      return frequencies(rope.theta, headSize).map(frequency => frequency / rope.factor);
    case 'dynamic':
      return frequencies(dynamicTheta(rope, headSize, sequenceLength), headSize);
    case 'llama3':
      return frequencies(rope.theta, headSize).map(frequency => llama3Frequency(rope, frequency));
    case 'yarn':
      return yarnFrequencies(rope, headSize);
  }
}

/** Angles of the given positions, whole or not; YaRN scales cos and sin, and with them the scores of attention. */
export function rotaryTables(
  rope: RopeConfig,
  headSize: number,
  positions: Int32Array | Float32Array,
  sequenceLength: number,
): RotaryTables {
  const perPosition = inverseFrequencies(rope, headSize, sequenceLength);
  const scale = rope.kind === 'yarn' ? rope.attentionFactor : 1;
  const half = perPosition.length;
  const cos = new Float32Array(positions.length * half);
  const sin = new Float32Array(positions.length * half);
  positions.forEach((position, row) => {
    for (let i = 0; i < half; i++) {
      const angle = fround(position * perPosition[i]!);
      cos[row * half + i] = fround(Math.cos(angle)) * scale;
      sin[row * half + i] = fround(Math.sin(angle)) * scale;
    }
  });
  return { cos, sin };
}

/** theta ^ (2i / headSize) */
function wavelengths(theta: number, headSize: number): Float32Array {
  return Float32Array.from({ length: headSize / 2 }, (_, i) => theta ** fround((2 * i) / headSize));
}

function frequencies(theta: number, headSize: number): Float32Array {
  return wavelengths(theta, headSize).map(wavelength => 1 / wavelength);
}

type Rope<K extends RopeConfig['kind']> = Extract<RopeConfig, { readonly kind: K }>;

/** NTK-aware scaling: the base grows with the sequence once it is longer than the model was trained for. */
function dynamicTheta({ theta, factor, maxPositions }: Rope<'dynamic'>, headSize: number, length: number): number {
  const stretch = (factor * Math.max(length, maxPositions)) / maxPositions - (factor - 1);
  return theta * stretch ** (headSize / (headSize - 2));
}

/** Long waves are slowed by the factor, short ones kept, those between blended. */
function llama3Frequency(rope: Rope<'llama3'>, frequency: number): number {
  const wavelength = (2 * Math.PI) / frequency;
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions: original } = rope;
  if (wavelength < original / high) return frequency;
  if (wavelength > original / low) return frequency / factor;
  const kept = (original / wavelength - low) / (high - low);
  return ((1 - kept) * frequency) / factor + kept * frequency;
}

function yarnFrequencies(rope: Rope<'yarn'>, headSize: number): Float32Array {
  const { factor, betaFast, betaSlow, originalMaxPositions, theta, truncate } = rope;
  /** The pair of elements that turns this often over the original context. */
  const pairOfRotations = (rotations: number): number =>
    (headSize * Math.log(originalMaxPositions / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const [fast, slow] = [pairOfRotations(betaFast), pairOfRotations(betaSlow)];
  const low = Math.max(truncate ? Math.floor(fast) : fast, 0);
  const high = Math.min(truncate ? Math.ceil(slow) : slow, headSize - 1);
  // Without a range the ramp is a step; this width is transformers' choice.
  const width = high === low ? 0.001 : high - low;
  return wavelengths(theta, headSize).map((wavelength, i) => {
    const interpolated = Math.min(Math.max((i - low) / width, 0), 1);
    return interpolated / (factor * wavelength) + (1 - interpolated) / wavelength;
  });
}
