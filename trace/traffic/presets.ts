/**
 * The models and sizes of LV-XAttn's tables 2 to 4 (K = 1024). Heads come from the models' published configurations;
 * what neither the paper nor a configuration that we could read confirms is listed in `unverified`.
 */
import type { AttentionShape } from './schedule.ts';

export interface PresetSize {
  /** As the table names it: text tokens, frames. */
  readonly label: string;
  readonly queries: number;
  readonly keys: number;
}

export interface Preset {
  readonly name: string;
  readonly title: string;
  readonly shape: AttentionShape;
  /** Cross-attention layers, and all decoder blocks. */
  readonly layers: number;
  readonly blocks: number;
  readonly tokensPerFrame: number;
  /** Table 3: 16 A100. Table 4: 8 A30. */
  readonly sizes: Readonly<Record<'a100' | 'a30', readonly PresetSize[]>>;
  readonly unverified: readonly string[];
}

export const presetRanks = { a100: 16, a30: 8 } as const;
export type PresetCluster = keyof typeof presetRanks;

const K = 1024;

/** @param rows text tokens, frames; in units of 1 */
function sizesOf(tokensPerFrame: number, rows: readonly (readonly [text: number, frames: number])[]): PresetSize[] {
  const short = (count: number): string => (count % K === 0 ? `${count / K}K` : String(count));
  return rows.map(([text, frames]) => ({
    label: `${short(text)} text, ${short(frames)} frames`,
    queries: text,
    keys: frames * tokensPerFrame,
  }));
}

const owlSizes = {
  a100: sizesOf(729, [
    [8 * K, 4 * K],
    [8 * K, 2 * K],
    [4 * K, 2 * K],
  ]),
  a30: sizesOf(729, [
    [K, 512],
    [K, 256],
    [512, 256],
  ]),
};

const flamingoSizes = {
  a100: sizesOf(64, [
    [64 * K, 64 * K],
    [64 * K, 32 * K],
    [32 * K, 32 * K],
  ]),
  a30: sizesOf(64, [
    [8 * K, 8 * K],
    [8 * K, 4 * K],
    [4 * K, 4 * K],
  ]),
};

export const presets: readonly Preset[] = [
  {
    name: 'llama3-v',
    title: 'Llama 3-V 11b',
    shape: { queryHeads: 32, keyValueHeads: 8, headSize: 128 },
    layers: 8,
    blocks: 40,
    tokensPerFrame: 6404,
    sizes: {
      a100: sizesOf(6404, [
        [2 * K, 384],
        [2 * K, 192],
        [K, 192],
      ]),
      a30: sizesOf(6404, [
        [512, 64],
        [512, 32],
        [256, 32],
      ]),
    },
    unverified: [],
  },
  {
    name: 'mplug-owl3-7b',
    title: 'mPLUG-Owl3-7b',
    shape: { queryHeads: 28, keyValueHeads: 4, headSize: 128 },
    layers: 4,
    blocks: 28,
    tokensPerFrame: 729,
    sizes: owlSizes,
    unverified: [],
  },
  {
    name: 'mplug-owl3-2b',
    title: 'mPLUG-Owl3-2b',
    shape: { queryHeads: 12, keyValueHeads: 2, headSize: 128 },
    layers: 4,
    blocks: 28,
    tokensPerFrame: 729,
    sizes: owlSizes,
    unverified: ['key-value heads 2 and head size 128, taken from Qwen2-1.5B'],
  },
  {
    name: 'mplug-owl3-1b',
    title: 'mPLUG-Owl3-1b',
    shape: { queryHeads: 14, keyValueHeads: 2, headSize: 64 },
    layers: 4,
    blocks: 24,
    tokensPerFrame: 729,
    sizes: owlSizes,
    unverified: [],
  },
  {
    name: 'openflamingo-9b',
    title: 'OpenFlamingo-9b',
    shape: { queryHeads: 8, keyValueHeads: 8, headSize: 64 },
    layers: 8,
    blocks: 32,
    tokensPerFrame: 64,
    sizes: flamingoSizes,
    unverified: [],
  },
  {
    name: 'openflamingo-3b',
    title: 'OpenFlamingo-3b',
    shape: { queryHeads: 8, keyValueHeads: 8, headSize: 64 },
    layers: 24,
    blocks: 24,
    tokensPerFrame: 64,
    sizes: flamingoSizes,
    unverified: [],
  },
];
