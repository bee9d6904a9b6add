/** Two runs side by side in a real VS Code: chosen from the palette, hovered, swapped, kept over a reload, removed. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { Fixture, testsOf } from './rig/fixture.ts';
import { ask, idle, Panel } from './rig/fovea.ts';

const image = 'scene-04.png';
const describing = 'Describe this picture.';
const counting = 'How many moose are there?';

let fixture: Fixture;
const test = testsOf(() => fixture);
let panel: Panel;

before(async () => {
  fixture = await Fixture.start({ samples: [image] });
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

const label = async (place: string): Promise<string> =>
  (await panel.get(`compare-overlay-${place}`).getAttribute('aria-label')) ?? '';

test('Compare With… offers the other run on the image first, and opens both in one panel', async () => {
  const { workbench } = fixture;
  await ask(workbench, image, describing);
  panel = await Panel.visible(workbench);
  await idle(workbench);
  await ask(workbench, image, counting);
  panel = await panel.next();
  await idle(workbench);
  assert.equal(await panel.get('view-compare').getAttribute('aria-disabled'), 'true');
  await workbench.command('Fovea: Compare With…');
  await workbench.quickInputRows().filter({ hasText: describing }).first().waitFor();
  await workbench.pick(describing);
  await workbench.page.keyboard.press('Enter');
  await panel.get('compare-view').waitFor();
  assert.match(await panel.get('compare-cautions').innerText(), /Different questions: A “How many/);
  assert.match(await panel.get('compare-answer-b').innerText(), /moose/);
});

test('hovering a patch of A tells its attention in both runs and the difference', async () => {
  const { page } = fixture.workbench;
  const box = await panel.get('compare-grid-a').boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.55, { steps: 2 });
  for (const place of ['a', 'b', 'difference'])
    await panel
      .get(`compare-readout-${place}`)
      .filter({ hasText: /^row 13, column 12: / })
      .waitFor();
  await fixture.workbench.screenshot('compare');
});

test('A and B are swapped, and a reload of the window keeps the comparison', async () => {
  const { workbench } = fixture;
  assert.match(await label('a'), /A, “How many/);
  await panel.get('compare-swap').click();
  assert.match(await label('a'), /A, “Describe/);
  await workbench.page.waitForTimeout(500);
  await workbench.reload();
  panel = await Panel.of(workbench, '[data-testid=compare-view]:not([hidden])');
  await panel.get('compare-overlay-a').and(panel.frame.locator('[aria-label*="A, “Describe"]')).waitFor();
});

test('a run that is removed leaves the panel with its own', async () => {
  await panel.get('compare-remove-first').click();
  await panel.get('attention-view').waitFor();
  assert.equal(await panel.get('view-compare').getAttribute('aria-disabled'), 'true');
});
