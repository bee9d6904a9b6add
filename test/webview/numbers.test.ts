import assert from 'node:assert/strict';
import { test } from 'node:test';
import { massGroups } from '../../trace/schema.ts';
import { output, PanelFixture, picture, realTrace, textOf, tile, valuesOf, waitForText } from './panel-fixture.ts';
import { type OpenPanel } from './panel-rig.ts';
import { smallShape, writeSyntheticTrace } from './synthetic-trace.ts';

const fixture = PanelFixture.prepare();

const lineValues = async (panel: OpenPanel, name: string): Promise<string[]> =>
  (await panel.byTest(name).locator('.bar-line').allTextContents()).map(text => text.replaceAll('\u2009', ' '));

test('the readout shows the probabilities and masses that the trace holds', async () => {
  const apple = fixture.indexOf('apple');
  const { layers, heads } = fixture.metadata.model.decoder;
  const mass = await valuesOf(realTrace, 'decoder.attention_mass', [[apple - 1, apple]]);
  await fixture.withPanel(realTrace, {}, async panel => {
    await fixture.choose(panel, apple);
    await tile(panel, 'decoder', 9).click();
    const alternatives = fixture.metadata.tokens[apple]!.alternatives!;
    const shown = await lineValues(panel, 'alternatives');
    for (const [i, alternative] of alternatives.entries()) {
      const p = Math.exp(alternative.logprob);
      assert.ok(shown[i]!.includes(p < 0.00005 ? '< 0.0001' : p.toFixed(4)), `${shown[i]} for ${alternative.text}`);
    }
    const masses = await panel.page
      .locator('[data-testid="masses"] .value')
      .evaluateAll(nodes => nodes.map(node => Number((node as HTMLElement).dataset['value'])));
    for (const [i, group] of (['image', 'question', 'generated', 'system', 'bos'] as const).entries()) {
      let expected = 0;
      for (let head = 0; head < heads; head++)
        expected += mass[(9 * heads + head) * massGroups.length + massGroups.indexOf(group)]! / heads;
      assert.ok(Math.abs(masses[i]! - expected) < 1e-5, `${group}: ${masses[i]} instead of ${expected}`);
    }
    assert.equal(layers, 12);
    await waitForText(panel, 'readout', /row that predicts it/);
  });
});

test('hiding <s> and system hides exactly the mass that the trace gives them', async () => {
  const apple = fixture.indexOf('apple');
  const { heads } = fixture.metadata.model.decoder;
  const mass = await valuesOf(realTrace, 'decoder.attention_mass', [
    [apple - 1, apple],
    [9, 10],
  ]);
  const image = await valuesOf(realTrace, 'decoder.attention_to_image', [
    [apple - 1, apple],
    [9, 10],
  ]);
  let hidden = 0;
  for (let head = 0; head < heads; head++)
    for (const group of ['bos', 'system'] as const)
      hidden += mass[head * massGroups.length + massGroups.indexOf(group)]! / heads;
  const patches = image.length / heads;
  let peak = 0;
  for (let patch = 0; patch < patches; patch++) {
    let mean = 0;
    for (let head = 0; head < heads; head++) mean += image[head * patches + patch]! / heads;
    peak = Math.max(peak, mean);
  }
  await fixture.withPanel(realTrace, {}, async panel => {
    await fixture.choose(panel, apple);
    await tile(panel, 'decoder', 9).click();
    const box = panel.byTest('hide-text');
    const percent = (100 * hidden).toFixed(hidden >= 0.0995 ? 0 : 1);
    assert.equal(await textOf(panel, 'hide-text'), `Hide <s> and system (${percent} %)`);
    const maximum = async (): Promise<number> =>
      Number((await panel.byTest('legend').locator('.tick').allTextContents())[2]);
    assert.ok(Math.abs((await maximum()) - peak) < 6e-4);
    await box.click();
    assert.ok(Math.abs((await maximum()) - peak / (1 - hidden)) < 6e-4);
    assert.equal(await panel.byTest('legend-unit').textContent(), 'share of the rest');
    assert.match(await textOf(panel, 'readout-detail'), new RegExp(`<s> and system ${percent} %`));
  });
});

test('outlier patches are counted, hidden with their mass, and hatched', async () => {
  const trace = `${output}/outlier.fovea`;
  await writeSyntheticTrace(trace, { ...smallShape, leading: 1, outlier: { patch: 30, mass: 0.5 } }, picture);
  await fixture.withPanel(trace, {}, async panel => {
    const box = panel.byTest('hide-outliers');
    await waitForText(panel, 'hide-outliers', /\(1, /);
    const before = await panel.pixels('overlay-canvas');
    await box.click();
    assert.notEqual(await panel.pixels('overlay-canvas'), before);
    const share = /\(1, (.*)\)/.exec(await textOf(panel, 'hide-outliers'))![1]!;
    assert.ok((await textOf(panel, 'readout-detail')).includes(`outlier patches ${share}`));
  });
});

test('hovering a patch colours the tokens that looked there, by the numbers of the trace', async () => {
  const apple = fixture.indexOf('apple');
  const { heads } = fixture.metadata.model.decoder;
  const rows = fixture.metadata.tokens.length - 1;
  const slab = await valuesOf(realTrace, 'decoder.attention_to_image', [
    [0, rows],
    [9, 10],
  ]);
  const patches = slab.length / rows / heads;
  const row = apple - 1;
  const mean = (at: number, patch: number): number => {
    let sum = 0;
    for (let head = 0; head < heads; head++) sum += slab[(at * heads + head) * patches + patch]! / heads;
    return sum;
  };
  let peak = 0;
  for (let patch = 0; patch < patches; patch++) if (mean(row, patch) > mean(row, peak)) peak = patch;
  const readers = fixture.metadata.tokens.map((_, i) =>
    i < fixture.metadata.promptTokens ? mean(i, peak) : mean(i - 1, peak),
  );
  const best = readers.indexOf(Math.max(...readers));
  await fixture.withPanel(realTrace, {}, async panel => {
    await tile(panel, 'decoder', 9).click();
    await fixture.choose(panel, apple);
    const { columns } = fixture.metadata.visual.grid;
    const position = { x: (peak % columns) * 18 + 9, y: Math.floor(peak / columns) * 18 + 9 };
    await panel.byTest('patch-grid').hover({ position });
    await waitForText(panel, 'readout-detail', / · most for /);
    assert.ok(
      (await textOf(panel, 'readout-detail')).includes(`most for “${fixture.metadata.tokens[best]!.text.trim()}”`),
    );
    const colours = await panel.page
      .locator('[data-testid="token"]')
      .evaluateAll(nodes => nodes.map(node => (node as HTMLElement).style.backgroundColor));
    const threshold = Math.max(...readers.slice(1)) / 20;
    readers.forEach((value, i) => {
      if (i > 0 && value > threshold) assert.notEqual(colours[i], '', `token ${i} looked at the patch`);
      if (value === 0) assert.equal(colours[i], '', `token ${i} did not`);
    });
    await waitForText(panel, 'colour-note', /who looked at row/);
  });
});
