/** FlexAttention of the bundled weights on the golden scenes, from the PNG to the trace (README.md). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFloats } from '../../native/cli/trace-values.ts';
import { openTraceFile } from '../../trace/file.ts';
import { selectedTokens } from '../../trace/high-resolution.ts';
import { bundledRuns } from './bundled-runs.ts';
import { largestDifference, readGolden } from './golden-file.ts';
import { stills as scenes } from './golden-scenes.ts';

const tolerance = 2e-3;
/** Where two cells are nearly equal, the 58th may differ (README.md). */
const leastEqualCells = 57;

const { analyze } = bundledRuns();

for (const { file, stem, question, flex_generated: answer } of scenes) {
  test(`${file}: logits, answer and selected cells are those of the training code`, async t => {
    const golden = readGolden(new URL(`${stem}.safetensors`, import.meta.url));
    const { analysis, logits } = await analyze(file, question, { method: { name: 'flexattention' } });
    const { metadata, tracePath } = analysis;
    const difference = largestDifference(logits[0]!, golden('flex_logits_last').data);
    t.diagnostic(`largest difference of logits: ${difference.toExponential(1)}`);
    assert.ok(difference < tolerance, `logits differ by ${difference}`);
    assert.equal(analysis.answer, answer);
    const generated = metadata.tokens.slice(metadata.promptTokens).map(({ id }) => id);
    assert.deepEqual(generated.slice(0, -1), [...golden('flex_generated_ids').data]);

    const trace = await openTraceFile(tracePath);
    t.after(() => trace.close());
    const { layers, attending, cells, grid } = metadata.highResolution!;
    assert.deepEqual(layers, [3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert.deepEqual(attending, layers.slice(1));
    const flags = await readFloats(trace, 'high_resolution.cells', [[0, 1]]);
    const chosen = golden('flex_selected_cells');
    const raster = golden('flex_selected_hr');
    layers.forEach((_, row) => {
      const own = flags.subarray(row * 576, (row + 1) * 576);
      assert.equal(
        own.reduce((sum, value) => sum + value, 0),
        58,
      );
      const equal = chosen.data.subarray(row * 58, (row + 1) * 58).filter(cell => own[cell] === 1).length;
      assert.ok(equal >= leastEqualCells, `layer ${layers[row]!}: ${equal} cells`);
      if (row === layers.length - 1 || equal < 58) return;
      const mask = selectedTokens(own, { grid, cells });
      const indices = [...mask.keys()].filter(token => mask[token]);
      assert.deepEqual(indices, [...raster.data.subarray(row * 522, (row + 1) * 522)]);
    });
    const mass = await readFloats(trace, 'high_resolution.mass');
    for (let row = 0; row < mass.length; row += 6) {
      const sum = mass.subarray(row, row + 6).reduce((total, value) => total + value, 0);
      assert.ok(Math.abs(sum - 1) < 1e-5, `masses sum to ${sum}`);
    }
  });
}

test('high-resolution features are those of the training code', async () => {
  const golden = readGolden(new URL('scene-01.safetensors', import.meta.url));
  const method = { name: 'flexattention' };
  const { metadata, tracePath } = (await analyze('scene-01.png', scenes[0]!.question, { method })).analysis;
  const trace = await openTraceFile(tracePath);
  const norms = await readFloats(trace, 'high_resolution.feature_norm');
  await trace.close();
  const { data, shape } = golden('hr_features_f16');
  const width = shape[2]!;
  assert.equal(norms.length, metadata.highResolution!.grid.rows * metadata.highResolution!.grid.columns);
  norms.forEach((norm, token) => {
    const expected = Math.hypot(...data.subarray(token * width, (token + 1) * width));
    assert.ok(Math.abs(norm - expected) < 2e-3 * expected, `token ${token}: ${norm}, expected ${expected}`);
  });
});

test('selecting nothing gives the logits of no method, bit for bit', async () => {
  const { file, question } = scenes[0]!;
  const plain = await analyze(file, question, { traced: false });
  const empty = await analyze(file, question, {
    method: { name: 'flexattention', parameters: { source: 'none' } },
    traced: false,
  });
  assert.deepEqual(empty.logits, plain.logits);
});

test('projecting at every step, as the official code does, changes no logit beyond rounding', async () => {
  const { file, question } = scenes[1]!;
  const kept = await analyze(file, question, { method: { name: 'flexattention' }, traced: false });
  const anew = await analyze(file, question, {
    method: { name: 'flexattention', parameters: { keep: false } },
    traced: false,
  });
  assert.equal(anew.logits.length, kept.logits.length);
  kept.logits.forEach((logits, step) => {
    assert.ok(largestDifference(logits, anew.logits[step]!) < 1e-4);
  });
});
