/** Runs that are cancelled, and a pipeline process that dies. A stopped (SIGSTOP) process stands for a slow model. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { eventually, Fixture, testsOf } from './rig/fixture.ts';
import { ask, idle, Panel, progress } from './rig/fovea.ts';

const image = 'scene-01.png';
let fixture: Fixture;
const test = testsOf(() => fixture);
let panel: Panel;

before(async () => {
  fixture = await Fixture.start({ samples: [image] });
  await ask(fixture.workbench, image, 'How many bombs are there?');
  panel = await Panel.visible(fixture.workbench);
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

/** Freezes the pipeline, so that the next run stays where it is for as long as the test wants. */
function freeze(): number {
  const { pid } = fixture.pipelineProcess() ?? assert.fail('There is no pipeline process.');
  process.kill(pid, 'SIGSTOP');
  return pid;
}

test('a run is answered by one pipeline process that serves the next run too', async () => {
  assert.match(await panel.answer(), /four/);
  const { pid } = fixture.pipelineProcess() ?? assert.fail('There is no pipeline process.');
  await ask(fixture.workbench, image, 'Is there a laptop?');
  panel = await panel.next();
  assert.match(await panel.answer(), /no/);
  assert.equal(fixture.pipelineProcess()?.pid, pid);
});

test('Cancel ends a run whose pipeline does not answer, leaves no trace behind, and the next run works', async () => {
  const before = fixture.runFiles();
  const frozen = freeze();
  await ask(fixture.workbench, image, 'What is beside the penguin?');
  const notification = progress(fixture.workbench, image);
  await notification.waitFor();
  await notification.hover();
  await notification.getByRole('button', { name: 'Cancel' }).click();
  await idle(fixture.workbench);
  await eventually(() => fixture.pipelineProcess()?.pid !== frozen, 'the end of the frozen pipeline');
  assert.deepEqual(fixture.runFiles(), before);

  await ask(fixture.workbench, image, 'What does the large sign say?');
  panel = await panel.next();
  assert.match(await panel.answer(), /ENTER/);
  assert.equal(fixture.runFiles().length, before.length + 1);
});

test('Cancel is honoured by a pipeline that works, without replacing it', async () => {
  const before = fixture.runFiles();
  const pid = freeze();
  await ask(fixture.workbench, image, 'Describe the image.');
  const notification = progress(fixture.workbench, image);
  await notification.waitFor();
  await notification.hover();
  await notification.getByRole('button', { name: 'Cancel' }).click();
  process.kill(pid, 'SIGCONT');
  await idle(fixture.workbench);
  assert.equal(fixture.pipelineProcess()?.pid, pid);
  assert.deepEqual(fixture.runFiles(), before);
});

test('a pipeline that dies in the middle of a run is reported with a way to the log, and the next run works', async () => {
  const { workbench } = fixture;
  const before = fixture.runFiles();
  const pid = freeze();
  await ask(workbench, image, 'What is under the penguin?');
  await progress(workbench, image).waitFor();
  process.kill(pid, 'SIGKILL');
  const message = workbench.notification('The pipeline ended unexpectedly');
  await message.waitFor();
  // The buttons move when the notification beneath goes away.
  await progress(workbench, image).waitFor({ state: 'hidden' });
  await workbench.screenshot('pipeline-died');
  assert.match(await message.innerText(), /SIGKILL/);
  assert.deepEqual(fixture.runFiles(), before);
  await message.getByRole('button', { name: 'Show Log' }).click();
  await workbench.page.locator('.part.panel .view-lines', { hasText: /ended\sunexpectedly/ }).waitFor();

  await ask(workbench, image, 'What is at the top of the image?');
  panel = await panel.next();
  assert.match(await panel.answer(), /bomb/);
  assert.notEqual(fixture.pipelineProcess()?.pid, pid);
});
