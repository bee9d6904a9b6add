/** A run with a token method in a real VS Code: from the palette to why a token was dropped, and on to another method. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before } from 'node:test';
import { openTraceFile } from '../../trace/file.ts';
import { Fixture, testsOf } from './rig/fixture.ts';
import { Panel } from './rig/fovea.ts';

const image = 'scene-04.png';
const question = 'Describe this picture.';

let fixture: Fixture;
const test = testsOf(() => fixture);
let panel: Panel;

before(async () => {
  fixture = await Fixture.start({ samples: [image] });
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

/** The stages of the only run, and what each did with every patch: [stages, patches]. */
async function fatesOfRun(): Promise<{ fates: Uint8Array[]; titles: string[] }> {
  const reader = await openTraceFile(path.join(fixture.editor.workspace, 'runs', fixture.runFiles()[0]!));
  try {
    const { stages } = reader.metadata.reduction!;
    const { data, shape } = await reader.slice('fates.fate');
    const patches = shape[1]!;
    return {
      fates: stages.map((_, stage) => data.slice(stage * patches, (stage + 1) * patches)),
      titles: stages.map(({ title }) => title),
    };
  } finally {
    await reader.close();
  }
}

test('a method and a budget are chosen from the palette, and the panel says how the budget was met', async () => {
  const { workbench } = fixture;
  const { page } = workbench;
  await workbench.command('Fovea: Analyze Image with a Method…');
  await page.locator('.quick-input-title', { hasText: 'Analyze Image with a Method' }).waitFor();
  await workbench.pick('MustDrop, code');
  await page.locator('.quick-input-title', { hasText: 'Budget' }).waitFor();
  await workbench.answerQuickInput('128');
  await workbench.pick(image);
  await page.locator('.quick-input-title', { hasText: `Ask about ${image}` }).waitFor();
  await workbench.answerQuickInput(question);
  panel = await Panel.visible(workbench, 120_000);
  assert.match(await panel.fact('method'), /MustDrop, code/);
  assert.match(await panel.fact('budget'), /128 → E_out 12\d/);
  await panel.get('view-pruning').click();
  await panel.get('pruning-view').waitFor();
});

test('the stage slider goes back to before anything happened, and forth stage by stage', async () => {
  const { titles } = await fatesOfRun();
  await panel.get('stage-slider').focus();
  await fixture.workbench.page.keyboard.press('Home');
  await panel.get('stage-name').filter({ hasText: 'before the first stage' }).waitFor();
  assert.equal(await panel.frame.locator('.fate-entry b').first().innerText(), '576');
  for (const title of titles) {
    await fixture.workbench.page.keyboard.press('ArrowRight');
    await panel.get('stage-name').filter({ hasText: title }).waitFor();
  }
});

test('hovering a dropped token tells at which stage it went, by which scores', async () => {
  const { fates } = await fatesOfRun();
  const dropped = 2;
  const stage = fates.findIndex(fate => fate.includes(dropped));
  const patch = fates[stage]!.indexOf(dropped);
  const box = await panel.get('patch-grid').boundingBox();
  assert.ok(box);
  const size = box.width / 24;
  const position = { x: ((patch % 24) + 0.5) * size, y: (Math.floor(patch / 24) + 0.5) * size };
  await panel.get('patch-grid').hover({ position });
  await panel
    .get('fate-verdict')
    .filter({ hasText: /^dropped: / })
    .waitFor();
  const text = await panel.get('fate-body').innerText();
  assert.match(text, /[\d.]+ < [\d.]+ share of the text's attention/);
  assert.match(text, /[\d.]+ < [\d.]+ most attention from one text token/);
  await fixture.workbench.screenshot('pruning');
});

test('another method is chosen in the panel and runs on the same image and question', async () => {
  await panel.get('run-budget').locator('input').focus();
  const fast = panel.get('run-method').locator('vscode-option', { hasText: 'FastV' }).first();
  await fast.waitFor({ state: 'attached' });
  await panel.get('run-method').click();
  await fast.click();
  await panel.get('run-again').click();
  const next = await panel.next(120_000);
  assert.match(await next.fact('method'), /FastV/);
  assert.equal(fixture.runFiles().length, 2);
  await next.get('view-pruning').click();
  await next.get('pruning-view').waitFor();
  await fixture.workbench.notification('Both runs on').waitFor();
});
