import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { makeRealRuns, realRuns, writeReduced, type MadeStage } from './compare-traces.ts';
import { output, PanelFixture, smallTrace, textOf, valuesOf, waitForText } from './panel-fixture.ts';
import { addressOf, themes, type OpenOptions, type OpenPanel } from './panel-rig.ts';
import { smallShape } from './synthetic-trace.ts';

const fixture = PanelFixture.prepare();

const [merger, dropper, third, coarse] = ['merger', 'dropper', 'third', 'coarse'].map(
  name => `${output}/compare-made-${name}.fovea`,
) as [string, string, string, string];
const { columns } = smallShape.grid;
const block = (row: number, column: number): number[] =>
  [0, 1, 2].flatMap(down => [0, 1, 2].map(across => (row + down) * columns + column + across));
const scoreA = (patch: number): number => ((patch * 37) % 100) / 100;
const scoreB = (patch: number): number => ((patch * 53) % 100) / 100;
const mergerStages: MadeStage[] = [
  { place: { tower: 'vision', layer: 1 }, merge: [block(0, 0), block(3, 6)] },
  { place: { tower: 'decoder', layer: 1 }, score: { cutoff: 0.3, of: scoreA } },
];
const dropperStages: MadeStage[] = [{ place: { tower: 'decoder', layer: 0 }, score: { cutoff: 0.5, of: scoreB } }];

before(async () => {
  await makeRealRuns();
  await writeReduced(merger, 'Merger', mergerStages);
  await writeReduced(dropper, 'Dropper', dropperStages, {
    ...smallShape,
    answer: [' A', ' red', ' apple', '.', '</s>'],
  });
  await writeReduced(third, 'Third', [{ place: { tower: 'decoder', layer: -1 }, drop: patch => patch % 2 === 1 }]);
  await writeReduced(coarse, 'Coarse', [], { ...smallShape, grid: { rows: 6, columns: 6 } });
});

const compared = { compare: [dropper] };
const tile = (panel: OpenPanel, layer: number): ReturnType<OpenPanel['byTest']> =>
  panel.page.locator(`[data-testid="compare-tile"][data-tower="decoder"][data-layer="${layer}"]`);
const note = async (panel: OpenPanel, layer: number): Promise<string> =>
  (await tile(panel, layer).locator('.tile-note').textContent()) ?? '';
const hoverPatch = async (panel: OpenPanel, place: string, row: number, column: number, grid = 12): Promise<void> => {
  const box = (await panel.byTest(`compare-grid-${place}`).boundingBox())!;
  const cell = box.width / grid;
  await panel.byTest(`compare-grid-${place}`).hover({ position: { x: (column + 0.5) * cell, y: (row + 0.5) * cell } });
};

test('one run alone has the tab, but disabled, and says how to get another', async () => {
  await fixture.withPanel(smallTrace, {}, async panel => {
    const tab = panel.byTest('view-compare');
    assert.equal(await tab.getAttribute('aria-disabled'), 'true');
    assert.match((await tab.getAttribute('title')) ?? '', /Compare With…/);
    await tab.click({ force: true });
    assert.ok(await panel.byTest('attention-view').isVisible());
    await panel.byTest('compare-with').click();
    assert.ok(panel.sent.some(message => message.type === 'command' && message.command === 'compareRuns'));
  });
});

test('patches kept by one are counted per layer as the two runs kept them', async () => {
  await fixture.withPanel(merger, compared, async panel => {
    const patches = Array.from({ length: 144 }, (_, patch) => patch);
    // At D3 both filters have acted; merging loses no patch.
    const keptA = patches.map(patch => scoreA(patch) >= 0.3);
    const keptB = patches.map(patch => scoreB(patch) >= 0.5);
    const number = (test: (patch: number) => boolean): number => patches.filter(test).length;
    await tile(panel, 3).click();
    const caption = await textOf(panel, 'compare-caption-difference');
    for (const words of [
      `only A ${number(patch => keptA[patch]! && !keptB[patch])}`,
      `only B ${number(patch => !keptA[patch] && keptB[patch]!)}`,
      `both ${number(patch => keptA[patch]! && keptB[patch]!)}`,
      `neither ${number(patch => !keptA[patch] && !keptB[patch])}`,
    ])
      assert.ok(caption.includes(words), `${words} in ${caption}`);
    assert.equal(await note(panel, 0), '0');
    // At D1 and D2 only B has dropped.
    assert.equal(await note(panel, 1), String(number(patch => !keptB[patch])));
    assert.equal(await note(panel, 3), String(number(patch => keptA[patch] !== keptB[patch])));
    const bars = panel.byTest('compare-entering').locator('rect.bar-a');
    const entering = await bars.evaluateAll(nodes => nodes.map(node => Number((node as SVGElement).dataset['tokens'])));
    assert.deepEqual(entering.slice(0, 2), [144 - 16, 144 - 16]);
  });
});

test('hovering a patch in one image marks it in all three and says what became of it in each', async () => {
  await fixture.withPanel(merger, compared, async panel => {
    await tile(panel, 3).click();
    const patch = Array.from({ length: 144 }, (_, i) => i).find(i => scoreA(i) < 0.3 && scoreB(i) >= 0.5)!;
    const [row, column] = [Math.floor(patch / 12), patch % 12];
    const before = await Promise.all(['a', 'b', 'difference'].map(place => panel.pixels(`compare-marks-${place}`)));
    await hoverPatch(panel, 'b', row, column);
    await waitForText(panel, 'compare-readout-difference', new RegExp(`row ${row}, column ${column}: only B has it`));
    assert.match(await textOf(panel, 'compare-readout-a'), /dropped.*, output of D1 · made score 0\.\d+, under 0\.30/);
    assert.match(await textOf(panel, 'compare-readout-b'), /kept.*, output of D0 · made score 0\.\d+, over 0\.50/);
    const after = await Promise.all(['a', 'b', 'difference'].map(place => panel.pixels(`compare-marks-${place}`)));
    after.forEach((pixels, i) => {
      assert.notEqual(pixels, before[i]);
    });
    await hoverPatch(panel, 'a', 1, 1);
    await waitForText(panel, 'compare-readout-a', /row 1, column 1: (kept.*, in a token of \d patches|merged|dropped)/);
    await waitForText(panel, 'live', /^row 1, column 1: .* A: row 1/);
  });
});

test('the answers are aligned, what differs is framed, and the log-probabilities are those of the traces', async () => {
  await fixture.withPanel(merger, compared, async panel => {
    const framed = (letter: string): Promise<string[]> =>
      panel.byTest(`compare-answer-${letter}`).locator('.token.differs .text').allTextContents();
    assert.deepEqual([await framed('a'), await framed('b')], [['green'], ['red']]);
    await waitForText(
      panel,
      'compare-parting',
      /^they part at token 1: A “green” 0\.6000, log −0\.511, B “red” 0\.6000/,
    );
    await panel.byTest('compare-answer-b').locator('.token').nth(2).hover();
    await waitForText(panel, 'compare-token-a', /^A: “apple” 0\.7500, log −0\.288$/);
    await panel.byTest('compare-answer-a').locator('.token').nth(3).click();
    await panel.byTest('compare-answer-b').locator('.token').nth(0).hover();
    await waitForText(panel, 'compare-token-b', /^B: “\.” /);
    // What is locked here is locked in the other views.
    await panel.byTest('view-attention').click();
    assert.equal(await panel.page.locator('[data-testid="token"].locked .text').textContent(), '.');
  });
});

test('attention of the aligned tokens and its difference share one scale, with the numbers of the traces', async () => {
  await fixture.withPanel(realRuns.topK, { compare: [realRuns.random] }, async panel => {
    await panel.byTest('compare-shown-attention').click();
    // The first token is "F" in both.
    await panel.byTest('compare-answer-a').locator('.token').first().click();
    await panel.page.locator('[data-testid="compare-tile"][data-tower="decoder"][data-layer="9"]').click();
    const first = fixture.metadata.promptTokens - 1;
    const { heads } = fixture.metadata.model.decoder;
    const meanOf = async (trace: string): Promise<Float32Array> => {
      const page = await valuesOf(trace, 'decoder.attention_to_image', [
        [first, first + 1],
        [9, 10],
      ]);
      const mean = new Float32Array(page.length / heads);
      page.forEach((value, i) => {
        mean[i % mean.length]! += value / heads;
      });
      return mean;
    };
    const [a, b] = [await meanOf(realRuns.topK), await meanOf(realRuns.random)];
    const largest = (values: Float32Array): number => values.reduce((x, y) => Math.max(x, y), 0);
    const label = async (place: string): Promise<number> => {
      const text = (await panel.byTest(`compare-overlay-${place}`).getAttribute('aria-label')) ?? '';
      return Number(/0 to ([\d.]+)/.exec(text)?.[1]);
    };
    const close = (shown: number, expected: number): void => {
      assert.ok(Math.abs(shown - expected) <= 0.006 * Math.max(1e-4, expected) + 0.0005, `${shown} for ${expected}`);
    };
    await waitForText(panel, 'compare-readout-a', /row that predicts “F”, layer D9/);
    close(await label('a'), largest(a));
    close(await label('b'), largest(b));
    close(await label('difference'), largest(a.map((value, i) => Math.abs(value - b[i]!))));
    const scale = (place: string): Promise<string> => textOf(panel, `compare-caption-${place}`);
    assert.equal(await scale('a'), await scale('b'));
    assert.ok((await scale('a')).includes(Math.max(largest(a), largest(b)).toFixed(3)), await scale('a'));
    await panel.page.waitForTimeout(300);
    const note = await panel.page
      .locator('[data-testid="compare-tile"][data-tower="decoder"][data-layer="9"] .tile-note')
      .textContent();
    close(Number(note), largest(a.map((value, i) => Math.abs(value - b[i]!))));
  });
});

test('keys swap, step through stages, blink, move the token and show tables', async () => {
  await fixture.withPanel(merger, compared, async panel => {
    const { keyboard } = panel.page;
    const axis = (): Promise<string | null> => panel.byTest('compare-axis').getAttribute('aria-valuetext');
    const label = (place: string): Promise<string | null> =>
      panel.byTest(`compare-overlay-${place}`).getAttribute('aria-label');
    await panel.byTest('compare-grid-a').focus();
    await keyboard.press('.');
    assert.match((await label('a'))!, /^Visual tokens of A, Dropper/);
    await keyboard.press(',');
    assert.match((await label('a'))!, /^Visual tokens of A, Merger/);
    await keyboard.press(' ');
    assert.match((await label('a'))!, /^Visual tokens of B, Dropper/);
    assert.equal(await textOf(panel, 'compare-blinked'), 'in its place: B');
    await keyboard.press(' ');
    assert.match((await label('a'))!, /^Visual tokens of A, Merger/);
    await panel.byTest('compare-axis').focus();
    await keyboard.press('Home');
    assert.match((await axis())!, /^vision layer 0/);
    const stops: string[] = [];
    for (let i = 0; i < 5; i++) {
      await keyboard.press(']');
      stops.push(((await axis()) ?? '').split(',')[0]!);
    }
    // A merges after V1; B drops after D0, A after D1; D3 is the last layer.
    assert.deepEqual(stops.slice(0, 4), ['vision layer 2', 'decoder layer 1', 'decoder layer 2', 'decoder layer 3']);
    await keyboard.press('[');
    assert.match((await axis())!, /^decoder layer 2/);
    await keyboard.press('t');
    const rows = await panel.byTest('chart-table').locator('tbody tr').allTextContents();
    assert.equal(rows.length, smallShape.layers + smallShape.visionLayers);
    await keyboard.press('t');
    await panel.byTest('compare-answers').focus();
    await keyboard.press('Home');
    await keyboard.press('ArrowRight');
    assert.equal(await panel.byTest('compare-answers').getAttribute('aria-activedescendant'), 'compare-a-1');
    await keyboard.press('Enter');
    assert.equal(await panel.page.locator('[data-testid="compare-token"].locked').count(), 2);
    await keyboard.press('Escape');
    assert.equal(await panel.page.locator('[data-testid="compare-token"].locked').count(), 0);
    await keyboard.press('t');
    const answers = await panel.byTest('chart-table').locator('tbody tr').allTextContents();
    assert.equal(answers.length, 5);
    assert.match(answers[1]!, /^green0\.6000−0\.511red0\.6000−0\.511differs$/);
    await keyboard.press('t');
    await panel.byTest('compare-grid-b').focus();
    await keyboard.press('ArrowRight');
    await keyboard.press('Enter');
    await waitForText(panel, 'compare-readout-b', /^row 0, column 1: /);
    await keyboard.press('Shift+ArrowDown');
    await waitForText(panel, 'compare-readout-a', /^row 3, column 1: /);
  });
});

test('zoom is shared by the three images', async () => {
  await fixture.withPanel(merger, compared, async panel => {
    const before = await panel.pixels('compare-base-difference');
    await panel.byTest('compare-grid-a').focus();
    await panel.page.keyboard.press('+');
    await panel.page.waitForTimeout(400);
    assert.notEqual(await panel.pixels('compare-base-difference'), before);
    await panel.page.keyboard.press('0');
    await panel.page.waitForTimeout(400);
    assert.equal(await panel.pixels('compare-base-difference'), before);
  });
});

test('three runs: any two are A and B, all are in the table, and a removed one is no longer asked for', async () => {
  await fixture.withPanel(merger, { compare: [dropper, third] }, async panel => {
    const heads = (): Promise<string[]> => panel.byTest('compare-costs').locator('thead th').allTextContents();
    assert.deepEqual(await heads(), ['A Merger', 'B Dropper', 'Third']);
    await panel.byTest('compare-first').click();
    await panel.page.locator('vscode-option', { hasText: 'Third' }).first().click();
    assert.deepEqual(await heads(), ['A Third', 'B Dropper', 'Merger']);
    await hoverPatch(panel, 'a', 0, 1);
    await panel.byTest('compare-costs').locator('tr', { hasText: 'row 0, column 1' }).waitFor();
    const cells = await panel
      .byTest('compare-costs')
      .locator('tr', { hasText: 'row 0, column 1' })
      .locator('td')
      .allTextContents();
    assert.equal(cells[0], 'dropped');
    await panel.byTest('compare-remove-second').click();
    await panel.page.waitForTimeout(300);
    assert.deepEqual(await heads(), ['A Third', 'B Merger']);
    assert.ok(panel.sent.some(one => one.type === 'compare' && one.addresses.join() === addressOf(third)));
    await panel.byTest('compare-remove-first').click();
    await panel.byTest('attention-view').waitFor();
    assert.equal(await panel.byTest('view-compare').getAttribute('aria-disabled'), 'true');
  });
});

test('other grids are refused with the reason, other questions and images are said, and both runs are still shown', async () => {
  await fixture.withPanel(merger, { compare: [coarse] }, async panel => {
    await waitForText(panel, 'compare-refusal-difference', /A has 12 × 12, B has 6 × 6/);
    await hoverPatch(panel, 'a', 11, 11);
    await panel.byTest('compare-shown-attention').click();
    await hoverPatch(panel, 'b', 5, 5, 6);
    await waitForText(panel, 'compare-readout-b', /^row 5, column 5: /);
  });
  await fixture.withPanel(realRuns.whole, { compare: [realRuns.question] }, async panel => {
    assert.match(
      await textOf(panel, 'compare-cautions'),
      /^Different questions: A “Describe this picture\.”, B “How many moose/,
    );
    await panel.byTest('compare-parameters').getByText('question').waitFor();
  });
});

test('a file that vanished or was cut off says so in one line, and what is loaded stays', async () => {
  await fixture.withPanel(merger, compared, async panel => {
    const [label, pixels] = [
      await panel.byTest('compare-overlay-b').getAttribute('aria-label'),
      await panel.pixels('compare-base-b'),
    ];
    const problem = { message: 'This file no longer exists.', hint: 'Choose another run.' };
    await panel.compare([], false, [{ run: 9, address: addressOf(dropper), name: 'dropper.fovea', problem }]);
    await waitForText(panel, 'compare-problems', /^dropper\.fovea: This file no longer exists\. Choose another run\.$/);
    assert.equal(await panel.byTest('compare-overlay-b').getAttribute('aria-label'), label);
    assert.equal(await panel.pixels('compare-base-b'), pixels);
  });
});

test('the comparison survives a reload: the runs, A and B, and what is shown', async () => {
  await fixture.withPanel(merger, { compare: [dropper, third] }, async panel => {
    await panel.byTest('compare-swap').click();
    await panel.byTest('compare-shown-attention').click();
    await panel.page.waitForTimeout(600);
    await panel.page.reload();
    await panel.ready();
    await panel.byTest('compare-view').waitFor();
    assert.equal(await panel.byTest('compare-shown-attention').getAttribute('aria-checked'), 'true');
    assert.deepEqual(await panel.byTest('compare-costs').locator('thead th').allTextContents(), [
      'A Dropper',
      'B Merger',
      'Third',
    ]);
  });
});

test('roles and names are there for a screen reader, ids are unique, and every tab stop has a name', async () => {
  await fixture.withPanel(merger, compared, async panel => {
    const { page } = panel;
    for (const role of ['banner', 'main', 'listbox', 'application', 'slider', 'status', 'table', 'radiogroup'] as const)
      assert.ok((await page.getByRole(role).count()) > 0, `a ${role}`);
    const red = page.getByRole('option', {
      name: 'red, answer B token 1, probability 0.6000, not in the other answer',
    });
    assert.equal(await red.count(), 1);
    const nameless = await page.evaluate<string[]>(`[...document.querySelectorAll(
        '[tabindex="0"], button, vscode-dropdown, vscode-checkbox, canvas[role="img"], svg[role="img"]')]
      .filter(node => node.getClientRects().length > 0)
      .filter(node => !(node.getAttribute('aria-label') || node.textContent.trim()))
      .map(node => node.outerHTML.slice(0, 120))`);
    assert.deepEqual(nameless, []);
    const broken = await page.evaluate<string[]>(`[...document.querySelectorAll('[aria-activedescendant]')]
      .map(node => node.getAttribute('aria-activedescendant')).filter(id => id !== '' && !document.getElementById(id))`);
    assert.deepEqual(broken, []);
    const doubled = await page.evaluate<number>(
      `(() => { const ids = [...document.querySelectorAll('[id]')].map(n => n.id); return ids.length - new Set(ids).size; })()`,
    );
    assert.equal(doubled, 0);
  });
});

test('every theme and width is drawn without overlap; in narrow windows the images share one place', async () => {
  const shots: [string, OpenOptions][] = [
    ...themes.map((theme): [string, OpenOptions] => [theme.replace('vscode-', ''), { theme, height: 900 }]),
    ['dark-1100', { width: 1100, height: 900 }],
    ['light-800', { theme: 'vscode-light', width: 800, height: 1300 }],
    ['dark-480', { width: 480, height: 1300 }],
  ];
  for (const [name, options] of shots)
    await fixture.withPanel(merger, { ...compared, ...options }, async panel => {
      await tile(panel, 3).click();
      await panel.page.waitForTimeout(300);
      const narrow = (options.width ?? 1440) < 900;
      assert.equal(await panel.page.locator('.compare-place:visible').count(), narrow ? 1 : 3, name);
      if (narrow) {
        await panel.byTest('compare-place-first').click();
        assert.ok(await panel.byTest('compare-grid-a').isVisible());
        await panel.page.keyboard.press('Escape');
        await panel.byTest('compare-grid-a').focus();
        await panel.page.keyboard.press(' ');
        assert.ok(await panel.byTest('compare-grid-b').isVisible(), 'Space blinks at the same place');
      }
      await panel.page.screenshot({ path: `${output}/compare-${name}.png` });
      const overlaps = await panel.page.evaluate<string[]>(`(() => {
        const nodes = [...document.querySelectorAll('.compare-answers, .compare-heads, .compare-place, .compare-costs, .compare-canvas')]
          .filter(node => node.getClientRects().length > 0);
        const boxes = nodes.map(node => node.getBoundingClientRect());
        const found = [];
        for (let i = 0; i < boxes.length; i++) for (let j = 0; j < i; j++) {
          const [a, b] = [boxes[i], boxes[j]];
          if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
            found.push(nodes[i].className + ' over ' + nodes[j].className);
        }
        if (document.documentElement.scrollWidth > document.documentElement.clientWidth) found.push('wider than the window');
        return found;
      })()`);
      assert.deepEqual(overlaps, [], name);
    });
});
