/** Costs of reading in high resolution, by the figures that the specification works out for LLaVA-1.5-7B. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ComparedSize,
  flexAttentionCosts,
  llavaHdCosts,
  lowResolutionCosts,
  readingMacs,
  reprojectingCosts,
} from '../../trace/high-resolution-costs.ts';
import { selectedTokens, selectionOverlap } from '../../trace/high-resolution.ts';

const llava7b: ComparedSize = {
  formula: 'F3',
  layers: 32,
  attending: 23,
  hiddenSize: 4096,
  intermediateSize: 11_008,
  sequence: 668,
  text: 92,
  highResolutionTokens: 5184,
  selected: 518,
};

test('LLaVA-1.5-7B: 4.44 TMAC in low resolution, 400 GMAC more a step where keys are projected anew', () => {
  const low = lowResolutionCosts(llava7b);
  assert.equal((low.prefill / 1e12).toFixed(2), '4.44');
  const anew = reprojectingCosts(llava7b);
  assert.equal(((anew.step - low.step) / 1e9).toFixed(0), '400');
});

test('projecting all tokens once costs 4.0 TMAC and pays off after ten forward passes', () => {
  const low = lowResolutionCosts(llava7b);
  const kept = flexAttentionCosts(llava7b);
  assert.equal(((kept.prefill - low.prefill) / 1e12).toFixed(1), '4.0');
  const anew = reprojectingCosts(llava7b);
  const passes = (kept.prefill - low.prefill) / (anew.step - kept.step);
  assert.ok(passes > 9 && passes < 11, `pays off after ${passes}`);
});

test('a run is charged for the projections and reads that it made, kept or anew', () => {
  const layers = Array.from({ length: 32 }, () => ({ sequence: 668 }));
  const reading = (cacheBytes: number, rows: 'last' | 'all'): { prefill: number; decode: number } =>
    readingMacs({
      model: { decoder: { hiddenSize: 4096, keyValueHeads: 32, headSize: 128 } },
      highResolution: {
        attending: Array.from({ length: 23 }, (_, index) => 9 + index),
        grid: { rows: 72, columns: 72 },
        meanSelected: 518,
        cacheBytes,
        rows,
      },
      reduction: { layers, decodeSteps: 10 },
    } as unknown as Parameters<typeof readingMacs>[0]);
  const keptBytes = 23 * 5184 * 2 * 4096 * 4;
  const low = lowResolutionCosts(llava7b);
  for (const all of [false, true]) {
    const kept = flexAttentionCosts(llava7b, all);
    const { prefill, decode } = reading(keptBytes, all ? 'all' : 'last');
    assert.ok(Math.abs(prefill / (kept.prefill - low.prefill) - 1) < 1e-6);
    assert.ok(Math.abs(decode / (10 * (kept.step - low.step)) - 1) < 1e-6);
  }
  const anew = reading(0, 'last');
  assert.equal((anew.prefill / 1e12).toFixed(3), '0.400');
  assert.equal((anew.decode / 10 / 1e9).toFixed(0), '400');
  const none = { model: {}, highResolution: undefined, reduction: undefined };
  assert.deepEqual(readingMacs(none as unknown as Parameters<typeof readingMacs>[0]), { prefill: 0, decode: 0 });
});

test('all high-resolution tokens in the sequence cost more than both', () => {
  const hd = llavaHdCosts(llava7b);
  assert.ok(hd.prefill > flexAttentionCosts(llava7b).prefill && hd.step > flexAttentionCosts(llava7b).step);
});

test('overlap is intersection over union; a cell covers its share of the grid', () => {
  assert.equal(selectionOverlap([1, 1, 0], [0, 1, 1]), 1 / 3);
  assert.ok(Number.isNaN(selectionOverlap([0, 0], [0, 0])));
  const mask = selectedTokens([0, 1, 0, 0], { grid: { rows: 4, columns: 4 }, cells: { rows: 2, columns: 2 } });
  assert.deepEqual([...mask], [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
});
