import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { output, PanelFixture, smallTrace, textOf, waitForText } from './panel-fixture.ts';
import { themes } from './panel-rig.ts';
import { syntheticEvaluation } from './synthetic-evaluation.ts';

const fixture = PanelFixture.prepare();
const evaluation = syntheticEvaluation();

for (const theme of themes) {
  test(`an evaluation in ${theme}`, async () => {
    await fixture.withPanel(smallTrace, { evaluation, theme }, async panel => {
      await panel.page.screenshot({ path: `${output}/evaluation-${theme}.png`, fullPage: true });
      const axis = panel.page.locator('.accuracy .axis-title');
      assert.match((await axis.textContent()) ?? '', /E_in/);
      assert.equal(await panel.page.locator('.series-point').count(), 24);
      assert.equal(await panel.page.locator('.series-label').count(), 8);
    });
  });
}

test('pointing at a marker shows its numbers, a click keeps them and lists what pruning cost', async () => {
  await fixture.withPanel(smallTrace, { evaluation }, async panel => {
    await panel.page.locator('[data-point="mustdrop@64"] .marker').hover();
    await waitForText(panel, 'point-readout', /^MustDrop, 64 tokens.*accuracy[\d.]+ % \(/);
    await panel.page.locator('[data-point="mustdrop@64"] .marker').click();
    await panel.byTest('chart-note').hover();
    await waitForText(panel, 'point-readout', /^MustDrop, 64 tokens/);
    const { outcomes, metadata } = evaluation;
    const column = metadata.conditions.findIndex(({ id }) => id === 'mustdrop@64');
    const lost = evaluation.questions.filter(
      (_, index) => outcomes[0]![index]!.correct && !outcomes[column]![index]!.correct,
    );
    await waitForText(panel, 'disagreement-count', new RegExp(`^${lost.length} of 200 questions`));
    const first = panel.page.locator('.disagreement-table tbody tr').first();
    assert.match((await first.textContent()) ?? '', new RegExp(lost[0]!.question.replace('?', '\\?')));
    await first.getByTestId('ask-1').click();
    assert.deepEqual(panel.sent.at(-1), {
      type: 'askQuestion',
      question: evaluation.questions.indexOf(lost[0]!),
      condition: column,
    });
    await panel.page.reload();
    await panel.ready();
    await waitForText(panel, 'point-readout', /^MustDrop, 64 tokens/);
  });
});

test('a file that became unreadable is told above the chart, which stays until the file can be read again', async () => {
  await fixture.withPanel(smallTrace, { evaluation }, async panel => {
    for (const hint of ['Evaluate again.', 'Open it again.'])
      await panel.send({ type: 'failed', message: 'The file is damaged.', hint });
    await waitForText(panel, 'run-line', /^The file is damaged\. Open it again\.$/);
    assert.equal(await panel.byTest('run-line').count(), 1);
    assert.equal(await panel.page.locator('.series-point').count(), 24);
    await panel.send({ type: 'evaluation', evaluation, canRun: true });
    await panel.byTest('run-line').waitFor({ state: 'detached' });
    assert.equal(await panel.page.locator('.series-point').count(), 24);
  });
});

test('the axis and the questions can be changed, and points move', async () => {
  await fixture.withPanel(smallTrace, { evaluation }, async panel => {
    const place = (): Promise<string | null> =>
      panel.page.locator('[data-point="fastv@64"] .marker').getAttribute('transform');
    const before = await place();
    await panel.byTest('metric').click();
    await panel.page.getByRole('option', { name: 'prefill time' }).click();
    assert.match((await panel.page.locator('.axis-title').textContent()) ?? '', /ms of decoder prefill, median/);
    assert.notEqual(await place(), before);
    const spread = await place();
    await panel.byTest('group').click();
    await panel.page.getByRole('option', { name: 'small text (25)' }).click();
    assert.notEqual(await place(), spread);
    await waitForText(panel, 'chart-note', /of 25 questions/);
  });
});

test('the chart is read by keyboard and as a table', async () => {
  await fixture.withPanel(smallTrace, { evaluation }, async panel => {
    await panel.byTest('accuracy-chart').focus();
    await panel.page.keyboard.press('ArrowRight');
    await waitForText(panel, 'point-readout', /^MustDrop, 64 tokens/);
    await panel.page.keyboard.press('ArrowRight');
    await waitForText(panel, 'point-readout', /^MustDrop, 128 tokens/);
    await panel.page.keyboard.press('ArrowDown');
    await waitForText(panel, 'point-readout', /^(?!MustDrop).*128 tokens/);
    await panel.page.keyboard.press('t');
    const table = await textOf(panel, 'chart-table');
    assert.match(table, /Accuracy and costs, all questions/);
    assert.match(table, /SparseVLM v2\.0/);
    await panel.page.keyboard.press('t');
    assert.ok(await panel.byTest('accuracy-chart').isVisible());
  });
});

test('kinds of questions stand beside each other at one budget', async () => {
  await fixture.withPanel(smallTrace, { evaluation }, async panel => {
    const rows = panel.page.locator('.kinds-table tbody tr');
    assert.equal(await rows.count(), 3 + 7);
    assert.match((await rows.nth(0).textContent()) ?? '', /^all questions200/);
    const before = await textOf(panel, 'kinds-table');
    await panel.byTest('kinds-budget').click();
    await panel.page.getByRole('option', { name: '192 tokens' }).click();
    assert.notEqual(await textOf(panel, 'kinds-table'), before);
  });
});

test('without trust nothing offers to run; a narrow panel has everything below each other', async () => {
  await fixture.withPanel(smallTrace, { evaluation, canRun: false, width: 600 }, async panel => {
    assert.equal(await panel.page.getByTestId('ask-1').count(), 0);
    assert.match(await textOf(panel, 'problems'), /Line 12: The image gone\.png/);
    const overflow = await panel.page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    assert.equal(overflow, 0);
    await panel.page.screenshot({ path: `${output}/evaluation-narrow.png`, fullPage: true });
  });
});

test('the chart is saved as a figure for print, with what it shows in its caption', async () => {
  await fixture.withPanel(smallTrace, { evaluation }, async panel => {
    await panel.send({ type: 'listFigures', request: 1 });
    await panel.send({ type: 'drawFigure', request: 2, figure: 0, format: 'svg', theme: 'light' });
    const end = Date.now() + 10_000;
    while (!panel.sent.some(({ type }) => type === 'figure' || type === 'figureFailed') && Date.now() < end) {
      await panel.page.waitForTimeout(50);
    }
    const listed = panel.sent.find(message => message.type === 'figures');
    assert.equal(listed?.figures[0]?.title, 'Accuracy against cost');
    const drawn = panel.sent.find(message => message.type === 'figure' || message.type === 'figureFailed');
    assert.equal(drawn?.type, 'figure', JSON.stringify(drawn));
    const svg = new TextDecoder().decode(
      Uint8Array.from(Object.values(drawn.data as unknown as Record<string, number>)),
    );
    await writeFile(`${output}/evaluation-figure.svg`, svg);
    assert.match(svg, /SparseVLM v2\.0/);
    assert.match(svg, /Whiskers/);
    assert.ok((svg.match(/<path/g) ?? []).length > 60);
  });
});
