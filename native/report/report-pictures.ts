/** All pictures of a report, made once for whichever formats show them. */
import { attentionStill, heatMap, type EncodedPicture } from './heat-pictures.ts';
import type { RunContent } from './run-content.ts';

export interface ReportPictures {
  readonly still: EncodedPicture;
  /** PNG, one pixel per patch, per decoder layer. */
  readonly layers: readonly Uint8Array[];
  /** PNG per entry of `content.tokens`, undefined where there is no map. */
  readonly tokens: readonly (Uint8Array | undefined)[];
}

export const maximumOf = (map: Float32Array): number => map.reduce((most, value) => Math.max(most, value), 0);

/** @param photographs `lossless` keeps the still a PNG, however large; @returns undefined where no answer was computed */
export async function drawPictures(
  content: RunContent,
  photographs: 'compact' | 'lossless',
): Promise<ReportPictures | undefined> {
  const { answer, metadata, display } = content;
  if (!answer) return undefined;
  const { grid } = metadata.visual;
  const map = answer.maps[answer.layer]!;
  const still = await attentionStill(
    { display, image: metadata.image, grid, map, maximum: maximumOf(map) },
    photographs === 'lossless',
  );
  const layers: Uint8Array[] = [];
  for (const layer of answer.maps) layers.push(await heatMap(layer, grid));
  const tokens: (Uint8Array | undefined)[] = [];
  for (const token of content.tokens) tokens.push(token.map && (await heatMap(token.map, grid)));
  return { still, layers, tokens };
}
