/** Hovers and CodeLenses on references to an image that was analysed, in a real VS Code. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import type { Locator } from 'playwright-core';
import { projectFolder } from './rig/editor.ts';
import { eventually, Fixture, testsOf } from './rig/fixture.ts';
import { ask, idle, Panel } from './rig/fovea.ts';
import { hoverWord, middleOfWord, type Point } from './rig/hover.ts';

const image = 'scene-04.png';
const question = 'Describe this picture.';
/** The same bytes under another name, in another folder. */
const copy = 'copies/renamed moose.png';
const original = fs.readFileSync(path.join(projectFolder, 'media/samples', image));
const other = fs.readFileSync(path.join(projectFolder, 'media/samples/scene-01.png'));

let fixture: Fixture;
const test = testsOf(() => fixture);

before(async () => {
  fixture = await Fixture.start({
    samples: [image],
    files: {
      [copy]: original,
      'copies/other.png': other,
      'answers.md': `# Answers\n\n![moose](<${copy}>)\n\nNothing here.\n\n[other](copies/other.png)\n\n[web](https://localhost/scene-04.png)\n`,
      'set.jsonl': `{"image": "copies/renamed%20moose.png", "question": "?"}\n`,
      'load.py': `from PIL import Image\nmoose = Image.open('copies/renamed moose.png')\n`,
    },
  });
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

const hover = (word: string, content: string): Promise<Locator> => hoverWord(fixture.workbench, word, content);
const middleOf = (word: string): Promise<Point> => middleOfWord(fixture.workbench, word);

interface ShownPicture {
  readonly natural: number;
  readonly width: number;
  readonly kind: string;
}

function picturesOf(card: Locator): Promise<ShownPicture[]> {
  return card.locator('img[src^="data:image/webp"]').evaluateAll(images =>
    (images as HTMLImageElement[]).map(node => ({
      natural: node.naturalWidth,
      width: node.getBoundingClientRect().width,
      kind: node.alt,
    })),
  );
}

/** Different colours behind the words of the answer. */
function groundsOf(card: Locator): Promise<string[]> {
  return card
    .locator('span[style*="background-color"]')
    .evaluateAll(spans => spans.map(span => getComputedStyle(span).backgroundColor));
}

/** Milliseconds that the provider took, by its own log. */
function times(): number[] {
  return [...fixture.log().matchAll(/Hover on .*: ([\d.]+) ms/g)].map(match => Number(match[1]));
}

test('an image is analysed, and the log tells details from now on', async () => {
  const { workbench } = fixture;
  await ask(workbench, image, question);
  await Panel.visible(workbench);
  await idle(workbench);
  await workbench.command('Developer: Set Log Level...');
  await workbench.pick(/^Fovea/);
  await workbench.pick('Debug');
  assert.equal(fixture.runFiles().length, 1);
});

for (const [file, word, pictures] of [
  ['answers.md', 'renamed', 1],
  ['set.jsonl', 'renamed', 2],
  ['load.py', 'renamed', 2],
] as const) {
  test(`in ${file}, a hover on the renamed copy shows the run on the original`, async () => {
    const { workbench } = fixture;
    await workbench.openFile(file);
    await workbench.page.locator('.codelens-decoration a', { hasText: 'Fovea: 1 run' }).waitFor();
    const card = await hover(word, 'Four moose');
    const text = (await card.innerText()).replaceAll('\u00a0', ' ');
    assert.match(text, /Describe this picture\./);
    assert.match(text, /fovea-tiny, today/);
    assert.match(text, /no pruning/);
    assert.match(text, /attention on the image, 0 to \d+%, mean of layers and heads/);
    assert.match(text, /layer D\d+, mean of 6 heads, probability 0 to 0\.\d+/);
    const shown = await picturesOf(card);
    assert.equal(shown.length, pictures, JSON.stringify(shown));
    for (const { natural, width } of shown) assert.deepEqual([natural, width], [200, 200]);
    assert.equal(shown[0]?.kind, 'Attention of the answer on the image');
    const grounds = await groundsOf(card);
    assert.ok(grounds.length > 10 && new Set(grounds).size > 5, grounds.join(' '));
    await workbench.screenshot(`hover-${path.extname(file).slice(1)}`);
  });
}

test('an image without runs is offered for analysis, and a URL says nothing', async () => {
  const { workbench } = fixture;
  await workbench.openFile('answers.md');
  const card = await hover('other.png', 'Fovea: Analyze Image…');
  assert.equal(await card.locator('a', { hasText: 'Analyze Image…' }).count(), 1);
  assert.doesNotMatch(await card.innerText(), /Four moose/);
  await workbench.page.keyboard.press('Escape');
  await workbench.page.mouse.move(5, 5);
  await card.waitFor({ state: 'hidden' });
  const before = times().length;
  const { x, y } = await middleOf('localhost');
  await workbench.page.mouse.move(x - 3, y);
  await workbench.page.mouse.move(x, y, { steps: 3 });
  await eventually(() => times().length > before, 'the provider to be asked about the URL');
  await workbench.page.waitForTimeout(500);
  assert.equal(await workbench.page.locator('.monaco-hover:visible').filter({ hasText: 'Fovea' }).count(), 0);
});

test('hovers start no run, and each says in the log how long its answer took', () => {
  assert.equal(fixture.runFiles().length, 1);
  assert.equal(fixture.log().match(/Analyzing /g)?.length, 1);
  const measured = times();
  assert.ok(measured.length >= 4, fixture.log());
  console.log(`milliseconds, aim 50: ${measured.join(', ')}`);
});

test('"Open" in the card opens the run in the panel', async () => {
  const { workbench } = fixture;
  await workbench.command('View: Close All Editors');
  await workbench.openFile('load.py');
  const card = await hover('renamed', 'Four moose');
  await card.locator('a', { hasText: /^Open$/ }).click();
  await Panel.visible(workbench);
  assert.equal(fixture.runFiles().length, 1);
});

test('the line says how many runs there are, a second one included, and a click lists them', async () => {
  const { workbench } = fixture;
  await workbench.openFile('set.jsonl');
  const lens = workbench.page.locator('.codelens-decoration a');
  await lens.filter({ hasText: 'Fovea: 1 run' }).waitFor();
  const runs = path.join(fixture.editor.workspace, 'runs');
  const [first] = fixture.runFiles();
  assert.ok(first);
  fs.copyFileSync(path.join(runs, first), path.join(runs, 'again.fovea'));
  await lens.filter({ hasText: 'Fovea: 2 runs' }).click();
  await workbench.quickInputRows().filter({ hasText: question }).nth(1).waitFor();
  await workbench.page.keyboard.press('Escape');
});

test('both are off by their settings', async () => {
  const { workbench, editor } = fixture;
  const settings = path.join(editor.workspace, '.vscode', 'settings.json');
  fs.mkdirSync(path.dirname(settings));
  fs.writeFileSync(settings, JSON.stringify({ 'fovea.hover.enabled': false, 'fovea.codeLens.enabled': false }));
  await workbench.page.locator('.codelens-decoration a', { hasText: 'Fovea' }).waitFor({ state: 'detached' });
  const before = times().length;
  const { x, y } = await middleOf('renamed');
  await workbench.page.mouse.move(x - 3, y);
  await workbench.page.mouse.move(x, y, { steps: 3 });
  await workbench.page.waitForTimeout(1000);
  assert.equal(times().length, before);
  assert.equal(await workbench.page.locator('.monaco-hover:visible').filter({ hasText: 'Four moose' }).count(), 0);
});
