import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openTraceFile } from '../../trace/file.ts';
import { output, PanelFixture, picture, smallTrace, textOf, tile, token, waitForText } from './panel-fixture.ts';
import { themes, type OpenOptions, type OpenPanel } from './panel-rig.ts';
import { halfBySecondLayer, pairwiseMerging, windowsAndThresholds } from './synthetic-fates.ts';
import { smallShape, writeSyntheticTrace, type SyntheticShape } from './synthetic-trace.ts';

const fixture = PanelFixture.prepare();
const windows = `${output}/fates-windows.fovea`;
const pairs = `${output}/fates-pairs.fovea`;
const half = `${output}/fates-half.fovea`;
const grid = { rows: 24, columns: 24 };
const shape: SyntheticShape = { ...smallShape, layers: 12, heads: 6, visionLayers: 8, visionHeads: 4, grid };

before(async () => {
  const method = {
    name: 'windows',
    title: 'Windows',
    variant: 'code' as const,
    parameters: {},
    budget: { asked: 128, reached: 129.34, counted: 'entering' as const },
    notes: ['Thresholds were solved for the budget.'],
  };
  const told = { ...shape, metadata: { method }, stages: windowsAndThresholds(grid, 12, 8) };
  await writeSyntheticTrace(windows, told, picture);
  await writeSyntheticTrace(pairs, { ...shape, stages: pairwiseMerging(grid, 40, 8) }, picture);
  await writeSyntheticTrace(half, { ...shape, stages: halfBySecondLayer(grid) }, picture);
});

/** What the trace holds of one stage, read past the panel. */
async function stageOf(trace: string, index: number): Promise<{ fate: Uint8Array; leaving: number }> {
  const reader = await openTraceFile(trace);
  try {
    const { data } = await reader.slice('fates.fate', [[index, index + 1]]);
    return { fate: data, leaving: reader.metadata.reduction!.stages[index]!.leaving };
  } finally {
    await reader.close();
  }
}

const patchAt = (patch: number, size = 18): { x: number; y: number } => ({
  x: (patch % grid.columns) * size + size / 2,
  y: Math.floor(patch / grid.columns) * size + size / 2,
});

const openPruning = async (panel: OpenPanel): Promise<void> => {
  await panel.byTest('view-pruning').click();
  await panel.byTest('pruning-view').waitFor({ state: 'visible' });
};

const legendCounts = async (panel: OpenPanel): Promise<number[]> =>
  (await panel.byTest('fate-legend').locator('.fate-entry b').allTextContents()).map(text =>
    Number(text.replaceAll('\u2009', '')),
  );

test('a run without stages has the tab disabled, with the reason as its tooltip', async () => {
  await fixture.withPanel(smallTrace, {}, async panel => {
    const tab = panel.byTest('view-pruning');
    assert.equal(await tab.getAttribute('aria-disabled'), 'true');
    assert.match((await tab.getAttribute('title')) ?? '', /every visual token in every layer/);
    await tab.click({ force: true });
    assert.ok(await panel.byTest('attention-view').isVisible());
  });
});

test('the slider shows each stage with the counts that the trace holds', async () => {
  await fixture.withPanel(windows, {}, async panel => {
    await openPruning(panel);
    const slider = panel.byTest('stage-slider');
    await slider.focus();
    await panel.page.keyboard.press('Home');
    await waitForText(panel, 'stage-name', /^before the first stage$/);
    assert.deepEqual(await legendCounts(panel), [576, 0, 0, 0, 0]);
    for (let index = 0; index < 6; index++) {
      await panel.page.keyboard.press('ArrowRight');
      const { leaving } = await stageOf(windows, index);
      const [single, , , merged] = await legendCounts(panel);
      assert.equal(single! + merged!, leaving, `stage ${index}`);
    }
    const drawn = await panel.pixels('overlay-canvas');
    await panel.page.keyboard.press('ArrowLeft');
    assert.notEqual(await panel.pixels('overlay-canvas'), drawn);
  });
});

test('hovering a dropped patch tells where it was dropped, by which scores, and rings it in the decisions', async () => {
  const { fate } = await stageOf(windows, 3);
  const patch = fate.indexOf(2);
  await fixture.withPanel(windows, {}, async panel => {
    await openPruning(panel);
    const heat = await panel.pixels('overlay-canvas');
    await panel.byTest('patch-grid').hover({ position: patchAt(patch) });
    await waitForText(panel, 'fate-readout', /dropped: both scores under their cuts/);
    const text = await textOf(panel, 'fate-body');
    assert.match(text, /[\d.·⁻]+ < 0\.0033 share of mass/);
    assert.match(text, /[\d.·⁻]+ < 0\.0026 largest/);
    assert.equal(await panel.pixels('overlay-canvas'), heat, 'a hover draws marks, nothing else');
    const rings = await panel.page.locator('.decision .ring[visibility="visible"]').count();
    assert.ok(rings >= 2, `${rings} rings`);
    const live = await panel.byTest('patch-grid').locator('#active-patch').textContent();
    assert.match(live ?? '', /^row \d+, column \d+: dropped: both scores under their cuts, output of D2$/);
  });
});

test('keys: brackets step through stages, Space plays them, t shows the tables', async () => {
  await fixture.withPanel(windows, {}, async panel => {
    const { keyboard } = panel.page;
    await openPruning(panel);
    await panel.byTest('token-flow').focus();
    await waitForText(panel, 'stage-name', /^D5 /);
    await keyboard.press('[');
    await waitForText(panel, 'stage-name', /^D4 /);
    assert.equal(await panel.byTest('depth-axis').getAttribute('aria-valuetext'), 'decoder layer 4');
    await keyboard.press(']');
    await keyboard.press(']');
    await waitForText(panel, 'stage-name', /^cache D11 /);
    await keyboard.press(' ');
    await waitForText(panel, 'stage-name', /^before the first/);
    await waitForText(panel, 'stage-name', /^V0 /);
    await keyboard.press('[');
    const stopped = await textOf(panel, 'stage-name');
    await panel.page.waitForTimeout(1200);
    assert.equal(await textOf(panel, 'stage-name'), stopped, 'any key stops it');
    for (const stop of [
      () => keyboard.press(' '),
      async () => {
        await panel.byTest('play-stages').focus();
        await keyboard.press('Enter');
      },
      () => panel.byTest('view-attention').click(),
    ]) {
      await keyboard.press(' ');
      await panel.byTest('play-stages').and(panel.page.getByLabel('Stop playing the stages')).waitFor();
      await stop();
      await panel.page
        .locator('[data-testid="play-stages"][aria-label="Play the stages (Space)"]')
        .waitFor({ state: 'attached' });
    }
    await openPruning(panel);
    for (let i = 0; i < 3; i++) await keyboard.press(']');
    for (const [chart, columns] of [
      ['token-flow', 9],
      ['layer-costs', 7],
      ['decisions', 3],
    ] as const) {
      await panel.byTest(chart).focus();
      await keyboard.press('t');
      assert.ok((await panel.byTest('chart-table').locator('th').count()) >= columns, chart);
      await keyboard.press('t');
    }
  });
});

test('the depth axis tells what enters and leaves each layer; a layer chooses its stage', async () => {
  await fixture.withPanel(windows, {}, async panel => {
    await openPruning(panel);
    const reader = await openTraceFile(windows);
    const { layers } = reader.metadata.reduction!;
    await reader.close();
    const { entering, leaving } = layers[4]!;
    assert.equal(await tile(panel, 'decoder', 4).locator('.tile-note').textContent(), `${entering} → ${leaving}`);
    await tile(panel, 'decoder', 3).click();
    await waitForText(panel, 'stage-name', /^D2 /);
    await tile(panel, 'vision', 3).click();
    await waitForText(panel, 'stage-name', /^V0 /);
    const mean = layers.reduce((all, layer) => all + layer.entering, 0) / 12;
    assert.match(await textOf(panel, 'layer-costs'), new RegExp(`E_in ${mean.toFixed(1)}`));
  });
});

test('the method, its budget and its notes are in sight; raters are marked in the strip', async () => {
  await fixture.withPanel(windows, {}, async panel => {
    await openPruning(panel);
    const facts = (await panel.page.locator('.facts').textContent()) ?? '';
    assert.match(facts, /method Windows, code/);
    assert.match(facts, /budget 128 → E_in 129\.3/);
    assert.match(await textOf(panel, 'method-words'), /Thresholds were solved for the budget/);
    assert.match(await textOf(panel, 'colour-note'), /5 text tokens whose attention decided, output of D5/);
    assert.equal(await panel.page.locator('.token.marked').count(), 5);
    assert.match(await textOf(panel, 'image-tokens'), /^image · 576 → \d+ → \d+ tokens$/);
    const before = await panel.pixels('overlay-canvas');
    await token(panel, 10).hover();
    await waitForText(panel, 'colour-note', /text that the row reads/);
    assert.notEqual(await panel.pixels('overlay-canvas'), before, 'a token that is pointed at shows its attention');
  });
});

test('a score that only informs can be shown in place of those that decided', async () => {
  await fixture.withPanel(windows, {}, async panel => {
    await openPruning(panel);
    const chosen = panel.page.locator('.decision.chosen');
    assert.ok((await chosen.locator('.region').count()) === 1);
    await panel.byTest('decision-score').click();
    await panel.page.getByRole('option', { name: /text token that looked most \(informs only\)/ }).click();
    await chosen.getByText('“What”').waitFor();
    assert.equal(await chosen.locator('.region').count(), 0);
    assert.match(await textOf(panel, 'reasons'), /both scores under their cuts \d+/);
  });
});

test('pairwise merges are a tree in the readout, and many stages stay navigable', async () => {
  await fixture.withPanel(pairs, {}, async panel => {
    await openPruning(panel);
    const reader = await openTraceFile(pairs);
    const { data } = await reader.slice('fates.token', [[7, 8]]);
    await reader.close();
    const tokens = new Int32Array(data.slice().buffer);
    const members = tokens.map(one => tokens.filter(other => other === one).length);
    const largest = members.indexOf(Math.max(...members));
    await panel.byTest('patch-grid').hover({ position: patchAt(largest) });
    await waitForText(panel, 'merge-tree', /Merged from.*V\d: \d+ patches of \d tokens/);
    assert.match(await textOf(panel, 'decisions'), /^V2/);
    await panel.byTest('stage-slider').focus();
    await panel.page.keyboard.press('Home');
    await panel.page.keyboard.press('ArrowRight');
    assert.match(await textOf(panel, 'decisions'), /^V0/);
  });
});

test('roles and names are there for a screen reader, and every text has contrast', async () => {
  await fixture.withPanel(windows, {}, async panel => {
    await openPruning(panel);
    const nameless = await panel.page.evaluate<string[]>(`[...document.querySelectorAll(
        '[tabindex="0"], button, input, vscode-dropdown, canvas[role="img"], svg[role="img"]')]
      .filter(node => node.getClientRects().length > 0)
      .filter(node => !(node.getAttribute('aria-label') || node.textContent.trim()))
      .map(node => node.outerHTML.slice(0, 120))`);
    assert.deepEqual(nameless, []);
    const label = await panel.byTest('overlay-canvas').getAttribute('aria-label');
    assert.match(label ?? '', /^After Dual-attention filter, output of D5: \d+ visual tokens left, .* dropped/);
    const doubled = await panel.page.evaluate<number>(
      `(() => { const ids = [...document.querySelectorAll('[id]')].map(n => n.id); return ids.length - new Set(ids).size; })()`,
    );
    assert.equal(doubled, 0);
  });
});

test('every theme and width is drawn without overlap of regions or a scroll sideways', async () => {
  const shots: [string, string, OpenOptions][] = [
    ...themes.map((theme): [string, string, OpenOptions] => [
      `pruning-${theme.replace('vscode-', '')}`,
      windows,
      { theme, width: 1440, height: 900 },
    ]),
    ['pruning-dark-1100', windows, { width: 1100, height: 1000 }],
    ['pruning-light-800', windows, { theme: 'vscode-light', width: 800, height: 1600 }],
    ['pruning-dark-480', windows, { width: 480, height: 1900 }],
    ['pruning-pairs', pairs, { width: 1440, height: 900 }],
    ['pruning-half-light', half, { theme: 'vscode-light', width: 1440, height: 900 }],
  ];
  for (const [name, trace, options] of shots)
    await fixture.withPanel(trace, options, async panel => {
      await openPruning(panel);
      await panel.page.waitForTimeout(200);
      await panel.page.screenshot({ path: `${output}/${name}.png` });
      const overlaps = await panel.page.evaluate<string[]>(`(() => {
        const names = ['.picture', '.fate-legend', '.fate-readout', '.pruning', '.strip', '.run'];
        const boxes = names.map(name => document.querySelector(name).getBoundingClientRect());
        const found = [];
        for (let i = 0; i < boxes.length; i++) for (let j = 0; j < i; j++) {
          const [a, b] = [boxes[i], boxes[j]];
          if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
            found.push(names[i] + ' over ' + names[j]);
        }
        if (document.documentElement.scrollWidth > document.documentElement.clientWidth) found.push('wider than the window');
        return found.map(one => one + JSON.stringify(boxes));
      })()`);
      assert.deepEqual(overlaps, [], name);
    });
});

test('a grid that is not square, 40 layers and 24 merging stages stay within the columns', async () => {
  const trace = `${output}/fates-large.fovea`;
  const wide = { rows: 18, columns: 32 };
  const large = { ...shape, layers: 40, heads: 32, visionLayers: 24, visionHeads: 16, grid: wide };
  await writeSyntheticTrace(trace, { ...large, answer: [' A', ' b'], stages: pairwiseMerging(wide, 14, 24) }, picture);
  await fixture.withPanel(trace, {}, async panel => {
    await openPruning(panel);
    await panel.byTest('patch-grid').hover({ position: { x: 200, y: 120 } });
    await waitForText(panel, 'fate-readout', /^Patch row \d+, column \d+/);
    for (let i = 0; i < 60; i++) await panel.byTest('patch-grid').hover({ position: { x: 8 + i * 6, y: 40 + i * 3 } });
    const times = await panel.page.evaluate<number[]>(
      `performance.getEntriesByName('fovea.hover').map(entry => entry.duration).sort((a, b) => a - b)`,
    );
    console.log(
      `hover over 24 stages: median ${times[times.length >> 1]!.toFixed(1)} ms, p95 ${times[Math.floor(times.length * 0.95)]!.toFixed(1)} ms`,
    );
    await panel.page.screenshot({ path: `${output}/pruning-large.png` });
  });
});

test('settings are edited in the panel and run by Enter or the button, other methods once the pipeline told of them', async () => {
  await fixture.withPanel(windows, {}, async panel => {
    await openPruning(panel);
    await panel.byTest('run-budget').locator('input').fill('64');
    const asked = (): unknown[] => panel.sent.filter(({ type }) => type === 'methods' || type === 'runAgain');
    assert.deepEqual(asked(), [{ type: 'methods' }], 'asked for by who is about to use it');
    await panel.page.keyboard.press('Enter');
    await panel.page.waitForTimeout(100);
    const request = { method: 'windows', variant: 'code', budget: 64, parameters: {} };
    assert.deepEqual(asked().at(-1), { type: 'runAgain', request });
    const ratio = { name: 'ratio', title: 'Ratio', kind: 'number', meaning: 'What is dropped.' } as const;
    const half = {
      name: 'half',
      title: 'Half',
      summary: 'Drops half.',
      variants: ['code', 'paper'],
      parameters: [ratio],
    } as const;
    await panel.send({ type: 'methods', methods: [half] });
    await panel.byTest('run-method').click();
    await panel.page.getByRole('option', { name: 'Half' }).click();
    await panel.byTest('parameter-ratio').locator('input').fill('0.75');
    await panel.page.waitForTimeout(1500);
    await panel.byTest('run-again').click();
    await panel.page.waitForTimeout(100);
    assert.deepEqual(asked().at(-1), {
      type: 'runAgain',
      request: { method: 'half', variant: 'code', parameters: { ratio: '0.75' } },
    });
  });
});

test('an impossible budget is told beside the field, and nothing runs', async () => {
  await fixture.withPanel(windows, {}, async panel => {
    await openPruning(panel);
    await panel.byTest('run-budget').locator('input').fill('9999');
    await panel.page.keyboard.press('Enter');
    await waitForText(panel, 'run-again-problem', /whole number of visual tokens from 1 to 576/);
    assert.ok(!panel.sent.some(({ type }) => type === 'runAgain'));
  });
});

test('in an untrusted workspace the settings give way to the reason', async () => {
  await fixture.withPanel(windows, { canRun: false }, async panel => {
    await openPruning(panel);
    assert.equal(await textOf(panel, 'run-again-untrusted'), 'Running needs a trusted workspace');
    assert.equal(await panel.byTest('run-again').count(), 0);
  });
});
