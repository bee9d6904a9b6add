/** Six golden scenes from the PNG to the trace, with the project's own decoding, resizing, prompt and engine. */
import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { test } from 'node:test';
import type { Analysis } from '../../native/analysis/pipeline.ts';
import { checkTrace } from '../../native/cli/trace-check.ts';
import { readFloats } from '../../native/cli/trace-values.ts';
import { openTraceFile } from '../../trace/file.ts';
import type { TraceReader } from '../../trace/reader.ts';
import { bundledRuns } from './bundled-runs.ts';
import { largestDifference, readGolden } from './golden-file.ts';
import { withAttention } from './golden-scenes.ts';

const tolerance = 2e-3;

const { pipeline, analyze } = bundledRuns();

/** Head mean of the attention of the last prompt token, put together from the trace: [layers, positions]. */
async function lastPromptRow({ metadata }: Analysis, trace: TraceReader): Promise<Float32Array> {
  const { visual, tokens, promptTokens, model } = metadata;
  const { layers, heads } = model.decoder;
  const row = promptTokens - 1;
  const positions = promptTokens + visual.count;
  const toImage = await readFloats(trace, 'decoder.attention_to_image', [[row, row + 1]]);
  const toText = await readFloats(trace, 'decoder.attention_to_text', [[row, row + 1]]);
  const rows = new Float32Array(layers * positions);
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < heads; head++) {
      for (let place = 0; place < visual.count; place++) {
        const value = toImage[(layer * heads + head) * visual.count + place]!;
        rows[layer * positions + visual.first + place]! += value / heads;
      }
    }
    for (let token = 0; token < promptTokens; token++) {
      rows[layer * positions + tokens[token]!.position] = toText[layer * tokens.length + token]!;
    }
  }
  return rows;
}

/** [layers, patches] */
async function clsHeadMean({ metadata }: Analysis, trace: TraceReader): Promise<Float32Array> {
  const { layers, heads } = metadata.model.vision;
  const attention = await readFloats(trace, 'vision.cls_attention');
  const patches = attention.length / layers / heads;
  const mean = new Float32Array(layers * patches);
  attention.forEach((value, index) => {
    mean[Math.floor(index / patches / heads) * patches + (index % patches)]! += value / heads;
  });
  return mean;
}

for (const { file, stem, question, generated } of withAttention) {
  test(`${file}: the answer, the logits and the recorded attention are those of transformers`, async t => {
    const golden = readGolden(new URL(`${stem}.safetensors`, import.meta.url));
    const { analysis, logits: steps } = await analyze(file, question);
    const { metadata } = analysis;
    assert.equal(analysis.answer, generated);
    assert.equal(analysis.state, 'complete');
    assert.deepEqual(
      metadata.tokens.slice(metadata.promptTokens).map(token => token.id),
      [...golden('generated_ids').data],
    );

    const trace = await openTraceFile(analysis.tracePath);
    t.after(() => trace.close());
    const logits = largestDifference(steps[0]!, golden('logits_last').data);
    const decoder = largestDifference(await lastPromptRow(analysis, trace), golden('dec_attn_last').data);
    const vision = largestDifference(await clsHeadMean(analysis, trace), golden('vit_cls_attn').data);
    t.diagnostic(
      `largest difference: logits ${logits.toExponential(1)}, decoder attention ${decoder.toExponential(1)}, CLS attention ${vision.toExponential(1)}`,
    );
    for (const [name, difference] of Object.entries({ logits, decoder, vision })) {
      assert.ok(difference < tolerance, `${name} differs by ${difference}`);
    }

    const numbers = await checkTrace(trace);
    for (const check of numbers.checks) {
      assert.ok(check.passed && check.rows > 0, `${check.name}: misses by ${check.largestMiss}`);
    }
    assert.ok(numbers.ok);
    assert.ok(metadata.attention.sumTolerance < 1e-3, `sumTolerance ${metadata.attention.sumTolerance}`);
    assert.equal((await stat(analysis.tracePath)).size, analysis.traceBytes);
    assert.deepEqual(trace.metadata, JSON.parse(JSON.stringify(metadata)));
  });
}

test('six analyses of one model loaded its weights once', () => {
  assert.equal(pipeline.model.loads, 1);
});
