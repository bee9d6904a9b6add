/** How a checkpoint wants images prepared, as its Hugging Face image processor is configured. */
import { isJsonObject, readCheckpointJson, type JsonObject } from '../checkpoint-file.ts';
import { FoveaError } from '../errors.ts';
import { resamplingFilters, type ResamplingFilter } from './resample.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Steps run in this order; an absent one is not done. */
export interface ProcessorSettings {
  /** Where these settings were read. */
  readonly source: string;
  /** Pads to a square with the mean colour. */
  readonly pad: boolean;
  readonly resize?: { readonly to: Size | { readonly shortestEdge: number }; readonly filter: ResamplingFilter };
  readonly crop?: Size;
  /** Multiplier that takes 0 … 255 to the range that `normalize` expects. */
  readonly rescale?: number;
  readonly normalize?: { readonly mean: Triple; readonly deviation: Triple };
  /** Colour of the padding, 0 … 1. */
  readonly mean: Triple;
}

export type Triple = readonly [red: number, green: number, blue: number];

/** Colour statistics of CLIP's training images (OpenAI), the default of `CLIPImageProcessor`. */
const clipMean: Triple = [0.48145466, 0.4578275, 0.40821073];
const clipDeviation: Triple = [0.26862954, 0.26130258, 0.27577711];
const bicubic = 3;
const largestSide = 16384;

/**
 * Settings from `preprocessor_config.json`, else from `image_processor` in `processor_config.json`, of the first folder that has
 * either, else CLIP's own for this input size.
 * @param padded to a square, whatever the settings say
 * @throws FoveaError `checkpoint-malformed` naming the field
 */
export async function readProcessorSettings(
  folders: readonly string[],
  imageSize: number,
  padded = false,
): Promise<ProcessorSettings> {
  const settings =
    (await storedSettings(folders, imageSize)) ?? parseProcessorSettings({}, imageSize, 'defaults of CLIP');
  return padded ? { ...settings, pad: true } : settings;
}

async function storedSettings(folders: readonly string[], imageSize: number): Promise<ProcessorSettings | undefined> {
  for (const folder of folders) {
    const own = await readCheckpointJson(folder, 'preprocessor_config.json');
    if (own) return parseProcessorSettings(own, imageSize, 'preprocessor_config.json');
    const nested = (await readCheckpointJson(folder, 'processor_config.json'))?.['image_processor'];
    if (isJsonObject(nested)) return parseProcessorSettings(nested, imageSize, 'processor_config.json');
  }
  return undefined;
}

/** @throws FoveaError `checkpoint-malformed` */
export function parseProcessorSettings(config: JsonObject, imageSize: number, source: string): ProcessorSettings {
  const field = new FieldReader(config, source);
  const mean = field.triple('image_mean', clipMean);
  const size = field.size('size', { shortest_edge: imageSize });
  return {
    source,
    mean,
    pad: field.flag('do_pad', false),
    ...(field.flag('do_resize', true) && { resize: { to: size, filter: field.filter('resample') } }),
    ...(field.flag('do_center_crop', true) && { crop: field.square('crop_size', imageSize) }),
    ...(field.flag('do_rescale', true) && { rescale: field.amount('rescale_factor', 1 / 255) }),
    ...(field.flag('do_normalize', true) && {
      normalize: { mean, deviation: field.triple('image_std', clipDeviation) },
    }),
  };
}

class FieldReader {
  constructor(
    private readonly config: JsonObject,
    private readonly source: string,
  ) {}

  flag(name: string, fallback: boolean): boolean {
    const value = this.config[name] ?? fallback;
    return typeof value === 'boolean' ? value : this.fail(name, 'true or false');
  }

  amount(name: string, fallback: number): number {
    const value = this.config[name] ?? fallback;
    return typeof value === 'number' && Number.isFinite(value) ? value : this.fail(name, 'a number');
  }

  triple(name: string, fallback: Triple): Triple {
    const value = this.config[name] ?? fallback;
    const list: unknown[] = Array.isArray(value) ? value : [value, value, value];
    const [red, green, blue] = list;
    if (list.length !== 3 || typeof red !== 'number' || typeof green !== 'number' || typeof blue !== 'number') {
      return this.fail(name, 'three numbers');
    }
    return [red, green, blue];
  }

  filter(name: string): ResamplingFilter {
    const value = this.config[name] ?? bicubic;
    const known = Object.entries(resamplingFilters).find(([number]) => Number(number) === value);
    return known ? known[1] : this.fail(name, 'a number of PIL.Image.Resampling, 0 to 5');
  }

  size(name: string, fallback: JsonObject): Size | { readonly shortestEdge: number } {
    const value = this.config[name] ?? fallback;
    const shortest = isJsonObject(value) ? value['shortest_edge'] : value;
    if (shortest !== undefined && shortest !== null) return { shortestEdge: this.side(name, shortest) };
    return this.rectangle(name, value);
  }

  square(name: string, fallback: number): Size {
    const value = this.config[name] ?? fallback;
    if (isJsonObject(value) && value['height'] !== undefined) return this.rectangle(name, value);
    const side = this.side(name, isJsonObject(value) ? value['shortest_edge'] : value);
    return { width: side, height: side };
  }

  private rectangle(name: string, value: unknown): Size {
    if (!isJsonObject(value)) return this.fail(name, 'a size');
    return { width: this.side(name, value['width']), height: this.side(name, value['height']) };
  }

  private side(name: string, value: unknown): number {
    if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= largestSide) return value;
    return this.fail(name, `{"shortest_edge": N}, {"height": N, "width": N} or N, with N up to ${largestSide}`);
  }

  private fail(name: string, wanted: string): never {
    throw new FoveaError(
      'checkpoint-malformed',
      `"${name}" in ${this.source} is ${JSON.stringify(this.config[name])}; expected ${wanted}.`,
      'Compare the file with the one of the published model.',
    );
  }
}
