/** What a user's method asked of the layers, checked before any of them runs. */
import type { DecoderNeeds, VisionNeeds } from '../method.ts';
import { badAnswer, requireFields, type Fields } from './parse-own-plan.ts';

/** @param where the function, for the error @throws FoveaError `method-failed` */
export function parseVisionNeeds(value: unknown, layers: number, where: string): (VisionNeeds | undefined)[] {
  return needsByLayer(value, 'visionNeeds', layers, where, ({ at, hidden, keys, clsAttention }, place) => {
    if (at !== 'inside' && at !== 'after') throw badAnswer(where, `has ${place} without at, "inside" or "after"`);
    return { at, hidden: hidden === true, keys: keys === true, clsAttention: clsAttention === true };
  });
}

/** @param where the function, for the error @throws FoveaError `method-failed` */
export function parseDecoderNeeds(value: unknown, layers: number, where: string): (DecoderNeeds | undefined)[] {
  return needsByLayer(value, 'decoderNeeds', layers, where, ({ attention, hidden }, place) => {
    if (attention === undefined) return { hidden: hidden === true };
    if (attention === 'last' || attention === 'text' || attention === 'all') {
      return { attention, hidden: hidden === true };
    }
    throw badAnswer(where, `has ${place} with attention that is none of "last", "text" and "all"`);
  });
}

function needsByLayer<T>(
  value: unknown,
  name: string,
  layers: number,
  where: string,
  parse: (needs: Fields, place: string) => T,
): (T | undefined)[] {
  if (!Array.isArray(value)) throw badAnswer(where, `has ${name} that are no list by layer`);
  if (value.length > layers) throw badAnswer(where, `has ${name} for ${value.length} layers, but there are ${layers}`);
  return Array.from(value as unknown[], (needs, layer) => {
    if (needs === undefined || needs === null) return undefined;
    const place = `${name}[${layer}]`;
    return parse(requireFields(needs, `${place} of ${where}`), place);
  });
}
