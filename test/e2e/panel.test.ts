/** A run from the command palette to the panel, in a real VS Code with the real pipeline. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import { projectFolder } from './rig/editor.ts';
import { Fixture, testsOf } from './rig/fixture.ts';
import { ask, Panel } from './rig/fovea.ts';

const image = 'scene-04.png';
const question = 'Describe this picture.';

/** Pixels of the sample, and patches of the model's grid, along one side. */
const imageSide = 1008;
const gridSide = 24;

interface Sample {
  readonly file: string;
  /** Centre and size in pixels of the image. */
  readonly objects: readonly { readonly name: string; readonly x: number; readonly y: number; readonly size: number }[];
  readonly questions: readonly { readonly question: string; readonly model_answer: string }[];
}

function referenceSample(): Sample {
  const file = path.join(projectFolder, 'media/samples/questions.json');
  const samples = JSON.parse(fs.readFileSync(file, 'utf8')) as Sample[];
  const sample = samples.find(each => each.file === image);
  assert.ok(sample, `questions.json does not know ${image}`);
  return sample;
}

/** What the model's training code, in PyTorch, answered: not our own output. */
function referenceAnswer(): string {
  const answer = referenceSample().questions.find(each => each.question === question)?.model_answer;
  assert.ok(answer, `questions.json knows no answer to ${question}`);
  return answer;
}

/** "peak at row 3, column 5" */
function peakOf(label: string): { row: number; column: number } {
  const match = /peak at row (\d+), column (\d+)/.exec(label);
  assert.ok(match, `no peak in: ${label}`);
  return { row: Number(match[1]), column: Number(match[2]) };
}

let fixture: Fixture;
const test = testsOf(() => fixture);
let panel: Panel;

before(async () => {
  fixture = await Fixture.start({ samples: [image, 'scene-01.png'] });
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

test('the palette command analyzes an image of the workspace and opens the answer in a panel', async () => {
  const { workbench } = fixture;
  await ask(workbench, image, question);
  panel = await Panel.visible(workbench);
  assert.equal(await panel.answer(), referenceAnswer().replaceAll(' ', ''));
  assert.match(await panel.fact('image'), /scene-04\.png/);
  assert.equal(fixture.runFiles().length, 1);
  assert.match(fixture.runFiles()[0] ?? '', /^scene-04-\d{8}-\d{6}\.fovea$/);
});

test('hovering a word of the answer repaints the overlay and the readout', async () => {
  const apple = await panel.lookAt('apple');
  assert.ok(apple.painted > 0, 'nothing is painted over the image');
  assert.match(await panel.readout(), /“apple”/);
  const brown = await panel.lookAt('brown');
  assert.match(await panel.readout(), /“brown”/);
  assert.notEqual(brown.digest, apple.digest);
});

test('the overlay is strongest on the patch that its text alternative names', async () => {
  const { label } = await panel.lookAt('brown');
  const { row, column } = peakOf(label);
  const opacities = await panel.patchOpacities(gridSide, gridSide);
  assert.equal(opacities[row * gridSide + column], Math.max(...opacities), label);
  assert.ok(new Set(opacities).size > 10, 'the overlay is flat');
});

test('at a layer chosen with Go to Layer or Head, the model looks at the apple for the word "apple"', async () => {
  const { workbench } = fixture;
  assert.ok(!(await workbench.offersCommand('Fovea: Export Traffic for Perfetto…')), 'a run has no traffic');
  await workbench.command('Fovea: Go to Layer or Head…');
  await workbench.answerQuickInput('D9');
  await panel.frame.locator('[data-testid=overlay-canvas][aria-label*="layer D9"]').waitFor();
  const { row, column } = peakOf((await panel.lookAt('apple')).label);
  const apple = referenceSample().objects.find(({ name }) => name === 'green apple');
  assert.ok(apple);
  // Centre of the patch in pixels of the image, which the model sees whole.
  const pixels = (index: number): number => ((index + 0.5) / gridSide) * imageSide;
  const patch = imageSide / gridSide;
  assert.ok(Math.abs(pixels(column) - apple.x) <= apple.size / 2 + patch, `column ${column}`);
  assert.ok(Math.abs(pixels(row) - apple.y) <= apple.size / 2 + patch, `row ${row}`);
});

test('a wide window shows answer, image and the start of the readout without scrolling', async () => {
  const { workbench } = fixture;
  const { page } = workbench;
  const size = page.viewportSize();
  assert.ok(size);
  await workbench.command('View: Toggle Primary Side Bar Visibility');
  await page.setViewportSize({ width: 1440, height: 900 });
  await panel.lookAt('apple');
  const height = await panel.frame.evaluate(() => window.innerHeight);
  for (const [part, edge] of [
    ['answer', 'bottom'],
    ['patch-grid', 'bottom'],
    ['readout', 'top'],
  ] as const) {
    const box = await panel.get(part).evaluate(node => node.getBoundingClientRect().toJSON() as DOMRect);
    assert.ok(box.height > 0 && box[edge] <= height, `${edge} of ${part} is at ${box[edge]} of ${height}`);
  }
  await workbench.screenshot('panel');
  await page.setViewportSize(size);
  await workbench.command('View: Toggle Primary Side Bar Visibility');
});

test('hovering a patch tells its attention and colours the words that looked there', async () => {
  const detail = panel.get('readout-detail');
  await panel.hoverImage(0.5, 0.55);
  await detail.filter({ hasText: /row 13, column 12: \d/ }).waitFor();
  const first = await panel.answerColours();
  await panel.hoverImage(0.63, 0.6);
  await detail.filter({ hasText: /row 14, column 15: \d/ }).waitFor();
  assert.notDeepEqual(await panel.answerColours(), first);
});

test('the keyboard alone reaches words, layers and heads, locks and lets go', async () => {
  const { page } = fixture.workbench;
  await panel.answerToken('apple').click();
  await panel.get('lock').filter({ hasText: 'locked' }).waitFor();
  const locked = await panel.overlay();
  await page.keyboard.press('BracketRight');
  const layer = await panel.overlayOtherThan(locked);
  await page.keyboard.press('Period');
  const head = await panel.overlayOtherThan(layer);
  assert.notEqual(layer.label, head.label);
  await page.keyboard.press('ArrowRight');
  await panel.overlayOtherThan(head);
  await page.keyboard.press('Escape');
  await panel.frame.locator('[data-testid=lock]:not(.shown)').waitFor({ state: 'attached' });
});

test('hiding the tab and showing it again restores what was chosen', async () => {
  const { workbench } = fixture;
  await panel.answerToken('moose').click();
  await workbench.page.keyboard.press('BracketRight');
  const chosen = await panel.overlay();
  await workbench.openFile('notes.md');
  await workbench.tab('.fovea').click();
  panel = await Panel.visible(workbench);
  await panel.get('lock').filter({ hasText: 'locked' }).waitFor();
  assert.equal((await settled(panel)).label, chosen.label);
});

test('reloading the window restores the panel and what was chosen in it', async () => {
  const { workbench } = fixture;
  const chosen = await panel.overlay();
  await workbench.reload();
  panel = await Panel.visible(workbench);
  assert.equal((await settled(panel)).label, chosen.label);
});

test('dark, light and high-contrast themes all draw the panel in their own colours', async () => {
  const { workbench } = fixture;
  const seen = new Set<string>();
  for (const [theme, kind] of [
    ['Light Modern', 'vscode-light'],
    ['Dark High Contrast', 'vscode-high-contrast'],
    ['Light High Contrast', 'vscode-high-contrast-light'],
    ['Dark Modern', 'vscode-dark'],
  ] as const) {
    await workbench.useTheme(theme);
    await panel.frame.locator(`body.${kind}`).waitFor();
    const colours = await panel.frame.evaluate(() => {
      const style = getComputedStyle(document.body);
      return `${style.backgroundColor} ${style.color}`;
    });
    seen.add(colours);
    await workbench.screenshot(`theme-${theme.toLowerCase().replace(/ /g, '-')}`);
  }
  assert.equal(seen.size, 4, [...seen].join(', '));
});

test('the Explorer offers the analysis for an image and not for other files', async () => {
  const { workbench } = fixture;
  await workbench.command('View: Show Explorer');
  assert.ok((await workbench.explorerMenu('scene-01.png')).includes('Analyze Image…'));
  assert.ok(!(await workbench.explorerMenu('notes.md')).includes('Analyze Image…'));
});

test("activation takes milliseconds, by the extension's own log", () => {
  const milliseconds = Number(/Fovea activated in ([\d.]+) ms/.exec(fixture.log())?.[1]);
  assert.ok(milliseconds > 0, `no activation in the log:\n${fixture.log()}`);
  console.log(`activation: ${milliseconds} ms`);
});

test('nothing was sent to or fetched from anywhere but this machine', () => {
  assert.deepEqual(fixture.outsideTraffic(), []);
  const refused = fixture.workbench.consoleLines.filter(
    line => /Content Security Policy/i.test(line) && /fovea/i.test(line),
  );
  assert.deepEqual(refused, []);
});

/** The overlay once it no longer changes: a restored panel paints before its last page has come. */
async function settled(shown: Panel): ReturnType<Panel['overlay']> {
  let before = await shown.overlay();
  for (let attempt = 0; attempt < 40; attempt++) {
    await fixture.workbench.page.waitForTimeout(250);
    const now = await shown.overlay();
    if (now.digest === before.digest && now.painted > 0) return now;
    before = now;
  }
  throw new Error('The overlay did not settle.');
}
