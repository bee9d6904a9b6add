import { inkOn, tableIndex } from './colour-map.ts';

/** Below it, a colour of the 256 is hardly told from none. */
const faintest = 6;

/**
 * What the token strip paints under each word.
 * @param colours of the map, [256 * 3]
 * @returns "background/ink"; empty for a value close to 0 on the scale up to `maximum`
 */
export function wordColours(values: readonly number[], maximum: number, colours: Uint8ClampedArray): string[] {
  return values.map(value => {
    const index = tableIndex(value, maximum);
    if (index < faintest) return '';
    const [r, g, b] = colours.subarray(index * 3, index * 3 + 3);
    return `rgb(${r} ${g} ${b})/${inkOn(colours, index)}`;
  });
}
