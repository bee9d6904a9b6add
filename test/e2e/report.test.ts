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
  // The save dialog proposes the trace's name a moment after it opens; what is proposed is taken.
  await workbench.page.waitForFunction(
    `[...document.querySelectorAll('.quick-input-widget input')].some(input => input.value.endsWith('.html'))`,
  );
  await workbench.page.keyboard.press('Enter');
  await workbench.notification('.html is written').waitFor({ timeout: 30_000 });
  const name = fs.readdirSync(editor.workspace).find(file => file.endsWith('.html')) ?? '';
  assert.ok(name.startsWith('scene-04-'), `written as ${name}`);
  const page = fs.readFileSync(path.join(editor.workspace, name), 'utf8');
  assert.match(page, /^<!DOCTYPE html>/);
  assert.ok(page.includes('Four moose, a green apple') && page.includes('id="fovea-run"'));
  assert.ok(page.length < 5e6);
});
