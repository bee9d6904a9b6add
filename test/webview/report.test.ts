import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { writeReport } from '../../native/report/write-report.ts';
import { openTraceFile } from '../../trace/file.ts';
import { hostileRun, writeHostileTrace } from '../fixtures/hostile-run.ts';
import { output, picture, realTrace } from './panel-fixture.ts';
import { root } from './panel-rig.ts';
import { ReportBrowser } from './report-page.ts';

const realReport = `${output}/report.html`;
const hostileTrace = `${output}/hostile ' & <b>.fovea`;
const hostileReport = `${output}/hostile ' & <b>.html`;

const browser = ReportBrowser.prepare();
/** Of the answer's word "apple", as four decimals. */
let appleProbability = '';
before(async () => {
  await mkdir(output, { recursive: true });
  if (!existsSync(realTrace)) {
    const args = ['analyze', picture, '--question', 'Describe this picture.', '--out', realTrace];
    await promisify(execFile)(process.execPath, ['--import', 'tsx', 'native/cli/main.ts', ...args], { cwd: root });
  }
  const trace = await openTraceFile(realTrace);
  const { tokens, promptTokens } = trace.metadata;
  await trace.close();
  const apple = tokens.slice(promptTokens).find(({ text }) => text.trim() === 'apple');
  appleProbability = Math.exp(apple!.logprob!).toFixed(4);
  await writeHostileTrace(hostileTrace);
  await writeReport({ sources: [hostileTrace], outPath: hostileReport, format: 'html' });
  const { bytes } = await writeReport({ sources: [realTrace], outPath: realReport, format: 'html' });
  assert.ok(bytes < 5e6, `the report of a usual run has ${bytes} bytes`);
});

test('opened from disk, hovering a token changes the readout, with no error and no request', async () => {
  const { page, faults } = await browser.openFromDisk(realReport);
  const readout = page.getByTestId('readout');
  const before = await readout.textContent();
  const apple = page.getByTestId('token').filter({ hasText: /^apple$/ });
  await apple.hover();
  await readout.getByText('“apple”').waitFor();
  const now = await readout.textContent();
  assert.notEqual(now, before);
  assert.match(now ?? '', new RegExp(`^“apple”.*apple${appleProbability}`, 's'));
  for (const hidden of ['untrusted', 'choose-model'])
    assert.equal(await page.getByTestId(hidden).isVisible(), false, hidden);
  assert.equal(await page.evaluate('scrollY'), 0);
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('without scripts everything but the panel is there to read', async () => {
  const { page, faults } = await browser.openFromDisk(realReport, { javaScriptEnabled: false });
  const text = await page.locator('body').innerText();
  const words = ['Describe this picture.', 'Four moose, a green apple', appleProbability, 'D11', '--max-new-tokens=64'];
  for (const word of words) assert.ok(text.includes(word), word);
  assert.equal(await page.locator('#fovea-panel').isVisible(), false);
  assert.equal(await page.locator('tbody tr').count(), 29 + 12);
  const broken = await page
    .locator('img')
    .evaluateAll(images => images.filter(image => (image as HTMLImageElement).naturalWidth === 0).length);
  assert.equal(broken, 0);
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('on paper the panel is left out and nothing is wider than the sheet', async () => {
  const { page, faults } = await browser.openFromDisk(realReport);
  await page.emulateMedia({ media: 'print' });
  await page.setViewportSize({ width: 680, height: 960 });
  assert.equal(await page.locator('#fovea-panel').isVisible(), false);
  assert.equal(await page.locator('h1').isVisible(), true);
  assert.ok((await page.evaluate<number>('document.documentElement.scrollWidth')) <= 680);
  const pdf = await page.pdf({ preferCSSPageSize: true });
  assert.ok((pdf.toString('latin1').match(/\/Type\s*\/Page\b/g) ?? []).length > 0);
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('hostile texts and file names stay text, in the page and in its panel', async () => {
  const { page, faults } = await browser.openFromDisk(hostileReport);
  assert.match(await page.title(), /^Where <b>model<\/b> .* looked in /);
  assert.equal(await page.locator('b:not(.panel b), [onerror]').count(), 0);
  const scripts = await page.locator('script:not([type])').count();
  assert.equal(scripts, 1);
  assert.ok((await page.locator('dd').first().textContent())?.includes('</script><script>document.title="owned"'));
  assert.equal(await page.getByTestId('token').count(), hostileRun.tokens.length);
  await page.getByTestId('token').nth(3).hover();
  assert.notEqual(await page.title(), 'owned');
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('the PDF has pages, and the texts of the run as text', async () => {
  const out = `${output}/report.pdf`;
  await writeReport({ sources: [realTrace], outPath: out, format: 'pdf' });
  const pdf = (await readFile(out)).toString('latin1');
  assert.match(pdf, /^%PDF-/);
  const pages = (pdf.match(/\/Type\s*\/Page\b/g) ?? []).length;
  assert.ok(pages >= 2 && pages <= 8, `${pages} pages`);
});

test('a figure is saved from inside the page, as SVG and as PNG', async () => {
  const { page, faults } = await browser.openFromDisk(realReport);
  await page.getByTestId('figure-choice').selectOption({ label: 'What the row reads from' });
  for (const format of ['svg', 'png'] as const) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByTestId(`save-${format}`).click()]);
    assert.equal(download.suggestedFilename(), `scene-04 What the row reads from.${format}`);
    const bytes = await readFile(await download.path());
    const { width, format: kind, density } = await sharp(bytes).metadata();
    assert.equal(kind, format);
    assert.ok(width > 400, `${width} pixels`);
    if (format === 'png') assert.equal(density, 300);
    else assert.match(bytes.toString('utf8'), /<desc>What the row that predicts “/);
  }
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('a report of two runs shows one after the other in its panel', async () => {
  const comparison = `${output}/comparison.html`;
  await writeReport({ sources: [realTrace, hostileTrace], outPath: comparison, format: 'html' });
  const { page, faults } = await browser.openFromDisk(comparison);
  assert.equal(
    await page.getByRole('radio', { checked: true }).first().textContent(),
    'A no token reduction: scene-04.fovea',
  );
  await page.getByTestId('run-1').click();
  await page.getByTestId('token').nth(hostileRun.tokens.length).waitFor({ state: 'detached' });
  assert.equal(await page.getByTestId('token').count(), hostileRun.tokens.length);
  assert.notEqual(await page.title(), 'owned');
  assert.deepEqual(faults, []);
  await page.context().close();
});
