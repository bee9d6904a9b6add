/** Small text read with and without high-resolution tokens in a real VS Code, and its selection gone through step by step. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import { openTraceFile } from '../../trace/file.ts';
import { writeRemoteTrace } from '../fixtures/hostile-run.ts';
import { inLlavaLayout, withReleasedProjections } from '../fixtures/llava-layout.ts';
import { projectFolder } from './rig/editor.ts';
import { eventually, Fixture, testsOf } from './rig/fixture.ts';
import { ask, idle, Panel } from './rig/fovea.ts';

const image = 'scene-03.png';
const question = 'What is the small word near the pumpkin?';

interface Sample {
  readonly file: string;
  readonly questions: readonly {
    readonly question: string;
    readonly model_answer: string;
    readonly model_answer_flex?: string;
  }[];
}

/** What the models' training code, in PyTorch, answered: not our own output. */
function reference(): Sample['questions'][number] {
  const file = path.join(projectFolder, 'media/samples/questions.json');
  const samples = JSON.parse(fs.readFileSync(file, 'utf8')) as Sample[];
  const found = samples.find(sample => sample.file === image)?.questions.find(one => one.question === question);
  assert.ok(found, `questions.json does not know "${question}"`);
  return found;
}

let fixture: Fixture;
/** What ends with the tests. */
const ends: (() => void)[] = [];
const owner = { after: (end: () => void): number => ends.push(end) };
const test = testsOf(() => fixture);
let panel: Panel;

before(async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fovea-remote-'));
  await writeRemoteTrace(path.join(folder, 'remote.fovea'));
  const files = { 'remote.fovea': fs.readFileSync(path.join(folder, 'remote.fovea')) };
  fs.rmSync(folder, { recursive: true });
  fixture = await Fixture.start({ samples: [image], files });
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
  for (const end of ends) end();
});

test('in low resolution the small label is misread, and the tab says why it is empty', async () => {
  const { workbench } = fixture;
  await ask(workbench, image, question);
  panel = await Panel.visible(workbench, 120_000);
  assert.equal(await panel.answer(), reference().model_answer.replaceAll(' ', ''));
  assert.equal(await panel.get('view-high-resolution').getAttribute('aria-disabled'), 'true');
  await idle(workbench);
});

test('with high-resolution tokens it reads what the reference reads', async () => {
  const { workbench } = fixture;
  const { page } = workbench;
  await workbench.command('Fovea: Analyze Image with a Method…');
  await page.locator('.quick-input-title', { hasText: 'Analyze Image with a Method' }).waitFor();
  await workbench.pick('FlexAttention, code');
  // The picture of the panel in front is proposed as it is.
  const asked = page.locator('.quick-input-title', { hasText: `Ask about ${image}` });
  await asked.waitFor();
  await workbench.answerQuickInput(question);
  panel = await panel.next(180_000);
  assert.equal(await panel.answer(), reference().model_answer_flex?.replaceAll(' ', ''));
  await panel.get('view-high-resolution').click();
  await panel.get('detail-view').waitFor();
  assert.match(await panel.get('detail-weights').innerText(), /^bundled weights/);
});

test('the steps are played, and each shows the number of tokens that the trace holds', async () => {
  const { page } = fixture.workbench;
  const traces = fixture.runFiles().map(name => path.join(fixture.editor.workspace, 'runs', name));
  const readers = await Promise.all(traces.map(openTraceFile));
  const run = readers.find(reader => reader.metadata.highResolution);
  assert.ok(run, 'no run holds high-resolution tokens');
  const { attending, layers } = run.metadata.highResolution!;
  const { data } = await run.slice('high_resolution.selected');
  const selected = new Int32Array(data.slice().buffer);
  await Promise.all(readers.map(reader => reader.close()));
  const last = attending.at(-1)!;
  await panel.frame.locator(`[data-testid="axis-tile"][data-tower="decoder"][data-layer="${last}"]`).click();
  await panel.get('tokens').focus();
  await page.keyboard.press('End');
  // Played from its end, it starts anew; where motion is unwelcome, as in this editor, each press is one step.
  for (const step of [0, 1, 2]) {
    await page.keyboard.press(' ');
    await panel
      .get('step-name')
      .filter({ hasText: `step ${step} of` })
      .waitFor();
  }
  await page.keyboard.press('ArrowRight');
  const shown = /step (\d+) of/.exec(await panel.get('step-name').innerText());
  assert.ok(shown);
  const tokens = selected[Number(shown[1]) * layers.length + layers.indexOf(last - 1)]!;
  const words = (await panel.get('selected-words').innerText()).replaceAll('\u2009', '');
  assert.match(words, new RegExp(`= ${tokens} HR tokens`));
  await fixture.workbench.screenshot('high-resolution');
});

test('an image that a trace names on another computer is asked for before anything is opened there', async () => {
  const { workbench } = fixture;
  await workbench.openFile('remote.fovea');
  await Panel.visible(workbench);
  await workbench.command('Fovea: Analyze Image Again with Another Question…');
  const dialog = workbench.dialog();
  await dialog.waitFor();
  assert.match(await dialog.innerText(), /another computer: \/\/files\.example\/share/);
  await workbench.screenshot('another-computer');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.equal(await workbench.quickInput().isVisible(), false);
});

test("a checkpoint in the layout of LLaVA's own repository runs with its tower from the folder that a setting names", async () => {
  const { workbench, editor } = fixture;
  const model = inLlavaLayout(owner, withReleasedProjections(owner), 'elsewhere');
  const settings = path.join(editor.workspace, '.vscode/settings.json');
  fs.mkdirSync(path.dirname(settings), { recursive: true });
  fs.writeFileSync(settings, JSON.stringify({ 'fovea.model.folder': model.path }));
  await ask(workbench, image, 'What?');
  await workbench.notification(/lack the vision tower openai\/clip-little-patch7-28/).waitFor();
  await workbench.screenshot('no-vision-tower');
  const tower = { 'fovea.model.visionTower': model.file('elsewhere/tower') };
  fs.writeFileSync(settings, JSON.stringify({ 'fovea.model.folder': model.path, ...tower }));
  const before = fixture.runFiles().length;
  await workbench.retry('run the model with its tower', 60_000, async () => {
    await ask(workbench, image, 'What?');
    await eventually(() => fixture.runFiles().filter(name => name.endsWith('.fovea')).length > before, 'a run', 10_000);
  });
  panel = await Panel.visible(workbench, 60_000);
  await idle(workbench);
  const newest = fixture.runFiles().at(-1)!;
  const reader = await openTraceFile(path.join(editor.workspace, 'runs', newest));
  await reader.close();
  assert.equal(reader.metadata.model.architecture, 'LlavaLlamaForCausalLM');
  assert.equal(reader.metadata.model.folder, model.path);
});
