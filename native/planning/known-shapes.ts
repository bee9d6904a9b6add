/** Models that can be planned for without being there, by the sizes in their published configs. */
import { readCheckpointJson } from '../checkpoint-file.ts';
import { ConfigSection } from '../checkpoint/config-section.ts';
import { readLlavaLayout } from '../checkpoint/llava-layout.ts';
import { parseModelConfig } from '../checkpoint/parse-config.ts';
import { findVisionTower } from '../checkpoint/vision-tower.ts';
import { inverseFrequencies } from '../engine/rotary-embedding.ts';
import { FoveaError } from '../errors.ts';
import type { ModelShape } from '../methods/method.ts';
import { modelShape } from '../methods/model-shape.ts';
import { basename, dirname, resolve } from 'node:path';

const clipLarge: ModelShape['vision'] = {
  layers: 24,
  heads: 16,
  hiddenSize: 1024,
  intermediateSize: 4096,
  featureLayers: [22],
};
const plainFrequencies = [...inverseFrequencies({ kind: 'default', theta: 10000 }, 128, 4096)];
const vicuna7b: ModelShape['decoder'] = {
  layers: 32,
  heads: 32,
  keyValueHeads: 32,
  headSize: 128,
  hiddenSize: 4096,
  intermediateSize: 11008,
  ropeTheta: 10000,
  rotaryFrequencies: plainFrequencies,
};
const vicuna13b: ModelShape['decoder'] = {
  layers: 40,
  heads: 40,
  keyValueHeads: 40,
  headSize: 128,
  hiddenSize: 5120,
  intermediateSize: 13824,
  ropeTheta: 10000,
  rotaryFrequencies: plainFrequencies,
};

export interface KnownShape {
  readonly shape: ModelShape;
  readonly note?: string;
}

export const knownShapes: Readonly<Record<string, KnownShape>> = {
  'llava-1.5-7b': { shape: { grid: { rows: 24, columns: 24 }, vision: clipLarge, decoder: vicuna7b } },
  'llava-1.5-13b': { shape: { grid: { rows: 24, columns: 24 }, vision: clipLarge, decoder: vicuna13b } },
  'llava-next-7b': {
    shape: { grid: { rows: 120, columns: 24 }, vision: clipLarge, decoder: vicuna7b },
    note: 'Five crops of 576 visual tokens, taken as one list; each crop has a pass of the vision tower of its own.',
  },
};

/** @param name of a known shape, or the path of a config.json @throws FoveaError `usage` or those of reading a config */
export async function shapeOf(name: string): Promise<KnownShape> {
  const known = Object.hasOwn(knownShapes, name) ? knownShapes[name] : undefined;
  if (known) return known;
  const file = resolve(name);
  const config = name.endsWith('.json') ? await readCheckpointJson(dirname(file), basename(file)) : undefined;
  if (!config) {
    throw new FoveaError(
      'usage',
      `There is no shape "${name}".`,
      `Shapes: ${Object.keys(knownShapes).join(', ')}, or the path of a config.json.`,
    );
  }
  const layout = readLlavaLayout(new ConfigSection(config, basename(file)));
  const tower = layout && (await findVisionTower(dirname(file), layout, undefined));
  return { shape: modelShape(parseModelConfig({ config, tower }, true)) };
}
