/** Export of a report in a real VS Code: from the open panel over the save dialog to the file. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import { Fixture, testsOf } from './rig/fixture.ts';
import { ask, idle, Panel } from './rig/fovea.ts';

let fixture: Fixture;
const test = testsOf(() => fixture);

before(async () => {
  fixture = await Fixture.start({ samples: ['scene-04.png'] });
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

test('Export Report writes the run that is open as one web page, and says so', async () => {
  const { workbench, editor } = fixture;
  await ask(workbench, 'scene-04.png', 'Describe this picture.');
  await Panel.visible(workbench);
  await idle(workbench);
  await workbench.command('Fovea: Export Report…');
  const target = path.join(editor.workspace, 'exported.html');
  await workbench.answerQuickInput(target);
  await workbench.notification('exported.html is written').waitFor({ timeout: 30_000 });
  const page = fs.readFileSync(target, 'utf8');
  assert.match(page, /^<!DOCTYPE html>/);
  assert.ok(page.includes('Four moose, a green apple') && page.includes('id="fovea-run"'));
  assert.ok(page.length < 5e6);
});
