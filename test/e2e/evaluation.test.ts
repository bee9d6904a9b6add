/** An evaluation in a real VS Code: from the palette over set, methods and budgets to the chart, and on to a run. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import { projectFolder } from './rig/editor.ts';
import { Fixture, testsOf } from './rig/fixture.ts';
import { idle, Panel } from './rig/fovea.ts';

interface Sample {
  readonly file: string;
  readonly questions: readonly { readonly task: string; readonly question: string; readonly answer: string }[];
}

const samples = ['scene-02.png', 'scene-04.png'];
const all = JSON.parse(fs.readFileSync(path.join(projectFolder, 'media/samples/questions.json'), 'utf8')) as Sample[];
/** Two short questions on each of two images, and a line that nobody can ask. */
const lines = samples.flatMap(name =>
  all
    .find(({ file }) => file === name)!
    .questions.filter(({ task }) => task !== 'describe' && task !== 'small_text')
    .slice(0, 2)
    .map(({ task, question, answer }) => ({ image: name, question, answer, kind: task })),
);
const set = `${lines.map(line => JSON.stringify(line)).join('\n')}\n{"image": "gone.png", "question": "?", "answer": "x"}\n`;

let fixture: Fixture;
const test = testsOf(() => fixture);

before(async () => {
  fixture = await Fixture.start({ samples, files: { 'own-set.jsonl': set } });
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

async function order(budgets: string): Promise<void> {
  const { workbench } = fixture;
  const { page } = workbench;
  await workbench.command('Fovea: Evaluate Methods on a Question Set…');
  await workbench.pick('own-set.jsonl');
  const title = page.locator('.quick-input-title', { hasText: 'Methods: Methods' });
  await title.waitFor();
  for (const [name, wanted] of [
    ['CLS top-k', true],
    ['Random', true],
    ['MustDrop', false],
    ['FastV', false],
  ] as const) {
    // The list is longer than the window, and draws what is in sight.
    await workbench.quickInput().locator('.quick-input-filter input').fill(name);
    const row = workbench.quickInputRows().filter({ hasText: name }).first();
    if ((await row.locator('input[type=checkbox], [role=checkbox]').first().isChecked()) !== wanted) await row.click();
  }
  await page.keyboard.press('Enter');
  await page.locator('.quick-input-title', { hasText: 'Methods: Budgets' }).waitFor();
  await workbench.answerQuickInput(budgets);
  await page.locator('.quick-input-title', { hasText: 'Methods: Number' }).waitFor();
  await workbench.answerQuickInput('');
}

test('a set of the workspace is evaluated and opens as a chart, which says what could not be asked', async () => {
  const { workbench, editor } = fixture;
  await order('64');
  const frame = await workbench.webview('[data-testid=accuracy-chart]', { timeout: 120_000 });
  assert.equal(await frame.locator('.series-point').count(), 2);
  const labels = await frame.locator('.series-label text').allInnerTexts();
  assert.deepEqual(labels.length, 2);
  assert.match(await frame.getByTestId('problems').innerText(), /Line 5: The image gone\.png/);
  assert.match(await frame.locator('.kinds-table').innerText(), /all questions\s+4/);
  await workbench.screenshot('evaluation');
  const folder = path.join(editor.workspace, 'runs', fixture.runFiles()[0]!);
  const files = fs.readdirSync(folder).sort();
  assert.deepEqual(files, ['evaluation.fovea', 'results.jsonl', 'summary.csv', 'summary.json']);
  assert.equal(fs.readFileSync(path.join(folder, 'results.jsonl'), 'utf8').trim().split('\n').length, 1 + 4 * 3);
});

test('another budget asks only what is new, and the open chart follows', async () => {
  const { workbench, editor } = fixture;
  await order('64, 192');
  const frame = await workbench.webview('[data-testid=accuracy-chart]', { timeout: 120_000 });
  const end = Date.now() + 60_000;
  while ((await frame.locator('.series-point').count()) !== 4 && Date.now() < end)
    await workbench.page.waitForTimeout(200);
  assert.equal(await frame.locator('.series-point').count(), 4);
  const results = path.join(editor.workspace, 'runs', fixture.runFiles()[0]!, 'results.jsonl');
  assert.equal(fs.readFileSync(results, 'utf8').trim().split('\n').length, 1 + 4 * 5, 'nothing was asked twice');
});

test('the Runs view lists the evaluation, and opens it', async () => {
  const { workbench } = fixture;
  await workbench.command('Fovea: Focus on Runs View');
  const row = workbench.page.locator('.pane-body .monaco-list-row', { hasText: 'own-set.jsonl' }).first();
  await row.waitFor();
  assert.match(await row.innerText(), /4 questions, 2 methods/);
  const menu = await workbench.menuOf(row);
  for (const offered of ['Open', 'Export Report…', 'Reveal File', 'Copy Path'])
    assert.ok(menu.includes(offered), offered);
  // Its folder holds answers that a later evaluation goes on from.
  for (const refused of ['Delete', 'Rename…']) assert.ok(!menu.includes(refused), refused);
  await row.click();
  await workbench.webview('[data-testid=accuracy-chart]');
});

test('a question that one method alone answers is run with that method from the list', async () => {
  const { workbench } = fixture;
  const frame = await workbench.webview('[data-testid=accuracy-chart]');
  await idle(workbench);
  const run = frame.getByTestId('ask-1').first();
  assert.ok((await frame.getByTestId('ask-1').count()) > 0, '64 of 576 tokens answer less than all of them');
  await run.click();
  const panel = await Panel.visible(workbench, 120_000);
  assert.match(await panel.fact('method'), /cls|random/i);
});
