import assert from 'node:assert/strict';
import { test } from 'node:test';
import { searchScale, type Attempt } from '../../native/methods/search-scale.ts';

/** Tries `count` between scales of -7 and 7, as MustDrop does. */
async function find(budget: number, count: (scale: number) => number): Promise<Attempt & { readonly trials: number }> {
  let trials = 0;
  const attempt = (scale: number): Promise<Attempt> => {
    trials++;
    return Promise.resolve({ scale, leaving: count(scale), entering: count(scale) });
  };
  const [low, high] = [{ scale: -7, leaving: count(-7) }, await attempt(7)];
  const found = await searchScale({ budget, attempt, low, high, guess: { scale: 0, step: 1.1 }, trials: 14 });
  return { ...found, trials };
}

const sigmoid = (scale: number): number => Math.round(50 + 526 / (1 + Math.exp(3 * scale - 4)));

test('a budget on a steady slope is met to a token in a few trials', async () => {
  for (const budget of [60, 64, 128, 192, 400, 570]) {
    const { leaving, trials } = await find(budget, sigmoid);
    assert.ok(leaving <= budget && leaving >= budget - 1, `${leaving} of ${budget}`);
    assert.ok(trials <= 9, `${trials} trials for ${budget}`);
  }
});

test('where counts jump over the budget, the count below the jump is taken', async () => {
  const { leaving, trials } = await find(300, scale => (scale < 0.737 ? 400 : 180));
  assert.equal(leaving, 180);
  assert.ok(trials <= 15);
});

test('where counts do not fall steadily, nothing above the budget is taken', async () => {
  const { leaving } = await find(200, scale => sigmoid(scale) + 40 * Math.sin(40 * scale));
  assert.ok(leaving <= 200 && leaving > 120, `${leaving}`);
});
