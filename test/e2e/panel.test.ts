/** A run from the command palette to the panel, in a real VS Code with the real pipeline. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import { projectFolder } from './rig/editor.ts';
import { Fixture, testWith } from './rig/fixture.ts';
import { ask, Panel } from './rig/fovea.ts';

const image = 'scene-04.png';
const question = 'Describe this picture.';

interface Sample {
  readonly file: string;
  readonly questions: readonly { readonly question: string; readonly model_answer: string }[];
}

/** What the model's training code, in PyTorch, answered: not our own output. */
function referenceAnswer(): string {
  const samples = JSON.parse(
    fs.readFileSync(path.join(projectFolder, 'media/samples/questions.json'), 'utf8'),
  ) as Sample[];
  const answer = samples
    .find(({ file }) => file === image)
    ?.questions.find(each => each.question === question)?.model_answer;
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
let panel: Panel;

before(async () => {
  fixture = await Fixture.start({ samples: [image, 'scene-01.png'] });
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

testWith(
  () => fixture,
  'the palette command analyzes an image of the workspace and opens the answer in a panel',
  async () => {
    const { workbench } = fixture;
    await ask(workbench, image, question);
    panel = await Panel.visible(workbench);
    const letters = (text: string): string => text.replace(/[^\p{L}\p{N}]/gu, '');
    assert.equal(letters(await panel.answer()).replace(/s$/, ''), letters(referenceAnswer()).replace(/s$/, ''));
    assert.match(await panel.fact('image'), /scene-04\.png/);
    assert.equal(fixture.runFiles().length, 1);
    assert.match(fixture.runFiles()[0] ?? '', /^scene-04-\d{8}-\d{6}\.fovea$/);
  },
);

testWith(
  () => fixture,
  'hovering a word of the answer repaints the overlay and the readout',
  async () => {
    const rest = await panel.overlay();
    assert.ok(rest.painted > 0, 'nothing is painted over the image');
    await panel.answerToken('apple').hover();
    const apple = await panel.overlayOtherThan(rest);
    assert.match(await panel.readout(), /apple/);
    await panel.answerToken('brown').hover();
    const brown = await panel.overlayOtherThan(apple);
    assert.match(await panel.readout(), /brown/);
    assert.notEqual(brown.label, apple.label);
    await fixture.workbench.screenshot('panel');
  },
);

testWith(
  () => fixture,
  'the overlay is strongest on the patch that its text alternative names',
  async () => {
    await panel.answerToken('apple').hover();
    const { label } = await panel.overlay();
    const { row, column } = peakOf(label);
    const opacities = await panel.patchOpacities(24, 24);
    assert.equal(opacities[row * 24 + column], Math.max(...opacities), label);
    assert.ok(new Set(opacities).size > 10, 'the overlay is flat');
  },
);

testWith(
  () => fixture,
  'hovering a patch tells its attention and colours the words that looked there',
  async () => {
    await panel.get('tokens').locator('[data-testid=token]').last().hover();
    await panel.hoverImage(0.5, 0.55);
    await panel
      .get('readout-detail')
      .filter({ hasText: /^Patch row \d+, column \d+: \d/ })
      .waitFor();
    const first = await panel.get('readout-detail').innerText();
    await panel.hoverImage(0.1, 0.1);
    await panel.get('readout-detail').filter({ hasNotText: first }).waitFor();
  },
);

testWith(
  () => fixture,
  'the keyboard alone reaches words, layers and heads, locks and lets go',
  async () => {
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
  },
);

testWith(
  () => fixture,
  'hiding the tab and showing it again restores what was chosen',
  async () => {
    const { workbench } = fixture;
    await panel.answerToken('moose').click();
    await workbench.page.keyboard.press('BracketRight');
    const chosen = await panel.overlay();
    await workbench.openFile('notes.md');
    await workbench.tab('.fovea').click();
    panel = await Panel.visible(workbench);
    await panel.get('lock').filter({ hasText: 'locked' }).waitFor();
    assert.equal((await settled(panel)).label, chosen.label);
  },
);

testWith(
  () => fixture,
  'reloading the window restores the panel and what was chosen in it',
  async () => {
    const { workbench } = fixture;
    const chosen = await panel.overlay();
    await workbench.reload();
    panel = await Panel.visible(workbench);
    assert.equal((await settled(panel)).label, chosen.label);
  },
);

testWith(
  () => fixture,
  'dark, light and high-contrast themes all draw the panel in their own colours',
  async () => {
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
  },
);

testWith(
  () => fixture,
  'the Explorer offers the analysis for an image and not for other files',
  async () => {
    const { workbench } = fixture;
    await workbench.command('View: Show Explorer');
    assert.ok((await workbench.explorerMenu('scene-01.png')).includes('Analyze Image…'));
    assert.ok(!(await workbench.explorerMenu('notes.md')).includes('Analyze Image…'));
  },
);

testWith(
  () => fixture,
  "activation takes milliseconds, by the extension's own log",
  () => {
    const milliseconds = Number(/Fovea activated in ([\d.]+) ms/.exec(fixture.log())?.[1]);
    assert.ok(milliseconds > 0, `no activation in the log:\n${fixture.log()}`);
    console.log(`activation: ${milliseconds} ms`);
  },
);

testWith(
  () => fixture,
  'nothing was sent to or fetched from anywhere but this machine',
  () => {
    assert.deepEqual(fixture.outsideTraffic(), []);
    const refused = fixture.workbench.consoleLines.filter(
      line => /Content Security Policy/i.test(line) && /fovea/i.test(line),
    );
    assert.deepEqual(refused, []);
  },
);

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
