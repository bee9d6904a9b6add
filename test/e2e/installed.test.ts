/** The package that users install: its own files must be enough to run a model. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packagedFiles, packageExtension } from '../package-extension.ts';
import { Fixture } from './rig/fixture.ts';
import { ask, Panel } from './rig/fovea.ts';
import { loadedLibraries } from './rig/processes.ts';

test('the packaged extension, installed as a VSIX, analyzes an image', async () => {
  const { vsix, stage } = packageExtension();
  await using fixture = await Fixture.start({ extension: { vsix }, samples: ['scene-02.png'] });
  const folder = fixture.editor.installedExtension();
  const installed = packagedFiles({ stage: folder });
  assert.deepEqual(plainNames(installed), plainNames(packagedFiles({ stage })));
  await ask(fixture.workbench, 'scene-02.png', 'Read the large sign.');
  const panel = await Panel.visible(fixture.workbench);
  assert.match(await panel.answer(), /CLOSED/);
  const { pid } = fixture.pipelineProcess() ?? assert.fail('There is no pipeline process.');
  const runtime = loadedLibraries(pid).filter(file => /onnxruntime|sharp|libvips/.test(file));
  assert.equal(runtime.length, 4, runtime.join('\n'));
  for (const file of runtime) assert.ok(file.startsWith(folder), `${file} does not come from the installed extension`);
  assert.deepEqual(fixture.outsideTraffic(), []);
});

/** Packaging renames what the Marketplace shows, and VS Code adds a manifest of its own. */
function plainNames(files: readonly string[]): string[] {
  return files
    .filter(file => file !== '.vsixmanifest')
    .map(file => file.toLowerCase().replace(/^license\.txt$/, 'license'))
    .sort();
}
