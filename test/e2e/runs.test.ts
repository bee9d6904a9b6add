/** The view of the runs in a real VS Code: from the empty list over a sample to opening, renaming, deleting and undoing. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import type { Locator } from 'playwright-core';
import { encodeTrace } from '../../trace/writer.ts';
import { smallRun, smallTensors } from '../fixtures/small-run.ts';
import { eventually, Fixture, testsOf } from './rig/fixture.ts';
import { Panel } from './rig/fovea.ts';

const question = 'Describe the image.';
const view = '.part.sidebar';

let fixture: Fixture;
const test = testsOf(() => fixture);

before(async () => {
  fixture = await Fixture.start({ samples: ['scene-02.png'] });
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

function rows(): Locator {
  return fixture.workbench.page.locator(`${view} .monaco-list-row`);
}

function runRow(text: string = question): Locator {
  return rows().filter({ hasText: text }).first();
}

/** A file of the extension's own storage in VS Code. */
function storage(...names: string[]): string {
  return path.join(fixture.editor.workspace, '../data/User/globalStorage/fovea.fovea', ...names);
}

/** The list and the tabs follow a change a moment later: waits until there are `count`. */
async function counts(elements: Locator, count: number): Promise<void> {
  if (count > 0) await elements.nth(count - 1).waitFor();
  await elements.nth(count).waitFor({ state: 'detached' });
}

async function closeTabs(): Promise<void> {
  const tabs = fixture.workbench.page.locator('.tabs-container .tab');
  while ((await tabs.count()) > 0) await tabs.first().click({ button: 'middle' });
}

async function contextMenu(row: Locator, action: string): Promise<void> {
  const { workbench } = fixture;
  const entry = workbench.page.locator('.context-view .monaco-menu .action-label').filter({ hasText: action }).first();
  await workbench.retry(`choose ${action}`, 20_000, async again => {
    if (again) await workbench.page.keyboard.press('Escape');
    await row.click({ button: 'right', timeout: 3000 });
    // A menu that has just opened takes no clicks for a moment.
    await entry.click({ timeout: 3000, delay: 50 });
    await entry.waitFor({ state: 'hidden', timeout: 1000 });
  });
}

test('the empty view says what it is for and offers the sample and the first command', async () => {
  const { workbench } = fixture;
  await workbench.command('View: Show Fovea');
  const welcome = workbench.page.locator('.welcome-view-content').filter({ hasText: 'vision-language model' });
  await welcome.waitFor();
  await counts(welcome.getByRole('button'), 2);
  assert.deepEqual(await welcome.getByRole('button').allInnerTexts(), ['Analyze a Sample', 'Analyze Image…']);
  await workbench.screenshot('runs-view-empty');
});

test('"Analyze a Sample" asks nothing and ends in a panel and a run in the view, with its question', async () => {
  const { workbench } = fixture;
  await workbench.page.locator('.welcome-view-content').getByRole('button', { name: 'Analyze a Sample' }).click();
  const panel = await Panel.visible(workbench);
  assert.match(await panel.answer(), /penguin/);
  await runRow().waitFor();
  await counts(rows(), 2);
  const labels = await rows().evaluateAll(nodes => nodes.map(node => node.getAttribute('aria-label') ?? ''));
  assert.match(labels[0] ?? '', /^Image scene-01\.png, 1 run, [\d.]+ MB/);
  assert.match(labels[1] ?? '', /^Run: Describe the image\. Answer: .*penguin.* MB/);
  await workbench.page
    .locator(`${view} .composite.title`)
    .filter({ hasText: /Fovea: Runs · [\d.]+ MB/i })
    .waitFor();
});

test('the image is shown by its thumbnail, which comes out of the trace', async () => {
  const icon = rows().first().locator('.custom-view-tree-node-item-icon');
  await eventually(
    () => fs.existsSync(storage('thumbnails')) && fs.readdirSync(storage('thumbnails'))[0],
    'a thumbnail file',
  );
  const file = fs.readdirSync(storage('thumbnails'))[0] ?? '';
  assert.match(file, /^[0-9a-f]{64}\.(webp|jpg)$/);
  await fixture.workbench.retry('see the thumbnail', 10_000, async () => {
    const background = await icon.evaluate(node => getComputedStyle(node).backgroundImage);
    assert.ok(background.includes(file.slice(0, 64)), background);
  });
  const drawn = await icon.evaluate(async node => {
    const address = /url\("([^"]+)"\)/.exec(getComputedStyle(node).backgroundImage)?.[1] ?? '';
    const picture = new Image();
    picture.src = address;
    await picture.decode();
    return Math.max(picture.naturalWidth, picture.naturalHeight);
  });
  assert.ok(drawn > 16 && drawn <= 200, `${drawn} pixels`);
});

test('hovering a run shows thumbnail, model, timings, size and path', async () => {
  const { workbench } = fixture;
  await workbench.useTheme('Dark Modern');
  await workbench.page.mouse.move(900, 500);
  await runRow().hover();
  const hover = workbench.page.locator('.workbench-hover').filter({ hasText: 'Size on disk' });
  await hover.waitFor();
  const text = await hover.innerText();
  for (const part of [question, 'scene-01.png, 1008 × 1008', 'fovea-tiny', 'all visual tokens', 'prefill', '.fovea']) {
    assert.ok(text.includes(part), `${part} is not in:\n${text}`);
  }
  const side = await hover.locator('img').evaluate(async node => {
    const picture = node as HTMLImageElement;
    await picture.decode();
    return picture.naturalWidth;
  });
  assert.equal(side, 200);
  await workbench.screenshot('runs-view');
  await workbench.useTheme('Light Modern');
  await workbench.page.mouse.move(900, 500);
  await runRow().hover();
  await hover.waitFor();
  await workbench.screenshot('runs-view-light');
});

test('a run opens from the view', async () => {
  const { workbench } = fixture;
  await closeTabs();
  await runRow().click();
  assert.match(await (await Panel.visible(workbench)).answer(), /penguin/);
});

test('a run of the command line in fovea-runs appears by itself, under the same image', async () => {
  const [run = ''] = fixture.runFiles();
  const folder = path.join(fixture.editor.workspace, 'fovea-runs');
  fs.mkdirSync(folder);
  fs.copyFileSync(path.join(fixture.editor.workspace, 'runs', run), path.join(folder, 'copied.fovea'));
  await rows().filter({ hasText: '2 runs' }).waitFor();
  await counts(rows(), 3);
  fs.rmSync(folder, { recursive: true });
  await rows().filter({ hasText: '1 run ·' }).waitFor();
});

test('Rename refuses a bad name and one that is taken, renames the file, and the open editor follows', async () => {
  const { workbench } = fixture;
  const runs = path.join(fixture.editor.workspace, 'runs');
  fs.writeFileSync(path.join(runs, 'taken.fovea'), 'no trace');
  await contextMenu(runRow(), 'Rename…');
  const box = workbench.quickInput().locator('.quick-input-box input');
  const said = workbench.quickInput().locator('.quick-input-message');
  await box.fill('a/b');
  await said.filter({ hasText: 'Use no' }).waitFor();
  await box.fill('Taken');
  await said.filter({ hasText: 'exists already' }).waitFor();
  await box.press('Enter');
  assert.ok(await workbench.quickInput().isVisible(), 'a refused name was accepted');
  await box.fill('bombs in a kitchen');
  await box.press('Enter');
  await eventually(() => fixture.runFiles().includes('bombs in a kitchen.fovea'), 'the renamed file');
  assert.deepEqual(fixture.runFiles(), ['bombs in a kitchen.fovea', 'taken.fovea']);
  fs.rmSync(path.join(runs, 'taken.fovea'));
  await workbench.tab('bombs in a kitchen.fovea').waitFor();
  await counts(workbench.page.locator('.tabs-container .tab'), 1);
  assert.match(await (await Panel.visible(workbench)).answer(), /penguin/);
  await runRow().waitFor();
});

test('Delete takes the run away and closes its editor; Undo brings both back', async () => {
  const { workbench } = fixture;
  const before = fs.readFileSync(path.join(fixture.editor.workspace, 'runs/bombs in a kitchen.fovea'));
  await contextMenu(runRow(), 'Delete');
  const message = workbench.notification(/bombs in a kitchen\.fovea/);
  await message.waitFor();
  assert.deepEqual(fixture.runFiles(), []);
  await workbench.page.locator('.welcome-view-content').filter({ hasText: 'vision-language model' }).waitFor();
  await counts(workbench.page.locator('.tabs-container .tab'), 0);
  await message.getByRole('button', { name: 'Undo' }).click();
  await runRow().waitFor();
  assert.deepEqual(fixture.runFiles(), ['bombs in a kitchen.fovea']);
  assert.ok(before.equals(fs.readFileSync(path.join(fixture.editor.workspace, 'runs/bombs in a kitchen.fovea'))));
  assert.match(await (await Panel.visible(workbench)).answer(), /penguin/);
  await eventually(() => fs.readdirSync(storage('trash')).length === 0, 'the trash to be empty');
});

test('several runs are deleted at once by the keyboard and come back together', async () => {
  const { workbench } = fixture;
  const runs = path.join(fixture.editor.workspace, 'runs');
  fs.copyFileSync(path.join(runs, 'bombs in a kitchen.fovea'), path.join(runs, 'second.fovea'));
  await rows().filter({ hasText: '2 runs' }).waitFor();
  await closeTabs();
  await rows().nth(1).click();
  await Panel.visible(workbench);
  await rows()
    .nth(2)
    .click({ modifiers: ['Control'] });
  await workbench.page.keyboard.press('Delete');
  // A server has no trash, so that the message must say where the runs are.
  const message = workbench.notification(/Deleted: 2 runs\. .*keeps what was deleted for 30 days in .*trash/);
  await message.waitFor();
  await workbench.screenshot('runs-view-delete');
  assert.deepEqual(fixture.runFiles(), []);
  await message.getByRole('button', { name: 'Undo' }).click();
  await eventually(() => fixture.runFiles().length === 2, 'both runs');
  await rows().filter({ hasText: '2 runs' }).waitFor();
});

const hostile = '[x](command:workbench.action.quit) <img src=x onerror=alert(1)> $(trash) \u202egpj.exe 🦌';

/** What other software may write: without a thumbnail, and with texts that would do something elsewhere. */
function foreignTrace(): Buffer {
  const { 'image.thumbnail': _, 'hover.answer_overlay': __, ...tensors } = smallTensors();
  const { hover: ___, ...run } = smallRun;
  const image = { ...run.image, name: '../"><script>alert(1)</script>.png', digest: '../../escape' };
  const metadata = {
    ...run,
    image,
    prompt: { ...run.prompt, question: hostile },
    answer: hostile,
    created: 'not a date',
  };
  return Buffer.concat(encodeTrace(metadata, tensors));
}

test('an untrusted workspace lists and opens runs, and offers no analysis', async () => {
  const trace = fs.readFileSync(path.join(fixture.editor.workspace, 'runs/second.fovea'));
  assert.deepEqual(fixture.outsideTraffic(), []);
  await fixture[Symbol.asyncDispose]();
  fixture = await Fixture.start({
    files: { 'fovea-runs/from-command-line.fovea': trace, 'fovea-runs/foreign.fovea': foreignTrace() },
    settings: { 'security.workspace.trust.enabled': true },
  });
  const { workbench } = fixture;
  await workbench.command('View: Show Fovea');
  await runRow().click();
  assert.match(await (await Panel.visible(workbench)).answer(), /penguin/);
  const actions = await workbench.page
    .locator(`${view} .composite.title .action-label`)
    .evaluateAll(nodes => nodes.map(node => node.getAttribute('aria-label') ?? ''));
  assert.ok(actions.includes('Refresh Runs'), actions.join(', '));
  assert.deepEqual(
    actions.filter(action => action.includes('Analyze')),
    [],
  );
  assert.equal(await workbench.offersCommand('Fovea: Analyze a Sample'), false);
  await showsForeignRun();
  for (const text of [question, '[x]']) {
    await contextMenu(runRow(text), 'Delete');
    await runRow(text).waitFor({ state: 'detached' });
  }
  const welcome = workbench.page.locator('.welcome-view-content').filter({ hasText: 'trusted workspace' });
  await welcome.waitFor();
  assert.equal(await welcome.getByRole('button').count(), 0);
});

test('nothing was sent to or fetched from anywhere but this machine', () => {
  assert.deepEqual(fixture.outsideTraffic(), []);
});

async function showsForeignRun(): Promise<void> {
  const { page } = fixture.workbench;
  const row = runRow('[x]');
  const shown = hostile.replace('\u202e', '');
  assert.ok((await row.innerText()).includes(shown), await row.innerText());
  await rows().filter({ hasText: '../"><script>' }).locator('.codicon-file-media').waitFor();
  await page.mouse.move(900, 500);
  await row.hover();
  const hover = page.locator('.workbench-hover').filter({ hasText: 'Size on disk' });
  await hover.waitFor();
  assert.ok((await hover.innerText()).includes(shown), await hover.innerText());
  assert.equal(await hover.locator('a, img, script, .codicon').count(), 0);
  await fixture.workbench.screenshot('runs-view-foreign');
  await page.mouse.move(900, 500);
}
