import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../native/checkpoint-file.ts';
import { highResolutionSize, runBytes } from '../../native/analysis/run-memory.ts';
import { copiedDescription, type LayerProjections } from '../../native/checkpoint/high-resolution-weights.ts';
import { parseModelConfig } from '../../native/checkpoint/parse-config.ts';
import { chooseMethod } from '../../native/methods/choose-method.ts';
import { knownShapes } from '../../native/planning/known-shapes.ts';

/** LLaVA-1.5-7B: 32 layers of 32 heads, 576 visual tokens, MLP of 11 008. */
const llava7b: JsonObject = { model_type: 'llava', text_config: { max_position_embeddings: 4096 } };
const config = parseModelConfig({ config: llava7b }, true);
const recorded = { visionLayers: 24, visionHeads: 16, patches: 576, layers: 32, heads: 32, visualTokens: 576 };
const size = (textTokens: number, traced: boolean): number =>
  runBytes(config, {
    promptLength: 576 + textTokens,
    textTokens,
    maxNewTokens: 64,
    recorded: traced ? recorded : undefined,
  });

test('a long question needs memory for the attention of its prefill, scores and softmax at once', () => {
  const scores = 32 * (576 + 3000) ** 2 * 4;
  const cache = (576 + 3064) * 32 * 2 * 4096 * 4;
  assert.ok(size(3000, false) > cache + 2 * scores, `${size(3000, false)} bytes`);
  // Traced: text rows of that attention, and what is kept of them, as rows and once more as one tensor.
  const rows = 32 * 3000 * (576 + 3000) * 4;
  const kept = 2 * 3000 * 32 * (32 * 576 + 3000) * 2;
  assert.ok(size(3000, true) > cache + 2 * scores + rows + kept, `${size(3000, true)} bytes`);
});

test('a question of a line is no reason to refuse a model that fits', () => {
  assert.ok(size(40, true) < 1.3e9, `${size(40, true)} bytes`);
  assert.ok(size(40, false) < 1e9, `${size(40, false)} bytes`);
});

test('a method that is handed all rows of attention needs memory for them, and in a thread of its own for copies', () => {
  const bytes = (method?: { allRows: boolean; copied: boolean }): number =>
    runBytes(config, { promptLength: 3576, textTokens: 3000, maxNewTokens: 1, recorded: undefined, method });
  const rows = 32 * 3576 * (3576 + 576) * 4;
  const copies = 2 * (32 * 3576 + 4096) * 576 * 4;
  assert.equal(bytes({ allRows: false, copied: false }), bytes());
  assert.ok(bytes({ allRows: true, copied: false }) - bytes() >= rows);
  assert.equal(bytes({ allRows: true, copied: true }) - bytes({ allRows: true, copied: false }), copies);
});

test('FastV by its paper reads all rows, by its code the last one', async () => {
  const { shape } = knownShapes['llava-1.5-7b']!;
  const allRows = async (variant: 'code' | 'paper'): Promise<boolean> => {
    const { method, setup } = await chooseMethod({ name: 'fastv', variant, budget: 192 }, shape, {
      before: 0,
      after: [],
    });
    return method.readsAllRows?.(setup.parameters) ?? false;
  };
  assert.deepEqual([await allRows('code'), await allRows('paper')], [false, true]);
});

test('high-resolution tokens that every row of the prompt reads need memory for that attention', async () => {
  const { shape } = knownShapes['llava-1.5-7b']!;
  const bytes = async (variant: 'code' | 'paper'): Promise<number> => {
    const { highResolution } = await chooseMethod({ name: 'flexattention', variant }, shape, { before: 0, after: [] });
    const description = copiedDescription(32);
    const layers = new Map(description.layers.map(layer => [layer, {} as LayerProjections]));
    const projections = { id: '', files: [], description, layers, requiredBytes: 0 };
    const image = { pixels: new Float32Array(), tiles: 3 };
    const high = { image, plan: highResolution!, projections };
    return highResolutionSize(config, high, { promptLength: 616, maxNewTokens: 1 }).memoryBytes;
  };
  const [code, paper] = [await bytes('code'), await bytes('paper')];
  assert.ok(paper - code > 2 * 32 * 615 * (616 + 5184) * 4, `${paper - code} bytes`);
});
