import assert from 'node:assert/strict';
import { test } from 'node:test';
import { output, PanelFixture, realTrace, textOf, waitForText } from './panel-fixture.ts';
import { themes, type OpenOptions } from './panel-rig.ts';

const fixture = PanelFixture.prepare();

test('everything is reached by keyboard: token, layer, head, patch, range, lock, table', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
    const { keyboard } = panel.page;
    const axisText = (): Promise<string | null> => panel.byTest('depth-axis').getAttribute('aria-valuetext');
    await panel.byTest('tokens').focus();
    await keyboard.press('Home');
    await keyboard.press('End');
    await keyboard.press('ArrowLeft');
    await keyboard.press('Enter');
    const last = fixture.metadata.tokens.length - 2;
    assert.equal(await panel.byTest('tokens').getAttribute('aria-activedescendant'), `token-${last}`);
    assert.equal(await panel.page.locator('.token.locked').getAttribute('data-index'), String(last));
    await waitForText(panel, 'readout', new RegExp(`answer token ${last - fixture.metadata.promptTokens} `));
    await panel.byTest('depth-axis').focus();
    await keyboard.press('End');
    assert.equal(await axisText(), 'decoder layer 11');
    await keyboard.press('[');
    assert.equal(await axisText(), 'decoder layer 10');
    await keyboard.press('Shift+ArrowRight');
    assert.equal(await axisText(), 'mean of decoder layers 10 to 11');
    await waitForText(panel, 'masses', /mean of layers D10 to D11/);
    await keyboard.press('.');
    await waitForText(panel, 'masses', /mean of 6 heads/);
    await keyboard.press('.');
    await waitForText(panel, 'masses', /head 0/);
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

test('Ctrl+C on a focused chart copies its table as tab-separated values', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
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

test('roles and names are there for a screen reader, and every tab stop has a name', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
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
    await fixture.withPanel(realTrace, { theme }, async panel => {
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
    ['light-1390x745', { theme: 'vscode-light', width: 1390, height: 745 }],
    ['dark-932', { width: 932, height: 690 }],
    ['light-800', { theme: 'vscode-light', width: 800, height: 1420 }],
    ['dark-480', { width: 480, height: 1300 }],
    ['dark-ratio-2', { width: 1440, height: 843, ratio: 2 }],
  ];
  for (const [name, options] of shots)
    await fixture.withPanel(realTrace, options, async panel => {
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
        return found.map(one => one + JSON.stringify(boxes));
      })()`);
      assert.deepEqual(overlaps, [], name);
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
