import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { openTraceFile } from '../../trace/file.ts';
import { massGroups, type RunMetadata, type TensorName } from '../../trace/schema.ts';
import { floatsOf } from '../../webview/source/floats.ts';
import { PanelRig, root, themes, type OpenPanel, type OpenOptions } from './panel-rig.ts';
import { smallShape, writeSyntheticTrace } from './synthetic-trace.ts';

const output = `${root}test/output/webview`;
const picture = `${root}media/samples/scene-04.png`;
const realTrace = `${output}/scene-04.fovea`;
const smallTrace = `${output}/small.fovea`;
let rig: PanelRig;
let metadata: RunMetadata;

/** The trace that the panel is judged against: the bundled model's own, from the real pipeline, made once. */
async function runPipeline(): Promise<void> {
  if (existsSync(realTrace)) return;
  await promisify(execFile)(
    process.execPath,
    [
      '--import',
      'tsx',
      'native/cli/main.ts',
      'analyze',
      picture,
      '--question',
      'Describe this picture.',
      '--out',
      realTrace,
    ],
    { cwd: root },
  );
}

async function valuesOf(trace: string, tensor: TensorName, ranges: [number, number][]): Promise<Float32Array> {
  const reader = await openTraceFile(trace);
  try {
    return floatsOf(await reader.slice(tensor, ranges));
  } finally {
    await reader.close();
  }
}

/** Opens a panel, lets the test act, and demands that nothing went wrong in the page. */
async function withPanel(trace: string, options: OpenOptions, act: (panel: OpenPanel) => Promise<void>): Promise<void> {
  const panel = await rig.open(trace, options);
  try {
    await act(panel);
    assert.deepEqual(panel.faults, []);
  } finally {
    await panel.close();
  }
}

const token = (panel: OpenPanel, index: number): ReturnType<OpenPanel['byTest']> =>
  panel.page.locator(`[data-testid="token"][data-index="${index}"]`);
const indexOf = (text: string): number =>
  metadata.tokens.findIndex(one => one.role === 'generated' && one.text.trim() === text);
const textOf = async (panel: OpenPanel, name: string): Promise<string> =>
  (await panel.byTest(name).textContent()) ?? '';
const lineValues = async (panel: OpenPanel, name: string): Promise<string[]> =>
  (await panel.byTest(name).locator('.bar-line').allTextContents()).map(text => text.replaceAll('\u2009', ' '));

before(async () => {
  await mkdir(output, { recursive: true });
  await runPipeline();
  const reader = await openTraceFile(realTrace);
  metadata = reader.metadata;
  await reader.close();
  await writeSyntheticTrace(smallTrace, smallShape, picture);
  rig = await PanelRig.start();
});

after(async () => {
  await rig.stop();
});

test('hovering a token changes the overlay and the readout, and leaving it changes them back', async () => {
  await withPanel(realTrace, {}, async panel => {
    const [start, title] = [await panel.pixels('overlay-canvas'), await textOf(panel, 'readout')];
    await token(panel, indexOf('yellow')).hover();
    await panel.page.waitForFunction(
      `document.querySelector('[data-testid="readout"]').textContent.includes('“yellow”')`,
    );
    assert.notEqual(await panel.pixels('overlay-canvas'), start);
    await panel.byTest('caveat').hover();
    await panel.page.waitForFunction(
      `!document.querySelector('[data-testid="readout"]').textContent.includes('“yellow”')`,
    );
    assert.equal(await textOf(panel, 'readout'), title);
    assert.equal(await panel.pixels('overlay-canvas'), start);
  });
});

test('the readout shows the probabilities and masses that the trace holds', async () => {
  const apple = indexOf('apple');
  const { layers, heads } = metadata.model.decoder;
  const mass = await valuesOf(realTrace, 'decoder.attention_mass', [[apple - 1, apple]]);
  await withPanel(realTrace, {}, async panel => {
    await token(panel, apple).click();
    await panel.page.locator('[data-testid="axis-tile"][data-tower="decoder"][data-layer="9"]').click();
    const alternatives = metadata.tokens[apple]!.alternatives!;
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
    assert.match(await textOf(panel, 'readout'), /row that predicts it/);
  });
});

test('a click locks the token against hovering, Esc gives it back', async () => {
  await withPanel(realTrace, {}, async panel => {
    const readout = async (): Promise<string> => textOf(panel, 'readout');
    await token(panel, indexOf('apple')).click();
    await token(panel, indexOf('yellow')).hover();
    await panel.page.waitForTimeout(100);
    assert.match(await readout(), /“apple”/);
    await panel.page.keyboard.press('Escape');
    await panel.byTest('caveat').hover();
    await token(panel, indexOf('yellow')).hover();
    await panel.page.waitForFunction(
      `document.querySelector('[data-testid="readout"]').textContent.includes('“yellow”')`,
    );
    await panel.page.waitForTimeout(400);
    assert.ok(panel.sent.some(message => message.type === 'status' && message.text.startsWith('Locked: ')));
  });
});

test('everything is reached by keyboard: token, layer, head, patch, range, lock, table', async () => {
  await withPanel(realTrace, {}, async panel => {
    const { keyboard } = panel.page;
    const axisText = (): Promise<string | null> => panel.byTest('depth-axis').getAttribute('aria-valuetext');
    await panel.byTest('tokens').focus();
    await keyboard.press('Home');
    await keyboard.press('End');
    await keyboard.press('ArrowLeft');
    await keyboard.press('Enter');
    const last = metadata.tokens.length - 2;
    assert.equal(await panel.byTest('tokens').getAttribute('aria-activedescendant'), `token-${last}`);
    assert.equal(await panel.page.locator('.token.locked').getAttribute('data-index'), String(last));
    await panel.byTest('depth-axis').focus();
    await keyboard.press('End');
    assert.equal(await axisText(), 'decoder layer 11');
    await keyboard.press('[');
    assert.equal(await axisText(), 'decoder layer 10');
    await keyboard.press('Shift+ArrowRight');
    assert.equal(await axisText(), 'mean of decoder layers 10 to 11');
    assert.match(await textOf(panel, 'masses'), /mean of layers D10 to D11/);
    await keyboard.press('.');
    assert.match(await textOf(panel, 'masses'), /mean of 6 heads/, 'the maximum has the masses of the mean');
    await keyboard.press('.');
    assert.match(await textOf(panel, 'masses'), /head 0/);
    await panel.byTest('patch-grid').focus();
    await keyboard.press('ArrowRight');
    await keyboard.press('Enter');
    const detail = await textOf(panel, 'readout-detail');
    assert.match(detail, /row \d+, column \d+: /);
    const before = await textOf(panel, 'patch-grid');
    await keyboard.press('Shift+ArrowDown');
    assert.notEqual(await textOf(panel, 'patch-grid'), before);
    await keyboard.press('t');
    const rows = await panel.byTest('chart-table').locator('tbody tr').allTextContents();
    assert.equal(rows.length, 21);
    assert.match(rows[20]!, /^other 556/);
    await keyboard.press('t');
    assert.ok(await panel.byTest('patch-grid').isVisible());
  });
});

test('absolute and own scale differ in the pixels and in the legend, which is kept on request', async () => {
  await withPanel(realTrace, {}, async panel => {
    const legend = (): Promise<string[]> => panel.byTest('legend').locator('.tick').allTextContents();
    await token(panel, indexOf('apple')).click();
    const [own, ownPixels] = [await legend(), await panel.pixels('overlay-canvas')];
    await panel.byTest('scale-absolute').click();
    const absolute = await legend();
    assert.ok(Number(absolute[2]) > Number(own[2]));
    assert.notEqual(await panel.pixels('overlay-canvas'), ownPixels);
    assert.equal(await panel.byTest('legend-unit').textContent(), 'probability');
    await panel.byTest('keep-scale').click();
    await token(panel, indexOf('yellow')).click();
    assert.equal((await legend())[2]!.replace('≥ ', ''), absolute[2]);
  });
});

test('hiding <s> and system hides exactly the mass that the trace gives them', async () => {
  const apple = indexOf('apple');
  const { heads } = metadata.model.decoder;
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
  await withPanel(realTrace, {}, async panel => {
    await token(panel, apple).click();
    await panel.page.locator('[data-testid="axis-tile"][data-tower="decoder"][data-layer="9"]').click();
    const box = panel.byTest('hide-text');
    const percent = (100 * hidden).toFixed(hidden >= 0.0995 ? 0 : 1);
    assert.equal(((await box.textContent()) ?? '').replaceAll('\u2009', ' '), `Hide <s> and system (${percent} %)`);
    const maximum = async (): Promise<number> =>
      Number((await panel.byTest('legend').locator('.tick').allTextContents())[2]);
    assert.ok(Math.abs((await maximum()) - peak) < 6e-4);
    await box.click();
    assert.ok(Math.abs((await maximum()) - peak / (1 - hidden)) < 6e-4);
    assert.equal(await panel.byTest('legend-unit').textContent(), 'share of the rest');
    assert.match(
      (await textOf(panel, 'readout-detail')).replaceAll('\u2009', ' '),
      new RegExp(`<s> and system ${percent} %`),
    );
  });
});

test('outlier patches are counted, hidden with their mass, and hatched', async () => {
  const trace = `${output}/outlier.fovea`;
  await writeSyntheticTrace(trace, { ...smallShape, leading: 1, outlier: { patch: 30, mass: 0.5 } }, picture);
  await withPanel(trace, {}, async panel => {
    const box = panel.byTest('hide-outliers');
    await panel.page.waitForFunction(
      `/\\(1, /.test(document.querySelector('[data-testid="hide-outliers"]').textContent)`,
    );
    const before = await panel.pixels('overlay-canvas');
    await box.click();
    assert.notEqual(await panel.pixels('overlay-canvas'), before);
    const share = /\(1, (.*)\)/.exec((await box.textContent()) ?? '')![1]!;
    assert.ok((await textOf(panel, 'readout-detail')).includes(`outlier patches ${share}`));
  });
});

test('hovering a patch colours the tokens that looked there, by the numbers of the trace', async () => {
  const apple = indexOf('apple');
  const { heads } = metadata.model.decoder;
  const rows = metadata.tokens.length - 1;
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
  const readers = metadata.tokens.map((_, i) => (i < metadata.promptTokens ? mean(i, peak) : mean(i - 1, peak)));
  const best = readers.indexOf(Math.max(...readers));
  await withPanel(realTrace, {}, async panel => {
    await panel.page.locator('[data-testid="axis-tile"][data-tower="decoder"][data-layer="9"]').click();
    await token(panel, apple).click();
    const { columns } = metadata.visual.grid;
    const position = { x: (peak % columns) * 18 + 9, y: Math.floor(peak / columns) * 18 + 9 };
    await panel.byTest('patch-grid').hover({ position });
    await panel.page.waitForFunction(
      `/ · most for /.test(document.querySelector('[data-testid="readout-detail"]').textContent)`,
    );
    assert.ok((await textOf(panel, 'readout-detail')).includes(`most for “${metadata.tokens[best]!.text.trim()}”`));
    const colours = await panel.page
      .locator('[data-testid="token"]')
      .evaluateAll(nodes => nodes.map(node => (node as HTMLElement).style.backgroundColor));
    const threshold = Math.max(...readers.slice(1)) / 20;
    readers.forEach((value, i) => {
      if (i > 0 && value > threshold) assert.notEqual(colours[i], '', `token ${i} looked at the patch`);
      if (value === 0) assert.equal(colours[i], '', `token ${i} did not`);
    });
    assert.match(await textOf(panel, 'colour-note'), /who looked at row/);
  });
});

test('a prompt token before the image says that it could not look at it', async () => {
  await withPanel(realTrace, {}, async panel => {
    await token(panel, 0).click();
    assert.match(await textOf(panel, 'readout-detail'), /comes before the image and could not look at it/);
    await token(panel, metadata.promptTokens - 2).click();
    assert.match(await textOf(panel, 'readout'), /its own row/);
  });
});

test('the row drop-down switches between the row that predicts a token and its own', async () => {
  await withPanel(realTrace, {}, async panel => {
    await token(panel, indexOf('apple')).click();
    const before = await panel.pixels('overlay-canvas');
    await panel.byTest('row').click();
    await panel.page.locator('vscode-option', { hasText: 'of “apple”' }).first().click();
    await panel.page.waitForFunction(
      `document.querySelector('[data-testid="readout"]').textContent.includes('its own row')`,
    );
    assert.notEqual(await panel.pixels('overlay-canvas'), before);
  });
});

test('the vision tower shows its heads and, where recorded, its rollout', async () => {
  await withPanel(smallTrace, {}, async panel => {
    await panel.page.locator('[data-testid="axis-tile"][data-tower="vision"][data-layer="1"]').click();
    assert.equal(await panel.byTest('layer-head').count(), smallShape.visionHeads);
    const before = await panel.pixels('overlay-canvas');
    await panel.byTest('head').click();
    await panel.page.locator('vscode-option', { hasText: 'rollout' }).click();
    await panel.page.waitForFunction(
      `document.querySelector('[data-testid="legend-unit"]').textContent === 'share of CLS'`,
    );
    assert.notEqual(await panel.pixels('overlay-canvas'), before);
  });
});

test('a double click on a head map shows that head in the image', async () => {
  await withPanel(realTrace, {}, async panel => {
    await panel.page.locator('[data-testid="head-map"][data-layer="7"][data-head="3"]').dblclick();
    assert.match(await textOf(panel, 'masses'), /layer D7, head 3/);
  });
});

test('what is chosen survives a reload', async () => {
  await withPanel(realTrace, {}, async panel => {
    await token(panel, indexOf('sign')).click();
    await panel.page.locator('[data-testid="axis-tile"][data-tower="decoder"][data-layer="4"]').click();
    await panel.byTest('scale-absolute').click();
    await panel.byTest('smooth').click();
    await panel.byTest('opacity').fill('60');
    await panel.byTest('patch-grid').focus();
    await panel.page.keyboard.press('+');
    await panel.page.waitForTimeout(600);
    const [readout, overlay] = [await textOf(panel, 'readout'), await panel.pixels('overlay-canvas')];
    await panel.page.reload();
    await panel.ready();
    assert.equal(await textOf(panel, 'readout'), readout);
    assert.equal(await panel.pixels('overlay-canvas'), overlay);
    assert.equal(await panel.byTest('opacity').inputValue(), '60');
    assert.equal(await panel.byTest('scale-absolute').getAttribute('aria-checked'), 'true');
  });
});

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
  await withPanel(trace, {}, async panel => {
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

test('Ctrl+C on a focused chart copies its table as tab-separated values', async () => {
  await withPanel(realTrace, {}, async panel => {
    await panel.byTest('mass-bars').focus();
    const copied = await panel.page.evaluate<string>(`(() => {
      const event = new ClipboardEvent('copy', { clipboardData: new DataTransfer(), cancelable: true, bubbles: true });
      document.activeElement.dispatchEvent(event);
      return event.clipboardData.getData('text/plain');
    })()`);
    const lines = copied
      .trim()
      .split('\n')
      .map(line => line.split('\t'));
    assert.deepEqual(lines[0], ['layer', 'image', 'question', 'generated', 'system', '<s>']);
    assert.equal(lines.length, 13);
    assert.ok(lines.every(cells => cells.length === 6));
  });
});

test('a cropped picture says so, and zooming out shows what was not seen', async () => {
  const trace = `${output}/cropped.fovea`;
  const shape = { ...smallShape };
  const whole = await writeSyntheticTrace(trace, shape, picture);
  const crop = { x: 252, y: 0, width: 504, height: 504 };
  await writeSyntheticTrace(trace, { ...shape, metadata: { image: { ...whole.image, crop } } }, picture);
  await withPanel(trace, {}, async panel => {
    assert.match(
      (await textOf(panel, 'image-caption')).replaceAll('\u2009', ' '),
      /cropped: 75 % of the picture was not seen/,
    );
    await panel.byTest('patch-grid').focus();
    const before = await panel.pixels('image-canvas');
    await panel.page.keyboard.press('-');
    await panel.page.keyboard.press('-');
    await panel.page.waitForTimeout(500);
    assert.notEqual(await panel.pixels('image-canvas'), before);
    await panel.page.screenshot({ path: `${output}/cropped.png` });
  });
});

test('cancelled runs, untrusted workspaces, failures and unreadable pages are told in words', async () => {
  const trace = `${output}/cancelled.fovea`;
  await writeSyntheticTrace(
    trace,
    { ...smallShape, metadata: { status: { state: 'cancelled', after: 'D2, step 3' } } },
    picture,
  );
  await withPanel(trace, { canRun: false }, async panel => {
    assert.equal(await textOf(panel, 'run-status'), 'cancelled after D2, step 3');
    assert.equal(await textOf(panel, 'untrusted'), 'Running needs a trusted workspace');
    assert.equal(await panel.byTest('ask-again').count(), 0);
    await panel.send({ type: 'failed', message: 'Out of memory in prefill.', hint: 'Choose a smaller model.' });
    await panel.byTest('show-log').click();
    assert.match(await textOf(panel, 'run-line'), /Out of memory in prefill\. Choose a smaller model\./);
    assert.ok(panel.sent.some(message => message.type === 'command' && message.command === 'showLog'));
  });
  const failing = { tensor: 'image.display', message: 'The disk is gone.' };
  await withPanel(smallTrace, { failing }, async panel => {
    assert.match(await textOf(panel, 'run-line'), /The disk is gone\./);
    assert.ok(await panel.byTest('overlay-canvas').isVisible(), 'the attention is still there');
  });
});

test('the bundled model says what it knows, and links act', async () => {
  await withPanel(realTrace, {}, async panel => {
    assert.equal(await textOf(panel, 'caveat'), 'fovea-tiny knows rendered scenes only');
    assert.equal(
      await textOf(panel, 'disclaimer'),
      'Attention shows where information was read, not why the answer was given.',
    );
    await panel.byTest('choose-model').click();
    await panel.byTest('ask-again').click();
    await panel.send({ type: 'show', layer: 3, head: 2 });
    await panel.page.waitForFunction(
      `document.querySelector('[data-testid="masses"]').textContent.includes('layer D3, head 2')`,
    );
    const commands = panel.sent.filter(message => message.type === 'command').map(message => message.command);
    assert.deepEqual(commands, ['chooseModel', 'askAgain']);
  });
});

test('roles and names are there for a screen reader, and every tab stop has a name', async () => {
  await withPanel(realTrace, {}, async panel => {
    const { page } = panel;
    for (const role of [
      'banner',
      'navigation',
      'tablist',
      'main',
      'listbox',
      'application',
      'slider',
      'complementary',
      'status',
      'grid',
    ] as const)
      assert.ok((await page.getByRole(role).count()) > 0, `a ${role}`);
    const apple = page.getByRole('option', { name: /^apple, answer token \d+, probability 0\.\d{4}$/ });
    assert.equal(await apple.count(), 1);
    await panel.page.waitForTimeout(400);
    const nameless = await page.evaluate<string[]>(`[...document.querySelectorAll(
        '[tabindex="0"], button, input, vscode-dropdown, vscode-checkbox, canvas[role="img"], svg[role="img"], [role="gridcell"]')]
      .filter(node => node.getClientRects().length > 0)
      .filter(node => !(node.getAttribute('aria-label') || node.textContent.trim() || node.closest('label')?.textContent.trim()))
      .map(node => node.outerHTML.slice(0, 120))`);
    assert.deepEqual(nameless, []);
    const label = await panel.byTest('overlay-canvas').getAttribute('aria-label');
    assert.match(
      label ?? '',
      /^Attention of the row that predicts “.+”, layer D\d+, mean of 6 heads, 0 to [\d.]+, peak at row \d+, column \d+$/,
    );
    const broken = await page.evaluate<string[]>(`[...document.querySelectorAll('[aria-activedescendant]')]
      .map(node => node.getAttribute('aria-activedescendant')).filter(id => !document.getElementById(id))`);
    assert.deepEqual(broken, []);
    const doubled = await page.evaluate<number>(
      `(() => { const ids = [...document.querySelectorAll('[id]')].map(n => n.id); return ids.length - new Set(ids).size; })()`,
    );
    assert.equal(doubled, 0);
  });
});

test('text has a contrast of 4.5 to 1 or more in every theme', async () => {
  for (const theme of themes)
    await withPanel(realTrace, { theme }, async panel => {
      const poor = await panel.page.evaluate<string[]>(contrastCheck);
      assert.deepEqual(poor, [], theme);
    });
});

test('every theme and width is drawn without overlap of regions', async () => {
  const shots: [string, OpenOptions][] = [
    ...themes.map((theme): [string, OpenOptions] => [
      theme.replace('vscode-', ''),
      { theme, width: 1440, height: 900 },
    ]),
    ['dark-1100', { width: 1100, height: 900 }],
    ['light-800', { theme: 'vscode-light', width: 800, height: 1420 }],
    ['dark-480', { width: 480, height: 1300 }],
    ['dark-ratio-2', { width: 1440, height: 843, ratio: 2 }],
  ];
  for (const [name, options] of shots)
    await withPanel(realTrace, options, async panel => {
      await panel.page.waitForTimeout(300);
      await panel.page.screenshot({ path: `${output}/${name}.png` });
      const overlaps = await panel.page.evaluate<string[]>(`(() => {
        const names = ['.picture', '.legend', '.readout', '.canvas', '.strip', '.run'];
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
  await withPanel(trace, {}, async panel => {
    await panel.page.waitForTimeout(800);
    const opening = panel.sliceBytes;
    // The row that is shown, its neighbours, one layer of all rows, the vision tower and the picture.
    assert.ok(opening < 8 * row, `${opening} bytes to open`);
    await token(panel, 25).hover();
    await panel.page.waitForFunction(`document.querySelector('[data-testid="readout"]').textContent.includes('“word')`);
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

test('a hover is answered within the frame, measured by the panel itself', async () => {
  await withPanel(realTrace, {}, async panel => {
    await panel.page.waitForTimeout(1500);
    const generated = metadata.tokens.flatMap((one, i) => (one.role === 'generated' ? [i] : []));
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
    // Machines that run tests share their cores; the bench holds it to 16 ms.
    assert.ok(p95 < 64, `p95 ${p95} ms`);
  });
});

/** Contrast of every visible piece of text with the first opaque ground behind it. */
const contrastCheck = `(() => {
  const parse = text => { const n = (text.match(/[\\d.]+/g) ?? []).map(Number); return { rgb: n.slice(0, 3), a: n[3] ?? 1 }; };
  const luminance = rgb => { const [r, g, b] = rgb.map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const over = (top, below) => top.rgb.map((v, i) => v * top.a + below[i] * (1 - top.a));
  const ground = node => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) { const c = parse(getComputedStyle(at).backgroundColor); if (c.a > 0) layers.push(c); if (c.a === 1) break; }
    return layers.reverse().reduce((below, layer) => over(layer, below), parse(getComputedStyle(document.documentElement).backgroundColor).rgb);
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || !parent || parent.closest('vscode-dropdown, .hidden-text, svg, [hidden]')) continue;
    const style = getComputedStyle(parent);
    if (style.visibility === 'hidden' || parent.getClientRects().length === 0) continue;
    const back = ground(parent);
    const [a, b] = [luminance(over(parse(style.color), back)), luminance(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(node.data.trim().slice(0, 30) + ' ' + ratio.toFixed(2) + ' ' + style.color + ' on ' + back.map(Math.round));
  }
  return poor;
})()`;
