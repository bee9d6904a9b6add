/** The package that users install: its own files must be enough to run a model. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packagedFiles, packageExtension } from '../package-extension.ts';
import { Fixture } from './rig/fixture.ts';
import { ask, Panel } from './rig/fovea.ts';

test('the packaged extension, installed as a VSIX, analyzes an image', async () => {
  const { vsix, stage } = packageExtension();
  await using fixture = await Fixture.start({ extension: { vsix }, samples: ['scene-02.png'] });
  const installed = packagedFiles({ stage: fixture.editor.installedExtension() });
  assert.deepEqual(installed.map(plainName), packagedFiles({ stage }).map(plainName));
  await ask(fixture.workbench, 'scene-02.png', 'Read the large sign.');
  const panel = await Panel.visible(fixture.workbench);
  assert.match(await panel.answer(), /CLOSED/);
  const { command } = fixture.pipelineProcess() ?? assert.fail('There is no pipeline process.');
  assert.match(command, /extensions\/fovea\.fovea-/, 'the pipeline does not run from the installed files');
  assert.deepEqual(fixture.outsideTraffic(), []);
});

/** Packaging renames what the Marketplace shows, and VS Code adds a manifest of its own. */
function plainName(file: string): string {
  return file.toLowerCase().replace(/^license\.txt$/, 'license');
}
