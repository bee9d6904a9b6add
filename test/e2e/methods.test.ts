/** Token methods in a real VS Code: the user's own from the template to the map that follows every save, MustDrop and FastV. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import { eventually, Fixture, testsOf } from './rig/fixture.ts';
import { idle, Panel } from './rig/fovea.ts';

const image = 'scene-04.png';
const question = 'How many moose are there?';
const moduleName = 'brightest.mjs';

let fixture: Fixture;
const test = testsOf(() => fixture);
let panel: Panel;
/** The module's path. */
let module: string;

before(async () => {
  fixture = await Fixture.start({ samples: [image] });
  module = path.join(fixture.editor.workspace, 'methods', moduleName);
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

async function analyzeWith(method: RegExp): Promise<void> {
  const { workbench } = fixture;
  const { page } = workbench;
  await workbench.command('Fovea: Analyze Image with a Method…');
  await page.locator('.quick-input-title', { hasText: 'Analyze Image with a Method' }).waitFor();
  await workbench.pick(method);
}

/** Chooses another method in the panel, at a budget of tokens, and waits for its run. */
async function runAgainWith(method: string, budget: number): Promise<void> {
  const { workbench } = fixture;
  const before = panel;
  await panel.get('run-method').scrollIntoViewIfNeeded();
  await panel.get('run-method').focus();
  const option = panel.get('run-method').locator('vscode-option', { hasText: method }).first();
  await option.waitFor({ state: 'attached' });
  await panel.get('run-method').click();
  await option.click();
  await panel.get('run-budget').locator('input').fill(String(budget));
  await panel.get('run-again').click();
  panel = await before.next(120_000);
  await idle(workbench);
  await panel.get('view-pruning').click();
  await panel.get('pruning-view').waitFor();
}

/** Kept, merged, dropped … at the stage that is shown, by their names. */
async function counts(shown: Panel): Promise<Record<string, number>> {
  const entries = await shown.get('fate-legend').locator('.fate-entry').allInnerTexts();
  return Object.fromEntries(
    entries.map(text => [text.replace(/[\d\s]+/g, ' ').trim(), Number(text.replace(/\D/g, ''))] as const),
  );
}

/** In the editor, as a user would: find, replace, save. */
async function edit(from: string, to: string): Promise<void> {
  const { workbench } = fixture;
  const { page } = workbench;
  await workbench.tab(moduleName).click();
  const text = fs.readFileSync(module, 'utf8');
  assert.ok(text.includes(from), from);
  // Typing into the editor would complete brackets; pasting the whole text does not.
  await page.locator('.monaco-editor .view-lines').first().click();
  await page.keyboard.press('Control+a');
  await page.evaluate(value => navigator.clipboard.writeText(value), text.replace(from, to));
  await page.keyboard.press('Control+v');
  await page.keyboard.press('Control+s');
  await eventually(() => fs.readFileSync(module, 'utf8').includes(to), 'the saved file');
}

test('New Token Method… writes a template, opens it and names it in the settings', async () => {
  const { workbench, editor } = fixture;
  await workbench.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await workbench.command('Fovea: New Token Method…');
  await workbench.page.locator('.quick-input-title', { hasText: 'New Token Method' }).waitFor();
  await workbench.answerQuickInput('Brightest');
  await workbench.tab(moduleName).waitFor();
  assert.match(fs.readFileSync(module, 'utf8'), /name: "brightest",\s+title: "Brightest"/);
  assert.ok(fs.existsSync(path.join(editor.workspace, 'methods/fovea-method.d.ts')));
  const settings = await eventually(() => {
    const file = path.join(editor.workspace, '.vscode/settings.json');
    return fs.existsSync(file) && fs.readFileSync(file, 'utf8');
  }, 'the settings');
  assert.deepEqual(JSON.parse(settings), { 'fovea.methods': [`methods/${moduleName}`] });
});

test('Analyze Image with a Method… lists it by its title; the Pruning tab shows its stage', async () => {
  const { workbench } = fixture;
  await analyzeWith(/Brightest.*methods\/brightest\.mjs/s);
  await workbench.pick(image);
  await workbench.answerQuickInput(question);
  panel = await Panel.visible(workbench, 120_000);
  await idle(workbench);
  await panel.get('view-pruning').click();
  await panel.get('pruning-view').waitFor();
  await panel.get('stage-name').filter({ hasText: 'Keep the most attended' }).waitFor();
  const shown = await counts(panel);
  assert.deepEqual([shown['kept, single'], shown['dropped so far']], [128, 448]);
  await workbench.screenshot('own-method');
});

test('the panel’s list names it with its parameters, and Run Again runs the module with one changed', async () => {
  const { workbench } = fixture;
  const tokens = panel.get('parameter-tokens').locator('input');
  await panel.get('show-parameters').click();
  await tokens.fill('100');
  await panel.frame.locator('vscode-option', { hasText: 'FastV' }).first().waitFor({ state: 'attached' });
  const before = panel;
  await panel.get('run-again').click();
  panel = await before.next(120_000);
  await idle(workbench);
  await panel.get('view-pruning').click();
  await panel.get('stage-name').filter({ hasText: 'Keep the most attended' }).waitFor();
  assert.equal((await counts(panel))['kept, single'], 100);
});

test('a save runs the open analysis again, and the map changes', async () => {
  const { workbench } = fixture;
  const before = panel;
  await edit('ranked.slice(0, tokens)', 'ranked.slice(0, 40)');
  panel = await before.next(120_000);
  await idle(workbench);
  await panel.get('view-pruning').click();
  await panel.get('stage-name').filter({ hasText: 'Keep the most attended' }).waitFor();
  const shown = await counts(panel);
  assert.deepEqual([shown['kept, single'], shown['dropped so far']], [40, 536]);
  assert.equal(fixture.runFiles().filter(name => name.endsWith('-live.fovea')).length, 1);
  await workbench.screenshot('own-method-live');
});

test('a method that throws is named with file and function; the pipeline lives, and the mended one runs', async () => {
  const { workbench } = fixture;
  const pid = fixture.pipelineProcess()?.pid;
  await edit('ranked.slice(0, 40)', 'ranked.slice(0, missing)');
  await workbench.notification(/brightest\.mjs, decoderLayer\(\) threw: missing is not defined \(line \d+\)/).waitFor();
  await workbench.screenshot('own-method-throws');
  await idle(workbench);
  assert.equal(fixture.pipelineProcess()?.pid, pid);
  await workbench.command('Notifications: Clear All Notifications');
  await edit('ranked.slice(0, missing)', 'ranked.slice(0, 60)');
  await workbench.retry('see the mended run', 60_000, async () => {
    panel = await Panel.visible(workbench);
    await panel.get('view-pruning').click({ timeout: 2000 });
    assert.equal((await counts(panel))['kept, single'], 60);
  });
});

test('evaluations offer it; as long as it is no module, lists say so or leave it out', async () => {
  const { workbench } = fixture;
  const { page } = workbench;
  const evaluated = async (): Promise<string[]> => {
    await workbench.command('Fovea: Evaluate Methods on a Question Set…');
    await workbench.pick('Questions for the bundled model');
    await page.locator('.quick-input-title', { hasText: 'Methods: Methods' }).waitFor();
    await workbench.quickInput().locator('.quick-input-filter input').fill('bright');
    await page.waitForTimeout(500);
    const rows = await workbench.quickInputRows().allInnerTexts();
    await page.keyboard.press('Escape');
    return rows;
  };
  assert.match((await evaluated()).join(), /Brightest.*methods\/brightest\.mjs/s);
  const sound = fs.readFileSync(module, 'utf8');
  fs.writeFileSync(module, `${sound} }`);
  assert.deepEqual(await evaluated(), []);
  await workbench.command('Fovea: Analyze Image with a Method…');
  await workbench
    .quickInputRows()
    .filter({ hasText: /brightest\.mjs threw: Unexpected token/ })
    .first()
    .waitFor();
  await page.keyboard.press('Escape');
  fs.writeFileSync(module, sound);
});

test('MustDrop and then FastV run from the panel, and are compared', async () => {
  const { workbench } = fixture;
  await runAgainWith('MustDrop', 64);
  await runAgainWith('FastV', 192);
  await workbench.notification('Both runs on').getByRole('button', { name: 'Compare' }).click();
  await panel.get('compare-view').waitFor();
  const told = panel.frame.getByLabel(/only A, FastV, [1-9]\d*; only B, MustDrop, [1-9]\d*/);
  await told.and(panel.get('compare-overlay-difference')).waitFor();
  await workbench.screenshot('mustdrop-fastv');
});
