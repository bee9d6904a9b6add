/** Reports of evaluations and of traffic: opened from disk they are read without scripts, and with them they are the panels. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import sharp from 'sharp';
import { writeReport } from '../../native/report/write-report.ts';
import type { Evaluation } from '../../trace/evaluation/evaluation.ts';
import { openTrafficFile, writeEvaluationFile, writeTrafficFile } from '../../trace/file.ts';
import type { TrafficMetadata } from '../../trace/traffic/metadata.ts';
import { hostileTexts } from '../fixtures/hostile-run.ts';
import { output, picture } from './panel-fixture.ts';
import { ReportBrowser } from './report-page.ts';
import { syntheticEvaluation } from './synthetic-evaluation.ts';
import { writeSyntheticTraffic } from './synthetic-traffic.ts';

const all = hostileTexts.join(' ');
const browser = ReportBrowser.prepare();
const kinds = ['evaluation', 'traffic'] as const;
const reportOf = (name: string): string => `${output}/report of ${name}.html`;

before(async () => {
  const evaluation = syntheticEvaluation();
  const plain = `${output}/report-evaluation.fovea`;
  const ranks = `${output}/report-traffic.fovea`;
  await writeEvaluationFile(plain, evaluation);
  await writeEvaluationFile(`${output}/hostile-evaluation.fovea`, hostileEvaluation(evaluation));
  await writeSyntheticTraffic(ranks, picture, { ranks: 8, algorithms: ['lv-xattn', 'ring'], frames: 1 });
  await writeHostileTraffic(ranks, `${output}/hostile-traffic.fovea`);
  for (const kind of kinds) {
    const source = `${output}/report-${kind}.fovea`;
    const { bytes } = await writeReport({ sources: [source], outPath: reportOf(kind), format: 'html' });
    assert.ok(bytes < 5e6, `the report of ${kind} has ${bytes} bytes`);
    const hostile = `${output}/hostile-${kind}.fovea`;
    await writeReport({ sources: [hostile], outPath: reportOf(`hostile ${kind}`), format: 'html' });
  }
});

function hostileEvaluation({ metadata, questions, outcomes }: Evaluation): Evaluation {
  return {
    metadata: {
      ...metadata,
      set: { ...metadata.set, name: `../<script>${all}`, path: all },
      model: { ...metadata.model, name: `<b>model</b> ${all}` },
      conditions: metadata.conditions.map(each => ({ ...each, title: `<b>${each.title}</b> ${hostileTexts[0]!}` })),
      problems: [{ line: 1, message: all }],
    },
    questions: questions.map((each, index) => ({
      ...each,
      image: `../"'><script>${hostileTexts[4]!}.png`,
      question: hostileTexts[index % hostileTexts.length]!,
      kind: index % 2 === 0 ? hostileTexts[0]! : `constructor ${hostileTexts[4]!}`,
    })),
    outcomes: outcomes.map(row =>
      row.map((each, index) => each && { ...each, answer: hostileTexts[index % hostileTexts.length]! }),
    ),
  };
}

async function writeHostileTraffic(from: string, to: string): Promise<void> {
  const reader = await openTrafficFile(from);
  const { workload, runs, ...rest } = reader.metadata;
  const metadata: TrafficMetadata = {
    ...rest,
    workload: {
      ...workload,
      name: `<b>${all}`,
      description: all,
      question: all,
      answer: all,
      tokens: workload.tokens!.map((token, index) => ({ ...token, text: hostileTexts[index % hostileTexts.length]! })),
      frames: workload.frames!.map(frame => ({ ...frame, name: `../"'><script>${hostileTexts[4]!}.png` })),
    },
    runs: runs.map(run => ({
      ...run,
      backend: { ...run.backend, hardware: all },
      links: { ...run.links, description: all },
      checks: [{ name: hostileTexts[1]!, passed: false, message: all }],
    })),
  };
  const frames = await reader.slice('workload.frames');
  const ledger = await reader.ledger();
  await writeTrafficFile(to, metadata, { ledger, tensors: { 'workload.frames': frames } });
  await reader.close();
}

test('in the report of an evaluation, hovering a point shows its numbers and another metric moves the points', async () => {
  const { page, faults } = await browser.openFromDisk(reportOf('evaluation'));
  assert.equal(await page.locator('.interactive .series-point').count(), 24);
  const marker = page.locator('.interactive [data-point="mustdrop@64"] .marker');
  await marker.hover();
  await page.getByTestId('point-readout').getByText('MustDrop, 64 tokens').waitFor();
  const before = await marker.getAttribute('transform');
  await page.getByTestId('metric').click();
  await page.getByRole('option', { name: 'prefill time' }).click();
  assert.match((await page.locator('.interactive .axis-title').textContent()) ?? '', /ms of decoder prefill, median/);
  assert.notEqual(await marker.getAttribute('transform'), before);
  assert.equal(await page.getByTestId('ask-1').count(), 0, 'nothing can be run from a file');
  await page.screenshot({ path: `${output}/report-evaluation.png`, fullPage: true });
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('in the report of traffic, hovering a cell and scrubbing the rounds change what every chart shows', async () => {
  const { page, faults } = await browser.openFromDisk(reportOf('traffic'));
  const readout = page.getByTestId('traffic-readout');
  const run = page.locator('[data-run="0"]');
  assert.match((await readout.textContent()) ?? '', /^Rank 0, round 0/);
  const sent = await run.getByTestId('byte-matrix').innerHTML();
  // Row of rank 5, column of round 3: block 2.
  await run.getByTestId('ownership-grid').hover({ position: { x: 28 + 3 * 24 + 12, y: 34 + 5 * 24 + 12 } });
  await readout.getByText('holds query block 2, owner rank 2').waitFor();
  assert.match((await readout.textContent()) ?? '', /^Rank 5, round 3/);
  const marked = await page.locator('.traffic-strip .token.on').allInnerTexts();
  assert.ok(marked.length > 0);
  await page.getByTestId('ring-axis').focus();
  for (let round = 0; round < 4; round++) await page.keyboard.press('ArrowRight');
  assert.match((await page.getByTestId('round').textContent()) ?? '', /Round [4-7] of 8/);
  assert.notEqual(await run.getByTestId('byte-matrix').innerHTML(), sent);
  for (const hidden of ['untrusted', 'export-perfetto'])
    assert.equal(await page.getByTestId(hidden).isVisible(), false, hidden);
  await page.screenshot({ path: `${output}/report-traffic.png`, fullPage: true });
  assert.deepEqual(faults, []);
  await page.context().close();
});

test('keys that scroll are the page’s until the reader clicks into the panel, and then the panel’s', async () => {
  const { page, faults } = await browser.openFromDisk(reportOf('traffic'));
  const readout = page.getByTestId('traffic-readout');
  await page.locator('h1').click();
  await page.keyboard.press('ArrowDown');
  while ((await page.evaluate<number>('scrollY')) === 0) await page.waitForTimeout(20);
  assert.match((await readout.textContent()) ?? '', /^Rank 0, round 0/);
  await page.getByTestId('run-table').click();
  await page.keyboard.press('ArrowDown');
  await readout.getByText(/^Rank 1, round 0/).waitFor();
  assert.deepEqual(faults, []);
  await page.context().close();
});

for (const kind of kinds) {
  test(`the report of ${kind} is complete without scripts, and on paper`, async () => {
    const { page, faults } = await browser.openFromDisk(reportOf(kind), { javaScriptEnabled: false });
    assert.equal(await page.locator('#fovea-panel').isVisible(), false);
    const text = await page.locator('body').innerText();
    const words = {
      evaluation: ['MustDrop', 'What pruning loses', 'McNemar', 'gone.png', 'Every number of the trace'],
      traffic: ['LV-XAttn: bytes', 'by formula', 'Ring attention: checks', 'Every number of the trace'],
    };
    for (const word of words[kind]) assert.ok(text.includes(word), word);
    await page.emulateMedia({ media: 'print' });
    await page.setViewportSize({ width: 680, height: 960 });
    // Browsers print what is up to twice as wide as the sheet smaller, and cut off the rest.
    assert.ok((await page.evaluate<number>('document.documentElement.scrollWidth')) < 1.5 * 680);
    const pdf = await page.pdf({ preferCSSPageSize: true });
    assert.ok((pdf.toString('latin1').match(/\/Type\s*\/Page\b/g) ?? []).length > 1);
    assert.deepEqual(faults, []);
    await page.context().close();
  });

  test(`hostile names stay text in the report of ${kind} and in its panel`, async () => {
    const { page, faults } = await browser.openFromDisk(reportOf(`hostile ${kind}`));
    assert.equal(await page.locator('b, [onerror], a[href^="javascript"]').count(), 0);
    assert.equal(await page.locator('script:not([type])').count(), 1);
    const shown = await page.locator('#fovea-panel').innerText();
    assert.ok(shown.includes('<script>document.title="owned"'));
    if (kind === 'traffic') await page.locator('.traffic-strip .token').first().hover();
    else await page.locator('.interactive .marker').first().hover();
    assert.notEqual(await page.title(), 'owned');
    assert.deepEqual(faults, []);
    await page.context().close();
  });

  test(`a figure of ${kind} is saved from inside the page`, async () => {
    const { page, faults } = await browser.openFromDisk(reportOf(kind));
    await page.getByTestId('figure-choice').focus();
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByTestId('save-png').click()]);
    const { width, density } = await sharp(await download.path()).metadata();
    assert.ok(width > 800, `${width} pixels`);
    assert.equal(density, 300);
    assert.deepEqual(faults, []);
    await page.context().close();
  });

  test(`the report of ${kind} stays in sight on a narrow screen and where the reader prefers dark`, async () => {
    const options = { viewport: { width: 500, height: 900 }, colorScheme: 'dark' } as const;
    const { page, faults } = await browser.openFromDisk(reportOf(kind), options);
    assert.equal(await page.evaluate('getComputedStyle(document.body).backgroundColor'), 'rgb(255, 255, 255)');
    assert.ok((await page.evaluate<number>('document.documentElement.scrollWidth')) <= 500);
    await page.screenshot({ path: `${output}/report-${kind}-narrow.png`, fullPage: true });
    assert.deepEqual(faults, []);
    await page.context().close();
  });
}
