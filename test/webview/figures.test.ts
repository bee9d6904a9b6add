import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import sharp from 'sharp';
import { draw, figures } from './asked-figures.ts';
import { output, PanelFixture, realTrace, token } from './panel-fixture.ts';

const fixture = PanelFixture.prepare();
const folder = `${output}/figures`;

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);

test('every view and chart is saved as SVG that stands alone, in the light theme from a dark window', async () => {
  await mkdir(folder, { recursive: true });
  await fixture.withPanel(realTrace, { theme: 'vscode-dark' }, async panel => {
    await fixture.choose(panel, fixture.indexOf('apple'));
    const names = await figures(panel);
    assert.deepEqual(
      names.map(({ title }) => title),
      [
        'Tokens',
        'Attention on the image',
        'Head × layer',
        'What the row reads from',
        'Layer by layer',
        'Whole view: Attention',
      ],
    );
    for (const { id, title, fileName } of names) {
      const svg = (await draw(panel, id, 'svg')).toString('utf8');
      await writeFile(`${folder}/${fileName}.svg`, svg);
      assert.match(fileName, /^scene-04 /);
      assert.doesNotMatch(
        svg,
        /var\(|--vscode|--fovea|\sclass=|\sstyle=|<script|<foreignObject|href="(?!data:image\/png)/,
        title,
      );
      const [, desc = ''] = /<desc>(.*?)<\/desc>/s.exec(svg) ?? [];
      for (const word of [
        '“apple”',
        'layer D',
        'fovea-tiny',
        'scene-04.png',
        'Describe this picture.',
        'all visual tokens',
      ])
        assert.ok(desc.includes(word), `${title}: ${desc}`);
      // The light theme's page and ink.
      assert.match(svg, /<rect width="[\d.]+" height="[\d.]+" fill="#ffffff"\/>/, title);
      assert.match(svg, /fill="#3b3b3b"/, title);
      const { width, height, format } = await sharp(Buffer.from(svg)).metadata();
      assert.equal(format, 'svg');
      assert.ok(width > 300 && height > 30, `${title}: ${width} × ${height}`);
    }
  });
});

test('a figure keeps its numbers as text, its bars as shapes and its maps cell by cell', async () => {
  await fixture.withPanel(realTrace, { theme: 'vscode-light', ratio: 1 }, async panel => {
    await fixture.choose(panel, fixture.indexOf('apple'));
    const names = await figures(panel);
    const idOf = (title: string): number => names.find(name => name.title === title)!.id;
    const bars = (await draw(panel, idOf('What the row reads from'), 'svg')).toString('utf8');
    // Twelve layers of five groups.
    assert.ok((bars.match(/<rect[^>]*y="[\d.]+"/g) ?? []).length >= 60);
    assert.match(bars, />image<\/text>/);
    assert.match(bars, /fill="#b5295b"/);
    const axis = (await draw(panel, idOf('Layer by layer'), 'svg')).toString('utf8');
    const images = [...axis.matchAll(/<image[^>]*href="data:image\/png;base64,([^"]+)"[^>]*>/g)];
    assert.equal(images.length, 8 + 12);
    for (const [element, base64] of images) {
      const { width, height } = await sharp(Buffer.from(base64!, 'base64')).metadata();
      assert.deepEqual([width, height], [24, 24]);
      assert.match(element, /image-rendering="pixelated"/);
    }
    assert.match(axis, />D11<\/text>/);
    const grid = (await draw(panel, idOf('Head × layer'), 'svg')).toString('utf8');
    const [, base64 = ''] = /href="data:image\/png;base64,([^"]+)"/.exec(grid) ?? [];
    const onScreen = await panel.page.evaluate<number>(`document.querySelector('[data-testid="head-grid"]').width`);
    // Three pixels a CSS pixel, though the window is light already and has one.
    assert.equal((await sharp(Buffer.from(base64, 'base64')).metadata()).width, onScreen * 3);
  });
});

test('PNG has print resolution and says so', async () => {
  await fixture.withPanel(realTrace, { theme: 'vscode-dark' }, async panel => {
    for (const { id, fileName } of await figures(panel)) {
      const png = await draw(panel, id, 'png');
      await writeFile(`${folder}/${fileName}.png`, png);
      const { width, density, format } = await sharp(png).metadata();
      assert.equal(format, 'png');
      assert.equal(density, 300);
      const millimetres = (width / 300) * 25.4;
      assert.ok(millimetres > 80 && millimetres <= 180.1, `${fileName}: ${millimetres} mm`);
      // Drawn, and not an empty sheet.
      const { entropy } = await sharp(png).stats();
      assert.ok(entropy > 0.3, `${fileName}: entropy ${entropy}`);
    }
  });
});

test('saving a figure leaves the panel as it was', async () => {
  for (const theme of ['vscode-dark', 'vscode-light', 'vscode-high-contrast'] as const)
    await fixture.withPanel(realTrace, { theme }, async panel => {
      await fixture.choose(panel, fixture.indexOf('apple'));
      const state = async (): Promise<unknown> => ({
        overlay: digest(await panel.pixels('overlay-canvas')),
        grid: digest(await panel.pixels('head-grid')),
        image: digest(await panel.pixels('image-canvas')),
        legend: digest(await panel.pixels('legend-bar')),
        classes: await panel.page.evaluate(`document.body.className`),
      });
      const before = await state();
      for (const { id } of await figures(panel)) await draw(panel, id, 'svg', id % 2 ? 'shown' : 'light');
      assert.deepEqual(await state(), before, theme);
    });
});

test('the key s asks to save the chart that has the focus', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
    await panel.byTest('depth-axis').focus();
    await panel.page.keyboard.press('s');
    const axis = (await figures(panel)).find(({ title }) => title === 'Layer by layer');
    const asked = panel.sent.find(message => message.type === 'saveFigure');
    assert.deepEqual(asked, { type: 'saveFigure', figure: axis?.id });
    await token(panel, 0).click();
  });
});

test('a chart that is shown as a table is saved as a chart', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
    await panel.byTest('mass-bars').focus();
    await panel.page.keyboard.press('t');
    await panel.byTest('chart-table').waitFor();
    const bars = (await figures(panel)).find(({ title }) => title === 'What the row reads from')!;
    assert.match((await draw(panel, bars.id, 'svg')).toString('utf8'), /fill="#b5295b"/);
    assert.equal(await panel.byTest('chart-table').isVisible(), true);
  });
});
