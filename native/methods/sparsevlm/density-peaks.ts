/**
 * Density peaks clustering with k nearest neighbours (DPC-kNN), as SparseVLM recycles dropped tokens with (arXiv 2410.04417,
 * section 3.4). The official code breaks ties by noise; here the lower index counts as denser, so that runs repeat.
 */
import { rankedIndices } from '../top-indices.ts';

export interface Clusters {
  /** [points], exp(-mean squared distance to the nearest ones) */
  readonly density: Float64Array;
  /** [points], distance to the nearest denser point; the largest distance of all for the densest */
  readonly delta: Float64Array;
  /** Points in the middle of clusters, by falling density x delta. */
  readonly centres: readonly number[];
  /** [points], index into `centres` */
  readonly clusterOf: Int32Array;
}

export type Assignment = 'euclidean' | 'cosine';

/** @param points [count, channels]; distances are divided by the root of the channels */
export function densityPeaks(points: Float32Array, count: number, clusters: number, assignment: Assignment): Clusters {
  const channels = points.length / count;
  const { distance, cosine } = likeness(points, count, channels);
  const density = Float64Array.from({ length: count }, (_, point) => {
    const nearest = distance
      .slice(point * count, (point + 1) * count)
      .sort()
      .subarray(0, clusters);
    return Math.exp(-nearest.reduce((sum, value) => sum + value * value, 0) / nearest.length);
  });
  const denser = (a: number, b: number): boolean => density[a]! > density[b]! || (density[a] === density[b] && a < b);
  const largest = distance.reduce((most, value) => Math.max(most, value), 0);
  const delta = Float64Array.from({ length: count }, (_, point) => {
    let least = Infinity;
    for (let other = 0; other < count; other++) {
      if (denser(other, point)) least = Math.min(least, distance[point * count + other]!);
    }
    return least === Infinity ? largest : least;
  });
  const centres = rankedIndices(density.map((value, point) => value * delta[point]!)).slice(0, clusters);
  const far = (point: number, centre: number): number =>
    assignment === 'cosine' ? -cosine[point * count + centre]! : distance[point * count + centre]!;
  const clusterOf = Int32Array.from({ length: count }, (_, point) => {
    const own = centres.indexOf(point);
    if (own >= 0) return own;
    return centres.reduce((best, centre, index) => (far(point, centre) < far(point, centres[best]!) ? index : best), 0);
  });
  return { density, delta, centres, clusterOf };
}

/** [count, count] each */
function likeness(
  points: Float32Array,
  count: number,
  channels: number,
): { readonly distance: Float64Array; readonly cosine: Float64Array } {
  const distance = new Float64Array(count * count);
  const cosine = new Float64Array(count * count);
  const length = Float64Array.from({ length: count }, (_, point) => Math.hypot(...row(points, point, channels)));
  for (let a = 0; a < count; a++) {
    for (let b = a; b < count; b++) {
      let squares = 0;
      let dot = 0;
      for (let i = 0; i < channels; i++) {
        const x = points[a * channels + i]!;
        const y = points[b * channels + i]!;
        squares += (x - y) * (x - y);
        dot += x * y;
      }
      distance[a * count + b] = distance[b * count + a] = Math.sqrt(squares / channels);
      cosine[a * count + b] = cosine[b * count + a] = dot / Math.max(length[a]! * length[b]!, Number.MIN_VALUE);
    }
  }
  return { distance, cosine };
}

function row(points: Float32Array, point: number, channels: number): Float32Array {
  return points.subarray(point * channels, (point + 1) * channels);
}
