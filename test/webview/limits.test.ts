import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { output, PanelFixture, picture, realTrace, tile, token, waitForText } from './panel-fixture.ts';
import { smallShape, writeSyntheticTrace } from './synthetic-trace.ts';

const fixture = PanelFixture.prepare();

test('hostile tokens are shown as text, five hundred of them too', async () => {
  const hostile = [
    '<script>document.body.dataset.pwned = 1</script>',
    '<img src=x onerror="document.body.dataset.pwned = 1">',
    '"\'`&amp;',
    '\u202Eright to left\u202C',
    'שלום',
    '👩‍👩‍👧',
    '\u0000\u0007',
    '\n',
    'x'.repeat(3000),
  ];
  const trace = `${output}/hostile.fovea`;
  const answer = Array.from({ length: 500 }, (_, i) => hostile[i % hostile.length]!);
  const written = await writeSyntheticTrace(trace, { ...smallShape, answer, question: hostile }, picture);
  await fixture.withPanel(trace, {}, async panel => {
    assert.equal(await panel.byTest('token').count(), written.tokens.length);
    const first = written.promptTokens;
    assert.equal(await token(panel, first).locator('.text').textContent(), hostile[0]);
    assert.equal(
      await token(panel, first + 1)
        .locator('.text')
        .textContent(),
      hostile[1],
    );
    await token(panel, first).hover();
    await token(panel, first + 3).click();
    await panel.byTest('tokens').focus();
    await panel.page.keyboard.press('End');
    await panel.page.keyboard.press('t');
    assert.equal(await panel.byTest('chart-table').locator('tbody tr').count(), written.tokens.length);
    assert.equal(await panel.page.evaluate(`document.body.dataset.pwned ?? null`), null);
    assert.equal(await panel.page.locator('script').count(), 0, 'nothing but the panel is left in the page');
    const wide = await panel.page.evaluate(
      `document.documentElement.scrollWidth - document.documentElement.clientWidth`,
    );
    assert.equal(wide, 0);
  });
});

test('a large model stays paged: a hover reads one row, never the whole tensor', async () => {
  const trace = `${output}/large.fovea`;
  const answer = Array.from({ length: 31 }, (_, i) => ` word${i}`);
  const shape = {
    ...smallShape,
    layers: 32,
    heads: 32,
    visionLayers: 24,
    visionHeads: 16,
    grid: { rows: 24, columns: 24 },
    answer,
  };
  if (!existsSync(trace)) await writeSyntheticTrace(trace, shape, picture);
  const row = 32 * 32 * 576 * 2;
  await fixture.withPanel(trace, {}, async panel => {
    await panel.page.waitForTimeout(800);
    const opening = panel.sliceBytes;
    // The row that is shown, its neighbours, one layer of all rows, the vision tower and the picture.
    assert.ok(opening < 8 * row, `${opening} bytes to open`);
    await token(panel, 25).hover();
    await waitForText(panel, 'readout', /“word/);
    await panel.page.waitForTimeout(800);
    const hovering = panel.sliceBytes - opening;
    assert.ok(hovering < 4 * row, `${hovering} bytes for a hover`);
    const asked = panel.slices;
    await panel.byTest('patch-grid').hover();
    await token(panel, 25).hover();
    await panel.page.waitForTimeout(300);
    assert.equal(panel.slices, asked, 'what is here is not asked for again');
    await panel.page.screenshot({ path: `${output}/large.png` });
  });
});

test('a row too large for one page is read layer by layer', async () => {
  const trace = `${output}/wide-row.fovea`;
  const shape = {
    ...smallShape,
    layers: 36,
    heads: 40,
    grid: { rows: 40, columns: 40 },
    leading: 1,
    answer: [' A', ' big', ' one'],
  };
  if (!existsSync(trace)) await writeSyntheticTrace(trace, shape, picture);
  await fixture.withPanel(trace, {}, async panel => {
    await panel.page.waitForTimeout(500);
    assert.ok(panel.largestSlice < 4 * 2 ** 20, `${panel.largestSlice} bytes in one slice`);
    const before = await panel.pixels('overlay-canvas');
    await tile(panel, 'decoder', 30).click();
    assert.notEqual(await panel.pixels('overlay-canvas'), before);
  });
});

test('while a page is read the old picture stays and the legend says what is read', async () => {
  await fixture.withPanel(realTrace, { delay: 700 }, async panel => {
    const before = await panel.pixels('overlay-canvas');
    await token(panel, fixture.indexOf('background')).click();
    await waitForText(panel, 'legend-unit', /^reading row that predicts “background”$/);
    assert.equal(await panel.pixels('overlay-canvas'), before);
    await waitForText(panel, 'readout', /“background”/);
    assert.notEqual(await panel.pixels('overlay-canvas'), before);
  });
});

test('every answer to a pointer is measured by the panel itself, for the bench to read', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
    await panel.page.waitForTimeout(1500);
    const generated = fixture.metadata.tokens.flatMap((one, i) => (one.role === 'generated' ? [i] : []));
    for (const index of [...generated, ...generated]) await token(panel, index).hover();
    for (let i = 0; i < 60; i++)
      await panel.byTest('patch-grid').hover({ position: { x: 10 + i * 6, y: 100 + i * 4 } });
    const times = await panel.page.evaluate<number[]>(
      `performance.getEntriesByName('fovea.hover').map(entry => entry.duration).sort((a, b) => a - b)`,
    );
    assert.ok(times.length > 80);
    const p95 = times[Math.floor(times.length * 0.95)]!;
    console.log(
      `fovea.hover: ${times.length} answers, median ${times[times.length >> 1]!.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms`,
    );
  });
});
