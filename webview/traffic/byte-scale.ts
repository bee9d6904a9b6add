/** One logarithmic scale of bytes for the matrices of all runs, so that they can be compared by colour. */
import { interpolateViridis } from 'd3';
import { colourTable, inkOn, mapSize, type Scheme } from '../colour/colour-map.ts';

export interface ByteScale {
  /** Powers of ten around everything that is shown. */
  readonly low: number;
  readonly high: number;
  fill(bytes: number): string;
  /** Class of text that is to be read on the fill. */
  ink(bytes: number): 'on-bright' | 'on-dark';
}

/** The end of the map that is hard to tell from the page is left out. */
const firstShare = 0.15;

export function byteScale(values: readonly number[], scheme: Scheme): ByteScale {
  const sent = values.filter(value => value > 0);
  const low = sent.length > 0 ? 10 ** Math.floor(Math.log10(Math.min(...sent))) : 1;
  const high = sent.length > 0 ? Math.max(10 * low, 10 ** Math.ceil(Math.log10(Math.max(...sent)))) : 10;
  const colours = colourTable(scheme, interpolateViridis);
  const indexOf = (bytes: number): number => {
    const t = Math.log(Math.max(low, bytes) / low) / Math.log(high / low);
    return Math.round((firstShare + (1 - firstShare) * Math.min(1, t)) * (mapSize - 1));
  };
  return {
    low,
    high,
    fill: bytes => {
      const at = indexOf(bytes) * 3;
      return `rgb(${colours[at]} ${colours[at + 1]} ${colours[at + 2]})`;
    },
    ink: bytes => (inkOn(colours, indexOf(bytes)) === '#000' ? 'on-bright' : 'on-dark'),
  };
}
