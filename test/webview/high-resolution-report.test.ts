/** The FlexAttention view outside of VS Code: inside an exported report, and as saved figures; and the pixels that it zooms to. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { before, test } from 'node:test';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { writeReport } from '../../native/report/write-report.ts';
import { openTraceFile } from '../../trace/file.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { floatsOf } from '../../webview/source/floats.ts';
import { detailTrace, makeDetailTrace, output } from './panel-fixture.ts';
import { root } from './panel-rig.ts';
import { ReportBrowser, type ReportPage } from './report-page.ts';

const report = `${output}/detail-report.html`;
const browser = ReportBrowser.prepare();
let metadata: RunMetadata;
let selected: Float32Array;
let cells: Float32Array;

before(async () => {
  await makeDetailTrace();
  await writeReport({ sources: [detailTrace], outPath: report, format: 'html' });
  const reader = await openTraceFile(detailTrace);
  metadata = reader.metadata;
  selected = floatsOf(await reader.slice('high_resolution.selected'));
  cells = floatsOf(await reader.slice('high_resolution.cells'));
  await reader.close();
});

async function openDetail(): Promise<ReportPage> {
  const opened = await browser.openFromDisk(report);
  await opened.page.getByTestId('view-high-resolution').click();
  await opened.page.getByTestId('detail-view').waitFor({ state: 'visible' });
  return opened;
}

/** Goes to the last layer, and to a step. */
async function choose(page: Page, step: number): Promise<void> {
  const layer = metadata.highResolution!.attending.at(-1)!;
  await page.locator(`[data-testid="axis-tile"][data-tower="decoder"][data-layer="${layer}"]`).click();
  await page.getByTestId('step-slider').fill(String(step));
  await page
    .getByTestId('step-name')
    .filter({ hasText: `step ${step} of` })
    .waitFor();
}

const plain = async (page: Page, name: string): Promise<string> =>
  ((await page.getByTestId(name).textContent()) ?? '').replaceAll('\u2009', '');

/** What the last layer reads: selected by the one before it. */
function readBy(step: number): { tokens: number; cells: Float32Array } {
  const { layers, attending, cells: size } = metadata.highResolution!;
  const index = step * layers.length + layers.indexOf(attending.at(-1)! - 1);
  const count = size.rows * size.columns;
  return { tokens: selected[index]!, cells: cells.subarray(index * count, (index + 1) * count) };
}

test('in a report the steps are gone through: tokens, pictures and costs are those of the trace, with no request', async () => {
  const { page, faults } = await openDetail();
  for (const step of [0, 2]) {
    await choose(page, step);
    const words = await plain(page, 'selected-words');
    assert.match(words, new RegExp(`= ${readBy(step).tokens} HR tokens`), `step ${step}`);
    assert.match(await plain(page, 'step-body'), new RegExp(`reads${readBy(step).tokens} of 5184 tokens`));
  }
  const drawn = (stage: string): Promise<string> =>
    page.evaluate<string>(`document.querySelector('[data-testid="selection-${stage}"]').toDataURL()`);
  const stepBefore = { attention: await drawn('attention'), read: await drawn('read') };
  await page.getByTestId('tokens').focus();
  await page.keyboard.press('ArrowRight');
  await page.getByTestId('step-name').filter({ hasText: 'step 3 of' }).waitFor();
  for (const stage of ['attention', 'normalised', 'binarised', 'cells', 'mask', 'read']) {
    const url = await drawn(stage);
    const { channels } = await sharp(Buffer.from(url.split(',')[1]!, 'base64')).stats();
    const range = Math.max(...channels.map(({ min, max }) => max - min));
    assert.ok(range > 100, `${stage} is empty: its levels differ by ${range}`);
  }
  assert.notEqual(await drawn('attention'), stepBefore.attention);
  assert.notEqual(await drawn('read'), stepBefore.read);
  assert.match(await plain(page, 'resolution-costs'), /FlexAttention.*LLaVA-HD/s);
  assert.match(await plain(page, 'detail-weights'), /^bundled weights/);
  await page.screenshot({ path: `${output}/detail-report.png` });
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('every chart of the view is saved from a report, as SVG that stands alone and as PNG for print', async () => {
  const { page, faults } = await openDetail();
  await choose(page, 2);
  const choice = page.getByTestId('figure-choice');
  await choice.focus();
  const titles = await choice.locator('option').allTextContents();
  assert.deepEqual(titles, [
    'Tokens',
    'High-resolution tokens on the image',
    'From attention to high-resolution tokens',
    'Layer × step',
    'What the step reads from',
    'Cost of high resolution',
    'Layer by layer',
    'Whole view: High resolution',
  ]);
  for (const title of titles) {
    await choice.selectOption({ label: title });
    for (const format of ['svg', 'png'] as const) {
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByTestId(`save-${format}`).click()]);
      const bytes = await readFile(await download.path());
      await sharp(bytes)
        .png()
        .toFile(`${output}/detail-figure ${title.replaceAll(/[^\w ]/g, '')} ${format}.png`);
      const { width, height, density } = await sharp(bytes).metadata();
      assert.ok(width > 300 && height > 30, `${title}: ${width} × ${height}`);
      const { entropy } = await sharp(bytes).stats();
      assert.ok(entropy > 0.3, `${title}, ${format}: entropy ${entropy}`);
      if (format === 'png') {
        assert.equal(density, 300);
        continue;
      }
      const svg = bytes.toString('utf8');
      // Text that the window cuts off makes no figure wider than the panel.
      assert.ok(Number(/viewBox="0 0 ([\d.]+)/.exec(svg)?.[1]) <= 1280, title);
      if (title.startsWith('Whole view')) assert.ok(Number(/viewBox="0 0 ([\d.]+)/.exec(svg)?.[1]) < 830, title);
      assert.doesNotMatch(
        svg,
        /var\(|--vscode|--fovea|\sclass=|\sstyle=|<foreignObject|href="(?!data:image\/png)/,
        title,
      );
      const [, caption = ''] = /<desc>(.*?)<\/desc>/s.exec(svg) ?? [];
      for (const word of ['fovea-tiny', 'scene-03.png', 'pumpkin', 'FlexAttention'])
        assert.ok(caption.includes(word), `${title}: ${caption}`);
    }
  }
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('zoomed in, a selected cell shows the pixels of the file, one square each', async () => {
  const { page, faults } = await openDetail();
  await choose(page, 2);
  const { columns, rows } = metadata.highResolution!.cells;
  const read = readBy(2).cells;
  // A cell whose neighbours are selected, too, so that no outline lies on it.
  const cell = [...read.keys()].find(
    index =>
      read[index] &&
      index % columns > 0 &&
      index % columns < columns - 1 &&
      [index - 1, index + 1, index - columns, index + columns].every(near => read[near]),
  );
  assert.ok(cell !== undefined, 'no cell stands among others');
  const [row, column] = [Math.floor(cell / columns), cell % columns];
  const grid = page.getByTestId('patch-grid');
  await grid.scrollIntoViewIfNeeded();
  const box = (await grid.boundingBox())!;
  const position = { x: ((column + 0.5) * box.width) / columns, y: ((row + 0.5) * box.height) / rows };
  await grid.hover({ position });
  await page.keyboard.down('Control');
  for (let turn = 0; turn < 2; turn++) await page.mouse.wheel(0, -200);
  await page.keyboard.up('Control');
  await page.waitForTimeout(200);
  await page.screenshot({ path: `${output}/detail-pixels.png` });

  const { data, info } = await sharp(`${root}media/samples/scene-03.png`)
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const canvas = await page.evaluate<string>(`document.querySelector('[data-testid="overlay-canvas"]').toDataURL()`);
  const shown = await sharp(Buffer.from(canvas.split(',')[1]!, 'base64'))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  // The point under the pointer stays where it is; around it, each pixel of the file is a square of `size` screen pixels.
  const transform = await page.evaluate<string>(
    `JSON.stringify(document.querySelector('[data-testid="patch-grid"]').__zoom)`,
  );
  const { k, x, y } = JSON.parse(transform) as { k: number; x: number; y: number };
  const size = (box.width * k) / info.width;
  assert.ok(size >= 3, `a pixel of the file is ${size} pixels on the screen`);
  const cellSide = info.width / columns;
  let compared = 0;
  for (let dy = 2; dy < cellSide - 2; dy++)
    for (let dx = 2; dx < cellSide - 2; dx++) {
      const [px, py] = [Math.floor(column * cellSide + dx), Math.floor(row * cellSide + dy)];
      const [sx, sy] = [Math.floor(x + (px + 0.5) * size), Math.floor(y + (py + 0.5) * size)];
      if (sx < 0 || sy < 0 || sx >= shown.info.width || sy >= shown.info.height) continue;
      const from = (py * info.width + px) * 3;
      const to = (sy * shown.info.width + sx) * 3;
      assert.deepEqual([...shown.data.subarray(to, to + 3)], [...data.subarray(from, from + 3)], `pixel ${px}, ${py}`);
      compared++;
    }
  assert.ok(compared > 500, `${compared} pixels were compared`);
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('a picture no larger than a tile, and a strip whose padding nothing may read, are drawn and explained', async () => {
  for (const [name, width, height, notes] of [
    ['tile', 300, 300, /not larger than a tile of 336 pixels/],
    ['strip', 1500, 60, /padded|padding|set to 0|square/],
  ] as const) {
    const [image, trace] = [`${output}/detail-${name}.png`, `${output}/detail-${name}.fovea`];
    await sharp(`${root}media/samples/scene-03.png`).resize(width, height, { fit: 'fill' }).toFile(image);
    await makeDetailTrace(image, trace);
    await writeReport({ sources: [trace], outPath: `${output}/detail-${name}.html`, format: 'html' });
    const { page, faults } = await browser.openFromDisk(`${output}/detail-${name}.html`);
    await page.getByTestId('view-high-resolution').click();
    await page.locator('[data-testid="axis-tile"][data-tower="decoder"][data-layer="11"]').click();
    await page.getByTestId('selection-mask').waitFor({ state: 'visible' });
    assert.match(await plain(page, 'detail-view'), notes, name);
    await page.screenshot({ path: `${output}/detail-${name}-view.png`, fullPage: true });
    assert.deepEqual(faults, [], name);
    await page.context().close();
  }
});
