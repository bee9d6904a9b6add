/**
 * Pillow's 8-bit resampling, bit for bit: the image processors of Hugging Face resize with it, and a model's numbers
 * follow its rounding. Described from Pillow's documentation and behaviour; every filter is separable and antialiased.
 */

/** Numbers of PIL.Image.Resampling, as `resample` of a preprocessor_config.json spells them. */
export const resamplingFilters = {
  0: 'nearest',
  1: 'lanczos',
  2: 'bilinear',
  3: 'bicubic',
  4: 'box',
  5: 'hamming',
} as const;
export type ResamplingFilter = (typeof resamplingFilters)[keyof typeof resamplingFilters];

/** Rows of an RGB image that need not exist as one array: a padded image is never built. */
export interface RowSource {
  readonly width: number;
  readonly height: number;
  /** Writes row `y` as [width, 3] bytes into `target`. */
  readRow(y: number, target: Uint8Array): void;
}

/** Half-open rectangle of output pixels. */
export interface OutputWindow {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const channels = 3;
/** Fixed-point precision of a weight: 32 bits less 8 of the pixel and 2 of headroom for overshoot. */
const precisionBits = 32 - 8 - 2;

interface Kernel {
  /** Half-width in source pixels at scale 1. */
  readonly support: number;
  readonly weight: (x: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const cubicSharpness = -0.5;

const kernels: Record<Exclude<ResamplingFilter, 'nearest'>, Kernel> = {
  box: { support: 0.5, weight: x => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: x => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight: x => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x))),
  },
  bicubic: {
    support: 2,
    weight: signed => {
      const x = Math.abs(signed);
      const a = cubicSharpness;
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    },
  },
  lanczos: { support: 3, weight: x => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** For each output position of one axis: the first source position and its fixed-point weights. */
interface AxisWeights {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** [outputs, stride] */
  readonly weights: Int32Array;
  readonly stride: number;
}

function axisWeights(inputSize: number, outputSize: number, from: number, to: number, kernel: Kernel): AxisWeights {
  const scale = inputSize / outputSize;
  const filterScale = Math.max(scale, 1);
  const support = kernel.support * filterScale;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(to - from);
  const count = new Int32Array(to - from);
  const weights = new Int32Array((to - from) * stride);
  const raw = new Float64Array(stride);
  for (let index = 0; index < to - from; index++) {
    const centre = (from + index + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(inputSize, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let x = start; x < end; x++) {
      const weight = kernel.weight((x - centre + 0.5) * (1 / filterScale));
      raw[x - start] = weight;
      sum += weight;
    }
    first[index] = start;
    count[index] = end - start;
    for (let x = 0; x < end - start; x++) {
      const weight = (sum === 0 ? raw[x]! : raw[x]! / sum) * 2 ** precisionBits;
      weights[index * stride + x] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
  }
  return { first, count, weights, stride };
}

/** Resizes one row: [input width, 3] to [outputs, 3]. */
function resampleRow(row: Uint8Array, axis: AxisWeights, target: Uint8ClampedArray, targetOffset: number): void {
  const { first, count, weights, stride } = axis;
  let write = targetOffset;
  for (let x = 0; x < first.length; x++) {
    let red = 1 << (precisionBits - 1);
    let green = red;
    let blue = red;
    let read = first[x]! * channels;
    const end = x * stride + count[x]!;
    for (let k = x * stride; k < end; k++) {
      const weight = weights[k]!;
      red += row[read]! * weight;
      green += row[read + 1]! * weight;
      blue += row[read + 2]! * weight;
      read += channels;
    }
    target[write] = red >> precisionBits;
    target[write + 1] = green >> precisionBits;
    target[write + 2] = blue >> precisionBits;
    write += channels;
  }
}

/** Resizes along the height: rows [inputs, row bytes], whose first row is source row `firstRow`. */
function resampleColumns(rows: Uint8ClampedArray, rowBytes: number, firstRow: number, axis: AxisWeights): Uint8Array {
  const { first, count, weights, stride } = axis;
  const output = new Uint8ClampedArray(first.length * rowBytes);
  const sums = new Int32Array(rowBytes);
  for (let y = 0; y < first.length; y++) {
    sums.fill(1 << (precisionBits - 1));
    for (let k = 0; k < count[y]!; k++) {
      const weight = weights[y * stride + k]!;
      const read = (first[y]! - firstRow + k) * rowBytes;
      for (let x = 0; x < rowBytes; x++) sums[x]! += rows[read + x]! * weight;
    }
    const write = y * rowBytes;
    for (let x = 0; x < rowBytes; x++) output[write + x] = sums[x]! >> precisionBits;
  }
  return new Uint8Array(output.buffer);
}

/** Source position of each output position; the running sum rounds as Pillow's does. */
function nearestPositions(inputSize: number, outputSize: number, from: number, to: number): Int32Array {
  const scale = inputSize / outputSize;
  const positions = new Int32Array(to - from);
  let position = scale * 0.5;
  for (let index = 0; index < to; index++) {
    if (index >= from) positions[index - from] = Math.min(inputSize - 1, Math.floor(position));
    position += scale;
  }
  return positions;
}

function resampleNearest(source: RowSource, width: number, height: number, window: OutputWindow): Uint8Array {
  const columns = nearestPositions(source.width, width, window.left, window.right);
  const rows = nearestPositions(source.height, height, window.top, window.bottom);
  const output = new Uint8Array(rows.length * columns.length * channels);
  const row = new Uint8Array(source.width * channels);
  let write = 0;
  for (const y of rows) {
    source.readRow(y, row);
    for (const x of columns) {
      output.set(row.subarray(x * channels, (x + 1) * channels), write);
      write += channels;
    }
  }
  return output;
}

/**
 * Resizes to width x height and returns only the window of it, [window height, window width, 3]; nothing outside the
 * window is computed, so a crop of a very long strip stays cheap. Equal to Pillow's `Image.resize` in every byte.
 */
export function resample(
  source: RowSource,
  width: number,
  height: number,
  filter: ResamplingFilter,
  window: OutputWindow,
): Uint8Array {
  if (filter === 'nearest') return resampleNearest(source, width, height, window);
  const kernel = kernels[filter];
  const horizontal =
    width === source.width ? undefined : axisWeights(source.width, width, window.left, window.right, kernel);
  const vertical =
    height === source.height ? undefined : axisWeights(source.height, height, window.top, window.bottom, kernel);
  const last = window.bottom - window.top - 1;
  const firstRow = vertical ? vertical.first[0]! : window.top;
  const endRow = vertical ? vertical.first[last]! + vertical.count[last]! : window.bottom;

  const rowBytes = (window.right - window.left) * channels;
  const rows = new Uint8ClampedArray((endRow - firstRow) * rowBytes);
  const row = new Uint8Array(source.width * channels);
  for (let y = firstRow; y < endRow; y++) {
    source.readRow(y, row);
    const write = (y - firstRow) * rowBytes;
    if (horizontal) resampleRow(row, horizontal, rows, write);
    else rows.set(row.subarray(window.left * channels, window.right * channels), write);
  }
  return vertical ? resampleColumns(rows, rowBytes, firstRow, vertical) : new Uint8Array(rows.buffer);
}
