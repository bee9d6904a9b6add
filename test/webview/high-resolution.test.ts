import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import {
  output,
  PanelFixture,
  picture,
  smallTrace,
  textOf,
  tile,
  token,
  valuesOf,
  waitForText,
} from './panel-fixture.ts';
import { themes, type OpenOptions, type OpenPanel } from './panel-rig.ts';
import { describedSelection, selectionTensors } from './synthetic-high-resolution.ts';
import { smallShape, writeSyntheticTrace, type SyntheticShape } from './synthetic-trace.ts';

const fixture = PanelFixture.prepare();
const strongest = `${output}/detail-strongest.fovea`;
const pooled = `${output}/detail-pooled.fovea`;
const grid = { rows: 24, columns: 24 };
const [layers, heads, patchesInRow] = [6, 3, 24];
const answer = [' "', 'W', 'I', 'L', 'L', '"', '</s>'];
const firstStep = 9;
const shape: SyntheticShape = { ...smallShape, layers, heads, grid, answer, visionIntermediateSize: 32 };
const method = { name: 'fetcher', title: 'Fetcher', variant: 'code' as const, parameters: {} };

before(async () => {
  const size = { steps: answer.length, heads, patches: 576 };
  const described = describedSelection(layers);
  const metadata = { method, highResolution: described };
  await writeSyntheticTrace(strongest, { ...shape, metadata, tensors: selectionTensors(described, size) }, picture);
  const other = describedSelection(layers, {
    variant: 'paper',
    source: 'random',
    rule: { kind: 'threshold', threshold: 48 },
    pooling: 'adaptive-max',
    rows: 'all',
    rotary: 'interpolated',
    cells: { rows: 18, columns: 18 },
    crop: { x: 0, y: -168, width: 1344, height: 1344 },
    margin: { rows: 3, columns: 0 },
    layers: [2, 3, 4, 5],
    attending: [3, 4, 5],
    weights: { kind: 'copied', source: 'own projections' },
    cacheBytes: 0,
  });
  const metadataOther = {
    method: {
      name: 'dropper',
      title: 'Dropper',
      parameters: {},
      beside: { name: 'fetcher', title: 'Fetcher', parameters: {} },
    },
    highResolution: other,
  };
  const tensors = selectionTensors(other, size);
  await writeSyntheticTrace(pooled, { ...shape, metadata: metadataOther, tensors }, picture);
});

const openDetail = async (panel: OpenPanel): Promise<void> => {
  await panel.byTest('view-high-resolution').click();
  await panel.byTest('detail-view').waitFor({ state: 'visible' });
};

/** Goes to a layer and a step of the open view. */
const choose = async (panel: OpenPanel, layer: number, step: number): Promise<void> => {
  await tile(panel, 'decoder', layer).click();
  await panel.byTest('step-slider').fill(String(step));
  await waitForText(panel, 'step-name', new RegExp(`^step ${step} of 6`));
};

/** Cells that a layer selects, past the panel. */
const selectedBy = async (step: number, layer: number): Promise<Set<number>> => {
  const values = await valuesOf(strongest, 'high_resolution.cells', [
    [step, step + 1],
    [layer, layer + 1],
  ]);
  return new Set(Array.from(values.keys()).filter(cell => values[cell] === 1));
};

const overlap = (a: Set<number>, b: Set<number>): number => {
  const both = [...a].filter(one => b.has(one)).length;
  return both / (a.size + b.size - both);
};

test('a run in low resolution only has the tab disabled, with the reason; else the trace gives its title', async () => {
  await fixture.withPanel(smallTrace, {}, async panel => {
    const tab = panel.byTest('view-high-resolution');
    assert.equal(await tab.getAttribute('aria-disabled'), 'true');
    assert.match((await tab.getAttribute('title')) ?? '', /low resolution only/);
  });
  for (const trace of [strongest, pooled])
    await fixture.withPanel(trace, {}, async panel => {
      assert.equal(await textOf(panel, 'view-high-resolution'), 'Fetcher');
    });
});

test('numbers beside the pictures are those of the trace: range, cut, cells, tokens, share, change', async () => {
  const [step, layer] = [3, 4];
  const chosen = await selectedBy(step, layer - 1);
  const row = await valuesOf(strongest, 'high_resolution.attention', [
    [step, step + 1],
    [layer - 1, layer],
  ]);
  const order = Array.from(row).sort((a, b) => b - a);
  const mass = await valuesOf(strongest, 'high_resolution.mass', [
    [step, step + 1],
    [layer, layer + 1],
  ]);
  const share = (mass[0]! + mass[6]! + mass[12]!) / heads;
  await fixture.withPanel(strongest, {}, async panel => {
    await openDetail(panel);
    await choose(panel, layer, step);
    assert.equal(await textOf(panel, 'selection-where'), 'step 3: layer D3 selects, layer D4 reads');
    const words = (await textOf(panel, 'selection-pictures')).replaceAll('\u2009', ' ');
    assert.ok(words.includes(`to ${order[0]!.toPrecision(2)}`), words);
    assert.ok(words.includes(`20 of 576 patches, cut at ${order[19]!.toPrecision(2)}`), words);
    assert.ok(words.includes(`${chosen.size} of 576, a cell for each patch`), words);
    assert.ok(words.includes(`${chosen.size * 9} of 5 184`), words);
    const percent = (value: number): string => (value >= 0.0995 ? (value * 100).toFixed(0) : (value * 100).toFixed(1));
    assert.ok(words.includes(`${percent(share)} % of its attention`), words);
    const facts = await textOf(panel, 'step-body');
    assert.match(facts, new RegExp(`reads${chosen.size * 9} of 5 184 tokens`));
    assert.match(facts, new RegExp(`change of output${percent(share * 2)} %`));
    const [lastStep, layerBefore] = [await selectedBy(step - 1, layer - 1), await selectedBy(step, layer - 2)];
    assert.match(facts, new RegExp(`overlap, last step${overlap(chosen, lastStep).toFixed(2)}`));
    assert.match(facts, new RegExp(`overlap, layer before${overlap(chosen, layerBefore).toFixed(2)}`));
  });
});

test('the matrix tells tokens and overlaps of every layer at every step; a cell chooses both', async () => {
  await fixture.withPanel(strongest, {}, async panel => {
    await openDetail(panel);
    await choose(panel, 3, 2);
    const label = (await panel.byTest('step-matrix').getAttribute('aria-label')) ?? '';
    const expected = overlap(await selectedBy(2, 2), await selectedBy(1, 2)).toFixed(2);
    assert.match(label, new RegExp(`7 steps by 5 layers.*; step 2, layer D3: ${expected}$`));
    await panel.byTest('matrix-tokens').click();
    await panel.byTest('step-matrix').and(panel.page.locator('[aria-label*="high-resolution tokens that"]')).waitFor();
    await panel.byTest('step-matrix-body').focus();
    await panel.page.keyboard.press('t');
    const rows = await panel.byTest('chart-table').locator('tbody tr').allTextContents();
    assert.equal(rows.length, 7 * 5);
    assert.match(rows[0]!, /^0"?D1/);
    await panel.byTest('chart-table').focus();
    await panel.page.keyboard.press('t');
    await panel.page.keyboard.press('ArrowDown');
    await waitForText(panel, 'step-name', /^step 3 /);
    await panel.page.keyboard.press('ArrowRight');
    await waitForText(panel, 'selection-where', /layer D3 selects, layer D4 reads/);
    await panel.byTest('step-matrix').click({ position: { x: 40 + 5 * 120 + 50, y: 5 * 20 + 8 } });
    await waitForText(panel, 'selection-where', /^step 5: layer D4 selects, layer D5 reads$/);
    const drawn = await panel.pixels('step-matrix');
    await panel.byTest('matrix-layer').click();
    assert.notEqual(await panel.pixels('step-matrix'), drawn);
  });
});

test('a patch tells which layers read its cell at this step, and its attention, which is that of its 3 × 3 tokens', async () => {
  const [step, layer] = [4, 3];
  const cell = [...(await selectedBy(step, layer - 1))][0]!;
  const read = await valuesOf(strongest, 'high_resolution.token_attention', [
    [step, step + 1],
    [layer, layer + 1],
  ]);
  const [row, column] = [Math.floor(cell / patchesInRow), cell % patchesInRow];
  let sum = 0;
  for (let y = 0; y < 3; y++) for (let x = 0; x < 3; x++) sum += read[(row * 3 + y) * 72 + column * 3 + x]!;
  await fixture.withPanel(strongest, {}, async panel => {
    await openDetail(panel);
    await choose(panel, layer, step);
    const size = (await panel.byTest('patch-grid').boundingBox())!.width / patchesInRow;
    await panel.byTest('patch-grid').hover({ position: { x: (column + 0.5) * size, y: (row + 0.5) * size } });
    await waitForText(panel, 'step-readout', new RegExp(`^Patch row ${row}, column ${column}`));
    const told = (await panel.byTest('step-body').locator('tr.shown').textContent()) ?? '';
    assert.match(told.replaceAll('\u2009', ' '), new RegExp(`^D3read, selected by D2${sum.toPrecision(2)}\\d of 7$`));
    assert.equal(await panel.byTest('step-body').locator('tbody tr').count(), 5);
  });
});

test('keys and the player go through the steps; the strip, the image and the tiles follow', async () => {
  await fixture.withPanel(strongest, {}, async panel => {
    const { keyboard } = panel.page;
    await openDetail(panel);
    await choose(panel, 4, 0);
    await panel.byTest('tokens').focus();
    const image = await panel.pixels('overlay-canvas');
    await keyboard.press('ArrowRight');
    await waitForText(panel, 'step-name', /^step 1 of 6 · “W”/);
    assert.equal(await token(panel, firstStep + 1).getAttribute('aria-selected'), 'true');
    assert.notEqual(await panel.pixels('overlay-canvas'), image);
    await keyboard.press('ArrowLeft');
    await keyboard.press('ArrowLeft');
    await waitForText(panel, 'step-name', /^step 0 /);
    await keyboard.press(' ');
    await waitForText(panel, 'step-name', /^step 2 /);
    await keyboard.press('[');
    const stopped = await textOf(panel, 'step-name');
    await waitForText(panel, 'selection-where', /layer D3 reads/);
    await panel.page.waitForTimeout(1200);
    assert.equal(await textOf(panel, 'step-name'), stopped, 'any key stops it');
    const tokens = (await panel.byTest('colour-note').textContent()) ?? '';
    assert.match(tokens, /attention of D3 on high-resolution tokens/);
    await tile(panel, 'decoder', 0).click();
    await waitForText(panel, 'selection-none', /^D0 reads no high-resolution tokens; it selects those that D1 reads/);
  });
});

test('where attention went can be laid over the image, with its scale; zoom shows the pixels themselves', async () => {
  await fixture.withPanel(strongest, {}, async panel => {
    await openDetail(panel);
    await choose(panel, 4, 2);
    const selected = await panel.pixels('overlay-canvas');
    await panel.byTest('detail-read').click();
    await panel.byTest('detail-ramp').waitFor({ state: 'visible' });
    assert.notEqual(await panel.pixels('overlay-canvas'), selected);
    const label = (await panel.byTest('overlay-canvas').getAttribute('aria-label')) ?? '';
    assert.match(label, /Step 2: D4 reads .* of its attention went there, at most .* at row \d+, column \d+/);
    await panel.byTest('patch-grid').focus();
    await panel.page.keyboard.press('t');
    assert.equal(await panel.byTest('chart-table').locator('tbody tr').count(), 21);
    await panel.page.keyboard.press('t');
    await panel.byTest('detail-selected').click();
    for (let i = 0; i < 6; i++) await panel.page.keyboard.press('+');
    await panel.page.waitForTimeout(100);
    await panel.page.screenshot({ path: `${output}/detail-zoomed.png` });
  });
});

test('costs are those of the formulas, with what was measured; rivals were not run', async () => {
  const [d, m, n, text] = [heads * 8, heads * 22, 576 + firstStep, firstStep];
  const prefill = (tokens: number): number => layers * (4 * tokens * d ** 2 + 2 * tokens ** 2 * d + 3 * tokens * d * m);
  const flex = prefill(n) + 5 * 2 * 5184 * d ** 2 + 5 * 2 * 180 * d;
  const millions = (value: number): string =>
    value / 1e6 >= 99.95 ? (value / 1e6).toFixed(0) : (value / 1e6).toFixed(1);
  await fixture.withPanel(strongest, {}, async panel => {
    await openDetail(panel);
    const rows = await panel.byTest('resolution-costs').locator('tbody tr').allTextContents();
    const told = rows.map(one => one.replaceAll('\u2009', ' '));
    assert.match(told[1]!, new RegExp(`^Fetcher, HR keys and values kept.*${millions(flex)} MMAC`), told[1]);
    assert.match(told[1]!, /tiles 1.5 s, keys and values 1.7 s once/);
    assert.match(told[2]!, /projecting 30 ms more a step/);
    assert.match(
      told[4]!,
      new RegExp(`^LLaVA-HD.*${(prefill(text + 5184) / 1e9).toFixed(2)} GMAC100 %.*not run here$`),
    );
    assert.match(await textOf(panel, 'resolution-note'), /4nd² \+ 2n²d \+ 3ndm.*N 585 .*M 180 selected of H 5 184/);
    const tiles = 9 * 2 * (4 * 577 * 8 ** 2 + 2 * 577 ** 2 * 8 + 2 * 577 * 8 * 32);
    assert.ok(
      (await textOf(panel, 'resolution-note')).includes(`vision tower ${(tiles / 1e6).toFixed(0)} MMAC besides`),
    );
  });
});

test('controls and untrained projections are said in words', async () => {
  await fixture.withPanel(pooled, {}, async panel => {
    await openDetail(panel);
    assert.match(await textOf(panel, 'detail-weights'), /^untrained HR projections/);
    const words = await textOf(panel, 'detail-setting');
    for (const said of [
      /variant: paper/,
      /cells chosen at random/,
      /above 48 of 255/,
      /pooled to 18 × 18/,
      /interpolated/,
    ])
      assert.match(words, said);
    await choose(panel, 4, 1);
    assert.match(
      await textOf(panel, 'selection-pictures'),
      /3 at each edge set to 0.*not by attention but random.*Pooled, 18 × 18/,
    );
  });
});

test('roles and names are there for a screen reader', async () => {
  await fixture.withPanel(strongest, {}, async panel => {
    await openDetail(panel);
    const nameless = await panel.page.evaluate<string[]>(`[...document.querySelectorAll(
        '[tabindex="0"], button, input, vscode-dropdown, canvas[role="img"], svg[role="img"]')]
      .filter(node => node.getClientRects().length > 0)
      .filter(node => !(node.getAttribute('aria-label') || node.textContent.trim()))
      .map(node => node.outerHTML.slice(0, 120))`);
    assert.deepEqual(nameless, []);
    const doubled = await panel.page.evaluate<number>(
      `(() => { const ids = [...document.querySelectorAll('[id]')].map(n => n.id); return ids.length - new Set(ids).size; })()`,
    );
    assert.equal(doubled, 0);
    for (const [chart, columns] of [
      ['selection-pictures', 5],
      ['detail-masses', 8],
      ['resolution-costs', 6],
    ] as const) {
      await panel.byTest(chart).focus();
      await panel.page.keyboard.press('t');
      assert.equal(await panel.byTest('chart-table').locator('th').count(), columns, chart);
      await panel.page.keyboard.press('t');
    }
  });
});

test('every theme and width is drawn without overlap of regions or a scroll sideways', async () => {
  const shots: [string, OpenOptions][] = [
    ...themes.map((theme): [string, OpenOptions] => [theme, { theme, width: 1440, height: 900 }]),
    ['1100', { width: 1100, height: 1000 }],
    ['800', { theme: 'vscode-light', width: 800, height: 1600 }],
    ['480', { width: 480, height: 1900 }],
  ];
  for (const [name, options] of shots)
    await fixture.withPanel(pooled, options, async panel => {
      await openDetail(panel);
      await panel.page.waitForTimeout(200);
      await panel.page.screenshot({ path: `${output}/detail-${name}.png` });
      const overlaps = await panel.page.evaluate<string[]>(`(() => {
        const names = ['.picture', '[data-testid="step-legend"]', '[data-testid="step-readout"]', '.detail', '.strip', '.run'];
        const boxes = names.map(name => document.querySelector(name).getBoundingClientRect());
        const found = [];
        for (let i = 0; i < boxes.length; i++) for (let j = 0; j < i; j++) {
          const [a, b] = [boxes[i], boxes[j]];
          if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
            found.push(names[i] + ' over ' + names[j]);
        }
        if (document.documentElement.scrollWidth > document.documentElement.clientWidth) found.push('wider than the window');
        return found;
      })()`);
      assert.deepEqual(overlaps, [], name);
    });
});

test('32 layers, 20 steps and 5184 tokens stay interactive', async () => {
  const trace = `${output}/detail-large.fovea`;
  const described = describedSelection(32);
  const long = Array.from({ length: 20 }, (_, i) => ` word${i}`);
  const large = { ...shape, layers: 32, heads: 32, visionLayers: 24, visionHeads: 16, answer: long };
  const tensors = selectionTensors(described, { steps: 20, heads: 32, patches: 576 });
  await writeSyntheticTrace(trace, { ...large, metadata: { method, highResolution: described }, tensors }, picture);
  await fixture.withPanel(trace, {}, async panel => {
    await openDetail(panel);
    await choose20(panel);
    for (let step = 1; step < 20; step++) {
      await panel.page.keyboard.press('ArrowRight');
      await waitForText(panel, 'step-name', new RegExp(`^step ${step} of 19`));
    }
    const times = await panel.page.evaluate<number[]>(
      `performance.getEntriesByName('fovea.step').map(entry => entry.duration).sort((a, b) => a - b)`,
    );
    assert.ok(times.length >= 19);
    console.log(`a step: median ${times[times.length >> 1]!.toFixed(1)} ms, longest ${times.at(-1)!.toFixed(1)} ms`);
    await panel.page.screenshot({ path: `${output}/detail-large.png` });
  });
});

async function choose20(panel: OpenPanel): Promise<void> {
  await tile(panel, 'decoder', 20).click();
  await panel.byTest('step-slider').fill('0');
  await waitForText(panel, 'step-name', /^step 0 of 19/);
  await panel.byTest('tokens').focus();
}
