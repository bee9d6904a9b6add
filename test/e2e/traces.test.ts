/** Traces that are only viewed: in an untrusted workspace, and damaged ones. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import { projectFolder } from './rig/editor.ts';
import { Fixture, testsOf } from './rig/fixture.ts';
import { Panel } from './rig/fovea.ts';

let fixture: Fixture;
const test = testsOf(() => fixture);

/** A trace of the command line: what the panel opens need not come from VS Code. */
function traceOfCommandLine(): Buffer {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fovea-trace-'));
  try {
    const image = path.join(projectFolder, 'media/samples/scene-04.png');
    const args = [
      'analyze',
      image,
      '--question',
      'What is the largest object?',
      '--out',
      path.join(folder, 'run.fovea'),
    ];
    execFileSync(process.execPath, [path.join(projectFolder, 'dist/cli.cjs'), ...args], { stdio: 'pipe' });
    return fs.readFileSync(path.join(folder, 'run.fovea'));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

before(async () => {
  const trace = traceOfCommandLine();
  fixture = await Fixture.start({
    samples: ['scene-04.png'],
    files: { 'run.fovea': trace, 'cut.fovea': trace.subarray(0, 1000), 'text.fovea': 'Not a trace at all.' },
    settings: { 'security.workspace.trust.enabled': true },
  });
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

test('an untrusted workspace shows a trace that the command line wrote, hover included', async () => {
  const { workbench } = fixture;
  await workbench.page
    .locator('.part.statusbar, .part.banner')
    .filter({ hasText: 'Restricted Mode' })
    .first()
    .waitFor();
  await workbench.openFile('run.fovea');
  const panel = await Panel.visible(workbench);
  assert.match(await panel.answer(), /moose/);
  assert.match(await panel.get('untrusted').innerText(), /trusted workspace/);
  const end = await panel.lookAt('</s>');
  assert.notEqual((await panel.lookAt('moose')).digest, end.digest);
  await workbench.screenshot('untrusted');
});

test('an untrusted workspace runs nothing', async () => {
  assert.equal(await fixture.workbench.offersCommand('Fovea: Analyze Image…'), false);
  assert.equal(fixture.pipelineProcess(), undefined);
});

test('a trace that was cut off says what is wrong and what to do', async () => {
  await fixture.workbench.openFile('cut.fovea');
  const frame = await fixture.workbench.webview('[data-testid=run-line]', { ready: 'body' });
  assert.match(await frame.locator('body').innerText(), /damaged.*Analyze the image again/);
  await fixture.workbench.screenshot('cut-trace');
});

test('a file that only has the name of a trace says so', async () => {
  await fixture.workbench.openFile('text.fovea');
  const frame = await fixture.workbench.webview('[data-testid=run-line]', { ready: 'body' });
  assert.match(await frame.locator('body').innerText(), /safetensors|trace/);
});

test('an open trace follows its file, also in folders that were made at once, which VS Code’s own watcher misses', async () => {
  const { workbench, editor } = fixture;
  const folder = path.join(editor.workspace, 'made/at/once');
  fs.mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'followed.fovea');
  fs.writeFileSync(file, 'Not a trace yet.');
  await workbench.openFile('followed.fovea');
  await workbench.webview('[data-testid=run-line]', { ready: 'body' });
  fs.copyFileSync(path.join(editor.workspace, 'run.fovea'), `${file}.partial`);
  fs.renameSync(`${file}.partial`, file);
  const panel = await Panel.visible(workbench);
  assert.match(await panel.answer(), /moose/);
});

test('Open Trace… lists traces with question and answer, says which cannot be read, and opens one', async () => {
  const { workbench } = fixture;
  await workbench.command('Fovea: Open Trace…');
  const rows = workbench.quickInputRows();
  await rows.filter({ hasText: 'Browse…' }).waitFor();
  await rows.filter({ hasText: /^run.*What is the largest object\? → .*moose/s }).waitFor();
  await rows.filter({ hasText: /^cut.*cannot be read/s }).waitFor();
  await workbench.pick(/^run/);
  await workbench.tab('run.fovea').waitFor();
  assert.match(await (await Panel.visible(workbench)).answer(), /moose/);
});
