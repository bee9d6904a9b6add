/** Traffic in a real VS Code: four ranks on an animation beside ring attention, its rounds scrubbed, and exported for Perfetto. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test as plainTest } from 'node:test';
import sharp from 'sharp';
import { openTrafficFile } from '../../trace/file.ts';
import type { ChromeTrace } from '../../trace/traffic/perfetto.ts';
import { findPython } from '../torch/python.mjs';
import { projectFolder } from './rig/editor.ts';
import { eventually, Fixture, testsOf } from './rig/fixture.ts';
import { idle } from './rig/fovea.ts';

let fixture: Fixture;
const test = testsOf(() => fixture);

before(async () => {
  const scenes = ['scene-02.png', 'scene-04.png'].map(name => path.join(projectFolder, 'media/samples', name));
  const frames = await Promise.all(scenes.map(scene => sharp(scene).resize(336, 336).png().toBuffer()));
  const clip = await sharp(frames, { join: { animated: true } })
    .gif()
    .toBuffer();
  const measured = fs.readFileSync(path.join(projectFolder, 'docs/two-h100/llama3-v-1-link-none.fovea'));
  fixture = await Fixture.start({ files: { 'clip.gif': clip, 'two-h100.fovea': measured } });
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

const trace = (): string => path.join(fixture.editor.workspace, 'runs', fixture.runFiles()[0]!);

test('an animation is asked on four ranks, beside ring attention, and opens with both', async () => {
  const { workbench } = fixture;
  const { page } = workbench;
  const step = (title: string): Promise<void> =>
    page.locator('.quick-input-title', { hasText: `this Machine: ${title}` }).waitFor();
  await workbench.command('Fovea: Run LV-XAttn on this Machine…');
  await step('Workload');
  await workbench.pick('Images or an Animation');
  await step('Images');
  await workbench.pick('clip.gif');
  await page.keyboard.press('Enter');
  await step('Question');
  await workbench.answerQuickInput('What is on the left?');
  await step('Ranks');
  await workbench.answerQuickInput('4');
  await step('Pass');
  await workbench.pick('Forward');
  await step('Compare With');
  await page.keyboard.press('Enter');
  await step('Links');
  await workbench.pick('3 GB/s, 20 µs');
  const frame = await workbench.webview('[data-testid=byte-matrix]', { timeout: 180_000 });
  assert.equal(await frame.getByTestId('byte-matrix').count(), 2, 'LV-XAttn and ring attention');
  const rows = await frame.locator('[data-testid=run-rows] tbody tr').allInnerTexts();
  for (const row of rows) assert.match(row, /✓ 4 of 4 ranks/);
  assert.equal(await frame.getByTestId('violations').count(), 0);
  const reader = await openTrafficFile(trace());
  const { workload, runs } = reader.metadata;
  await reader.close();
  assert.deepEqual(
    runs.map(({ algorithm, status }) => `${algorithm} ${status.state}`),
    ['lv-xattn complete', 'ring complete'],
  );
  assert.equal(workload.frames?.length, 2);
  await idle(workbench);
  await workbench.screenshot('traffic');
});

test('rounds are scrubbed by keyboard: the block moves on, its words and what it looked at follow', async () => {
  const { workbench } = fixture;
  const frame = await workbench.webview('[data-testid=byte-matrix]');
  await frame.getByTestId('ring-axis').focus();
  const readout = frame.getByTestId('traffic-readout');
  assert.match(await readout.innerText(), /Rank 0, round 0 LV-XAttn: holds query block 0, its own/);
  await workbench.page.keyboard.press('ArrowRight');
  await readout.filter({ hasText: 'Rank 0, round 1' }).waitFor();
  const text = await readout.innerText();
  assert.match(text, /holds query block 3, owner rank 3/);
  assert.match(text, /block looks at\s+frame \d \(/);
  const sentences = await frame.locator('.traffic-strip .token.on').allInnerTexts();
  assert.ok(sentences.length > 0 && text.includes(sentences.at(-1)!.trim()), 'the block is marked in the text');
});

test('the trace is exported for Perfetto: the bytes of its sends are those of the ledger', async () => {
  const { workbench, editor } = fixture;
  const frame = await workbench.webview('[data-testid=byte-matrix]');
  await frame.getByTestId('export-perfetto').click();
  await workbench.page.waitForFunction(
    `[...document.querySelectorAll('.quick-input-widget input')].some(input => input.value.endsWith('.perfetto.json'))`,
  );
  await workbench.page.keyboard.press('Enter');
  await workbench.notification('.perfetto.json is written').waitFor({ timeout: 30_000 });
  const name = fs.readdirSync(editor.workspace).find(file => file.endsWith('.perfetto.json')) ?? '';
  const { traceEvents } = JSON.parse(fs.readFileSync(path.join(editor.workspace, name), 'utf8')) as ChromeTrace;
  const reader = await openTrafficFile(trace());
  const { transfers } = await reader.ledger();
  await reader.close();
  const exported = traceEvents.reduce(
    (sum, event) => sum + (event.ph === 'X' && event.cat === 'send' ? Number(event.args['bytes']) : 0),
    0,
  );
  const recorded = transfers.reduce((sum, { bytes }) => sum + bytes, 0);
  assert.ok(recorded > 0);
  assert.equal(exported, recorded);
});

test('the palette offers what traffic has, and nothing that only a run has', async () => {
  const { workbench } = fixture;
  assert.ok(await workbench.offersCommand('Fovea: Export Traffic for Perfetto…'));
  assert.ok(!(await workbench.offersCommand('Fovea: Go to Layer or Head…')));
});

test('the trace stands in the Runs view with its ranks and size; Delete closes it, Undo brings it back, a click opens it', async () => {
  const { workbench, editor } = fixture;
  const { page } = workbench;
  await workbench.command('View: Show Fovea');
  const rows = page.locator('.part.sidebar .monaco-list-row');
  const row = rows.filter({ hasText: 'What is on the left?' }).first();
  await row.waitFor();
  assert.match(
    (await row.getAttribute('aria-label')) ?? '',
    /^Traffic: What is on the left\?, 4 ranks, LV-XAttn, Ring attention, .*B$/,
  );
  assert.match(await rows.filter({ hasText: 'Traffic between Ranks' }).innerText(), /1 · [\d.]+ [kM]B/i);
  await workbench.screenshot('traffic-runs-view');
  const [name = ''] = fixture.runFiles();
  const before = fs.readFileSync(trace());
  await row.click();
  await workbench.webview('[data-testid=byte-matrix]');
  // A click shows the run and leaves the focus in the view.
  await page.keyboard.press('Delete');
  const message = workbench.notification(new RegExp(name.replaceAll('.', '\\.')));
  await message.waitFor();
  assert.deepEqual(fixture.runFiles(), []);
  await page.locator('.tabs-container .tab').filter({ hasText: name }).waitFor({ state: 'detached' });
  await message.getByRole('button', { name: 'Undo' }).click();
  await row.waitFor();
  assert.ok(before.equals(fs.readFileSync(path.join(editor.workspace, 'runs', name))));
  await row.click();
  await workbench.webview('[data-testid=byte-matrix]');
});

test('what two GPUs measured opens: every run complete, LV-XAttn beside five rivals', async () => {
  const { workbench } = fixture;
  await workbench.openFile('two-h100.fovea');
  const frame = await workbench.webview('[data-testid=byte-matrix]');
  const rows = frame.locator('[data-testid=run-rows] tbody tr');
  await rows.nth(5).waitFor();
  for (const row of await rows.allInnerTexts()) assert.match(row, /✓ 2 of 2 ranks/);
  assert.equal(await frame.getByTestId('violations').count(), 0);
  await idle(workbench);
  await workbench.screenshot('traffic-two-gpus');
});

const testWithTorch: typeof test =
  findPython() === undefined
    ? name => {
        void plainTest.skip(`${name} (no Python here has PyTorch)`);
      }
    : test;

testWithTorch(
  'ranks under torchrun: a Python with PyTorch is chosen, its ranks run beside ring attention, and the trace opens',
  async () => {
    const { workbench } = fixture;
    const { page } = workbench;
    const before = fixture.runFiles();
    const step = (title: string): Promise<void> =>
      page.locator('.quick-input-title', { hasText: `on GPUs: ${title}` }).waitFor({ timeout: 60_000 });
    await workbench.command('Fovea: Run LV-XAttn on GPUs…');
    await step('Python');
    await page.locator('.quick-input-list .monaco-list-row').filter({ hasText: 'PyTorch' }).first().click();
    await step('Ranks');
    await workbench.answerQuickInput('2');
    await step('Sizes');
    await workbench.pick('64 queries × 4096 keys');
    await step('Pass');
    await workbench.pick('Forward and backward');
    await step('Where');
    await workbench.pick('Run Here');
    const made = (): string | undefined => fixture.runFiles().find(name => !before.includes(name));
    await eventually(() => made() !== undefined, 'the trace of the ranks', 120_000);
    const reader = await openTrafficFile(path.join(fixture.editor.workspace, 'runs', made()!));
    const { runs, status } = reader.metadata;
    await reader.close();
    assert.equal(status.state, 'complete');
    assert.deepEqual(
      runs.flatMap(({ checks }) => checks.filter(({ passed }) => !passed)),
      [],
    );
    assert.equal(runs[0]!.backend.name, 'torch-gloo');
    await workbench.tab(made()!).waitFor();
    const frame = await workbench.webview('[data-testid=pass-backward]');
    await frame.getByTestId('checks').getByText('LV-XAttn, backward').waitFor();
    await workbench.screenshot('traffic-ranks');
  },
);
