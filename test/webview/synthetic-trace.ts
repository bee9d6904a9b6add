import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { toHalf } from '../../trace/half.ts';
import { writeTraceFile } from '../../trace/file.ts';
import { massGroups, schemaVersion, type RunMetadata, type TensorName, type TraceToken } from '../../trace/schema.ts';
import { bytesOf, type TraceTensor } from '../../trace/writer.ts';
import type { SyntheticStages } from './synthetic-fates.ts';

/** The shape of a run whose numbers are drawn at random: for sizes and texts that the bundled model does not give. */
export interface SyntheticShape {
  readonly layers: number;
  readonly heads: number;
  readonly visionLayers: number;
  readonly visionHeads: number;
  /** Of the vision tower's MLP; absent as in traces that do not say it. */
  readonly visionIntermediateSize?: number;
  readonly grid: { readonly rows: number; readonly columns: number };
  readonly leading: number;
  readonly answer: readonly string[];
  readonly question?: readonly string[];
  readonly rollout: boolean;
  readonly metadata?: Partial<RunMetadata>;
  /** What a token method did. */
  readonly stages?: SyntheticStages;
  /** Added to the tensors that every trace has. */
  readonly tensors?: Partial<Record<TensorName, TraceTensor>>;
  /** A patch that takes this much of every row, to stand out as an outlier. */
  readonly outlier?: { readonly patch: number; readonly mass: number };
}

export const smallShape: SyntheticShape = {
  layers: 4,
  heads: 3,
  visionLayers: 3,
  visionHeads: 4,
  grid: { rows: 12, columns: 12 },
  leading: 0,
  answer: [' A', ' green', ' apple', '.', '</s>'],
  rollout: true,
};

function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function tokensOf(
  { answer, question = ['\n', 'What', ' is', ' this', '?'] }: SyntheticShape,
  visual: number,
): TraceToken[] {
  const first = 3;
  const prompt: Pick<TraceToken, 'text' | 'role' | 'position'>[] = [
    { text: '<s>', role: 'bos', position: 0 },
    { text: 'USER:', role: 'system', position: 1 },
    { text: ' ', role: 'system', position: 2 },
    ...question.map((text, i) => ({ text, role: 'question' as const, position: first + visual + i })),
    { text: ' ASSISTANT:', role: 'system', position: first + visual + question.length },
  ];
  const start = first + visual + question.length + 1;
  const generated = answer.map((text, i): TraceToken => {
    const probability = 0.95 - (0.5 * ((i * 7) % 10)) / 10;
    return {
      id: 100 + i,
      text,
      role: 'generated',
      position: start + i,
      logprob: Math.log(probability),
      alternatives: [text, ' other', '<b>x</b>', '"', '\n'].map((other, k) => ({
        id: k === 0 ? 100 + i : 900 + k,
        text: other,
        logprob: Math.log(k === 0 ? probability : ((1 - probability) * 0.4) / k),
      })),
    };
  });
  return [...prompt.map((token, i): TraceToken => ({ id: i + 1, ...token })), ...generated];
}

/** Writes a random but consistent trace: every row sums to 1 over image and text. */
export async function writeSyntheticTrace(
  path: string,
  shape: SyntheticShape,
  pictureFile: string,
): Promise<RunMetadata> {
  const { layers, heads, grid, leading, visionLayers, visionHeads, outlier } = shape;
  const random = randomNumbers(7);
  const patches = grid.rows * grid.columns;
  const visual = patches + leading;
  const tokens = tokensOf(shape, visual);
  const rows = tokens.length - 1;
  const picture = await readFile(pictureFile);
  const metadata: RunMetadata = {
    schema: schemaVersion,
    id: `synthetic-${layers}-${heads}-${tokens.length}`,
    created: '2026-01-02T03:04:05Z',
    status: { state: 'complete' },
    producer: { name: 'synthetic', version: '0' },
    engine: { name: 'random numbers', version: '0', device: 'none', hardware: 'none', threads: 1, arithmetic: 'F32' },
    model: {
      name: 'synthetic',
      folder: 'synthetic',
      bundled: false,
      architecture: 'llava',
      parameters: 1,
      storedPrecision: 'F16',
      digest: '0'.repeat(64),
      vision: {
        layers: visionLayers,
        heads: visionHeads,
        hiddenSize: 8,
        ...(shape.visionIntermediateSize !== undefined && { intermediateSize: shape.visionIntermediateSize }),
        featureLayers: [visionLayers - 2],
        selectStrategy: leading ? 'full' : 'default',
      },
      decoder: {
        layers,
        heads,
        keyValueHeads: heads,
        headSize: 8,
        hiddenSize: heads * 8,
        intermediateSize: heads * 22,
        vocabularySize: 1280,
      },
    },
    method: { name: 'none', parameters: {} },
    image: {
      name: 'scene-04.png',
      digest: '1'.repeat(64),
      bytes: picture.length,
      format: 'png',
      width: 1008,
      height: 1008,
      notes: [],
      display: { mime: 'image/png', width: 1008, height: 1008 },
      input: { width: grid.columns * 2, height: grid.rows * 2 },
      crop: { x: 0, y: 0, width: 1008, height: 1008 },
    },
    prompt: { question: 'What is this?', text: 'USER: <image>\nWhat is this? ASSISTANT:', templateSource: 'synthetic' },
    generation: { maxNewTokens: 600, sampling: { mode: 'greedy' }, stop: 'end-of-sequence' },
    visual: { first: 3, count: visual, leading, grid },
    tokens,
    promptTokens: tokens.filter(token => token.role !== 'generated').length,
    answer: shape.answer.join('').trim(),
    ms: { load: 1, vision: 2, prefill: 3, decode: 4, total: 10 },
    attention: { precision: 'F16', sumTolerance: 0.01 },
    keyValueCacheBytes: 1,
    ...(shape.stages
      ? {
          reduction: shape.stages.reduction({
            layers,
            visionLayers,
            text: tokens.filter(({ role }) => role !== 'generated').length,
            decodeSteps: shape.answer.length - 1,
            cacheBytes: 2 * heads * 8 * 4,
          }),
        }
      : {}),
    ...shape.metadata,
  };
  const toImage = new Float32Array(rows * layers * heads * visual);
  const toText = new Float32Array(rows * layers * tokens.length);
  const mass = new Float32Array(rows * layers * heads * massGroups.length);
  for (let row = 0; row < rows; row++) {
    const sees = tokens[row]!.position >= metadata.visual.first;
    for (let layer = 0; layer < layers; layer++)
      for (let head = 0; head < heads; head++) {
        const start = ((row * layers + layer) * heads + head) * visual;
        const masses = (row * layers + layer) * heads * massGroups.length + head * massGroups.length;
        const image = sees ? 0.02 + 0.9 * random() : 0;
        if (sees)
          spread(toImage, start, visual, image, random, outlier && { ...outlier, patch: outlier.patch + leading });
        const text = spreadText(tokens, row, 1 - image, random);
        for (let token = 0; token <= row; token++) {
          toText[(row * layers + layer) * tokens.length + token]! += text[token]! / heads;
          mass[masses + massGroups.indexOf(tokens[token]!.role)]! += text[token]!;
        }
        mass[masses] = image;
      }
  }
  const cls = new Float32Array(visionLayers * visionHeads * patches);
  const self = new Float32Array(visionLayers * visionHeads);
  for (let i = 0; i < self.length; i++) {
    self[i] = 0.1 + 0.2 * random();
    spread(cls, i * patches, patches, 1 - self[i]!, random);
  }
  const rollout = new Float32Array(visionLayers * patches);
  for (let layer = 0; layer < visionLayers; layer++) spread(rollout, layer * patches, patches, 0.7, random);
  const halves = (values: Float32Array, dims: number[]): TraceTensor => ({
    dtype: 'F16',
    shape: dims,
    data: bytesOf(toHalf(values)),
  });
  const floats = (values: Float32Array, dims: number[]): TraceTensor => ({
    dtype: 'F32',
    shape: dims,
    data: bytesOf(values),
  });
  const { input } = metadata.image;
  await mkdir(dirname(path), { recursive: true });
  await writeTraceFile(path, metadata, {
    'image.input': {
      dtype: 'U8',
      shape: [input.height, input.width, 3],
      data: new Uint8Array(input.height * input.width * 3),
    },
    'image.display': { dtype: 'U8', shape: [picture.length], data: new Uint8Array(picture) },
    'vision.cls_attention': halves(cls, [visionLayers, visionHeads, patches]),
    'vision.cls_self_attention': floats(self, [visionLayers, visionHeads]),
    ...(shape.rollout ? { 'vision.rollout': floats(rollout, [visionLayers, patches]) } : {}),
    'decoder.attention_to_image': halves(toImage, [rows, layers, heads, visual]),
    'decoder.attention_to_text': halves(toText, [rows, layers, tokens.length]),
    'decoder.attention_mass': floats(mass, [rows, layers, heads, massGroups.length]),
    ...shape.stages?.tensors(),
    ...shape.tensors,
  });
  return metadata;
}

/** Spreads `amount` over values, unevenly; an outlier takes its part first. */
function spread(
  values: Float32Array,
  start: number,
  length: number,
  amount: number,
  random: () => number,
  outlier?: { patch: number; mass: number },
): void {
  const centre = Math.floor(random() * length);
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const value = 0.02 + random() * 0.1 + 4 * Math.exp(-((i - centre) ** 2) / 3);
    values[start + i] = value;
    sum += value;
  }
  const taken = outlier ? Math.min(1, outlier.mass) * amount : 0;
  for (let i = 0; i < length; i++) values[start + i]! *= (amount - taken) / sum;
  if (outlier) values[start + outlier.patch]! += taken;
}

function spreadText(tokens: readonly TraceToken[], row: number, amount: number, random: () => number): Float32Array {
  const text = new Float32Array(tokens.length);
  let sum = 0;
  for (let token = 0; token <= row; token++)
    sum += text[token] = (tokens[token]!.role === 'bos' ? 2 : 0.2) * random() + 0.01;
  for (let token = 0; token <= row; token++) text[token]! *= amount / sum;
  return text;
}
