/** MustDrop's spatial merge (arXiv 2411.10803, section 3.2): windows whose patches look alike become one token each. */
import { FoveaError } from '../../errors.ts';
import type { TokenGroup } from '../method.ts';
import { rankedIndices } from '../top-indices.ts';

/** torch's `cosine_similarity` keeps lengths from being smaller. */
const smallestLength = 1e-8;

export interface WindowGrid {
  readonly side: number;
  readonly window: number;
}

/** @throws FoveaError `usage` where windows do not tile the grid */
export function windowGrid({ rows, columns }: { rows: number; columns: number }, window: number): WindowGrid {
  if (rows !== columns) {
    throw new FoveaError(
      'usage',
      `MustDrop merges windows of a square grid of patches; this one is ${rows} x ${columns}.`,
      'Choose a model with square images, or another method.',
    );
  }
  if (rows % window !== 0) {
    const sizes = Array.from({ length: rows }, (_, index) => index + 1).filter(size => size > 1 && rows % size === 0);
    throw new FoveaError(
      'usage',
      `Windows of ${window} x ${window} do not tile the grid of ${rows} x ${columns} patches.`,
      `Set window to one of ${sizes.join(', ')}.`,
    );
  }
  return { side: rows, window };
}

/** Patches of every window, both in raster order. */
function windowsOf({ side, window }: WindowGrid): number[][] {
  const across = side / window;
  return Array.from({ length: across * across }, (_, index) => {
    const top = Math.floor(index / across) * window;
    const left = (index % across) * window;
    return Array.from(
      { length: window * window },
      (_, place) => (top + Math.floor(place / window)) * side + left + (place % window),
    );
  });
}

export interface WindowSimilarity {
  /** [windows], mean cosine over all pairs of different patches */
  readonly ofWindow: Float32Array;
  /** [patches], mean cosine to the other patches of the window */
  readonly ofPatch: Float32Array;
}

/** @param hidden [1 + patches, channels], CLS first */
export function windowSimilarity(hidden: Float32Array, grid: WindowGrid): WindowSimilarity {
  const patches = grid.side ** 2;
  const channels = hidden.length / (1 + patches);
  const windows = windowsOf(grid);
  const ofWindow = new Float32Array(windows.length);
  const ofPatch = new Float32Array(patches);
  const dot = (a: number, b: number): number => {
    let sum = 0;
    const [first, second] = [(1 + a) * channels, (1 + b) * channels];
    for (let channel = 0; channel < channels; channel++) sum += hidden[first + channel]! * hidden[second + channel]!;
    return sum;
  };
  const lengths = Float64Array.from({ length: patches }, (_, patch) =>
    Math.max(Math.sqrt(dot(patch, patch)), smallestLength),
  );
  windows.forEach((members, index) => {
    const others = members.length - 1;
    let total = 0;
    for (const patch of members) {
      let sum = 0;
      for (const other of members) {
        if (other !== patch) sum += dot(patch, other) / (lengths[patch]! * lengths[other]!);
      }
      total += sum;
      ofPatch[patch] = sum / others;
    }
    ofWindow[index] = total / (members.length * others);
  });
  return { ofWindow, ofPatch };
}

export interface WindowMerge {
  readonly windows: readonly (readonly number[])[];
  /** Windows that merge, most alike first. */
  readonly merged: readonly number[];
  /** Merged windows by falling similarity, then the other patches in raster order. */
  readonly groups: readonly TokenGroup[];
}

/** Windows that reach the threshold merge into the mean of their patches. */
export function mergeWindows(ofWindow: Float32Array, grid: WindowGrid, threshold: number): WindowMerge {
  const windows = windowsOf(grid);
  // Similarities are float32; so is the published comparison.
  const merged = rankedIndices(ofWindow).filter(index => ofWindow[index]! >= Math.fround(threshold));
  const gone = new Set(merged.flatMap(index => windows[index]!));
  const rest = Array.from({ length: grid.side ** 2 }, (_, patch) => patch).filter(patch => !gone.has(patch));
  return {
    windows,
    merged,
    groups: [...merged.map(index => ({ members: windows[index]! })), ...rest.map(patch => ({ members: [patch] }))],
  };
}
