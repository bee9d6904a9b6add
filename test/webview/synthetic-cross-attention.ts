/** Runs that read a long visual input, of any size, with numbers at random: for what the bundled model may not give. */
import sharp from 'sharp';
import { crossMaps, crossTokens, type CrossAttention } from '../../trace/cross-attention.ts';
import { toHalf } from '../../trace/half.ts';
import type { TensorName } from '../../trace/schema.ts';
import { bytesOf, type TraceTensor } from '../../trace/writer.ts';

export function describedCross(change: Partial<CrossAttention> = {}): CrossAttention {
  return {
    input: 'high-resolution',
    layers: [1, 3],
    heads: 3,
    keyValueHeads: 3,
    headSize: 8,
    gates: [0.25, -0.5],
    firstRow: 3,
    grid: { rows: 36, columns: 36 },
    tiles: { rows: 3, columns: 3, side: 336 },
    crop: { x: 0, y: 0, width: 1008, height: 1008 },
    maps: 'heads',
    frames: [],
    framesAvailable: 0,
    sources: ['/pictures/scene.png'],
    weights: 'synthetic.safetensors',
    ms: { encode: 900, project: 200, read: 90 },
    cacheBytes: 1_000_000,
    notes: ['A note of the run.'],
    ...change,
  };
}

/** Plain colours with a white bar that grows from frame to frame. */
export async function framePictures(count: number): Promise<{ frames: CrossAttention['frames']; bytes: Uint8Array }> {
  const frames: CrossAttention['frames'][number][] = [];
  const pictures: Buffer[] = [];
  let offset = 0;
  for (let index = 0; index < count; index++) {
    const background = { r: (index * 80) % 256, g: 90, b: 200 - ((index * 40) % 160) };
    const bar = { create: { width: 8 + index * 6, height: 12, channels: 3, background: 'white' } } as const;
    const picture = await sharp({ create: { width: 96, height: 96, channels: 3, background } })
      .composite([{ input: bar, left: 4, top: 40 }])
      .webp()
      .toBuffer();
    const name = `clip.gif, frame ${index + 1} of ${count}`;
    const size = { width: 96, height: 96, offset, bytes: picture.length };
    frames.push({ name, number: index + 1, mime: 'image/webp', ...size });
    pictures.push(picture);
    offset += picture.length;
  }
  return { frames, bytes: new Uint8Array(Buffer.concat(pictures)) };
}

function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Every row looks at another place, which drifts from layer to layer and head to head. */
export function crossTensors(
  described: CrossAttention,
  rows: number,
  pictures?: Uint8Array,
): Partial<Record<TensorName, TraceTensor>> {
  const random = randomNumbers(5);
  const { layers, heads, frames } = described;
  const [tokens, maps, depth] = [crossTokens(described), crossMaps(described), layers.length];
  const values = new Float32Array(rows * depth * maps * tokens);
  const shares = new Float32Array(rows * depth * heads * frames.length);
  const change = new Float32Array(rows * depth).map(() => 0.01 + 0.2 * random());
  const perFrame = tokens / Math.max(1, frames.length);
  for (let index = 0; index < rows * depth; index++) {
    const byHead = Array.from({ length: heads }, (_, head) => {
      const own = new Float32Array(tokens).map(() => 0.2 + random());
      const peak = (index * 131 + head * 17) % tokens;
      own[peak] = tokens / 6;
      const sum = own.reduce((a, b) => a + b);
      return own.map(value => value / sum);
    });
    byHead.forEach((own, head) => {
      for (let frame = 0; frame < frames.length; frame++)
        shares[(index * heads + head) * frames.length + frame] = own
          .subarray(frame * perFrame, (frame + 1) * perFrame)
          .reduce((a, b) => a + b, 0);
    });
    const kept =
      maps === 1 ? [byHead[0]!.map((_, i) => byHead.reduce((sum, own) => sum + own[i]! / heads, 0))] : byHead;
    kept.forEach((own, map) => {
      values.set(own, (index * maps + map) * tokens);
    });
  }
  return {
    'cross_attention.to_tokens': { dtype: 'F16', shape: [rows, depth, maps, tokens], data: bytesOf(toHalf(values)) },
    'cross_attention.change': { dtype: 'F32', shape: [rows, depth], data: bytesOf(change) },
    ...(frames.length > 0 && {
      'cross_attention.frame_share': {
        dtype: 'F32',
        shape: [rows, depth, heads, frames.length],
        data: bytesOf(shares),
      },
    }),
    ...(pictures && {
      'cross_attention.pictures': { dtype: 'U8', shape: [pictures.length], data: pictures },
    }),
  };
}
