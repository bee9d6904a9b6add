/** An animation read frame by frame in a real VS Code, by a little model that has cross-attention. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import sharp from 'sharp';
import { openTraceFile } from '../../trace/file.ts';
import { floatsOf } from '../../webview/source/floats.ts';
import { linkCheckpointWithTokenizer } from '../fixtures/letter-tokenizer.ts';
import { projectFolder } from './rig/editor.ts';
import { Fixture, testsOf } from './rig/fixture.ts';
import { idle, Panel } from './rig/fovea.ts';

const clip = 'clip.gif';
const question = 'What is it?';
const model = fs.mkdtempSync(path.join(os.tmpdir(), 'fovea-cross-model-'));

let fixture: Fixture;
const test = testsOf(() => fixture);
let panel: Panel;

before(async () => {
  const at = (...parts: string[]): string => path.join(projectFolder, 'test/golden', ...parts);
  linkCheckpointWithTokenizer(at('variants/gqa'), model);
  for (const name of ['xattn.json', 'xattn.safetensors'])
    fs.copyFileSync(at('cross-attention', name), path.join(model, name));
  const scenes = await Promise.all(
    [1, 2, 3].map(scene =>
      sharp(path.join(projectFolder, `media/samples/scene-0${scene}.png`))
        .resize(120, 120)
        .png()
        .toBuffer(),
    ),
  );
  const animation = await sharp(scenes, { join: { animated: true } })
    .gif()
    .toBuffer();
  // A setting of the machine, which a workspace may set otherwise: here the editor runs as on a remote one.
  const settings = JSON.stringify({ 'fovea.model.folder': model });
  fixture = await Fixture.start({ files: { [clip]: animation, '.vscode/settings.json': settings } });
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
  fs.rmSync(model, { recursive: true });
});

test('an animation is analysed with LLaVA-XAttn, and the film strip has the shares of the trace', async () => {
  const { workbench } = fixture;
  const { page } = workbench;
  await workbench.command('Fovea: Analyze Image with a Method…');
  await page.locator('.quick-input-title', { hasText: 'Analyze Image with a Method' }).waitFor();
  await workbench.pick('LLaVA-XAttn');
  await workbench.pick(clip);
  await page.locator('.quick-input-title', { hasText: `Ask about ${clip}` }).waitFor();
  await workbench.answerQuickInput(question);
  panel = await Panel.visible(workbench, 120_000);
  await idle(workbench);
  await panel.get('view-cross-attention').click();
  await panel.get('cross-view').waitFor();
  await panel.answerTokens().first().click();
  await panel.get('frame').nth(2).waitFor();
  assert.equal(await panel.get('frame').count(), 3);

  const [name] = fixture.runFiles();
  const reader = await openTraceFile(path.join(fixture.editor.workspace, 'runs', name!));
  const { crossAttention, promptTokens } = reader.metadata;
  const { layers, firstRow, heads } = crossAttention!;
  const row = promptTokens - 1 - firstRow;
  const shown = await panel.get('cross-what').innerText();
  const place = layers.indexOf(Number(/before D(\d+)/.exec(shown)?.[1]));
  const values = floatsOf(
    await reader.slice('cross_attention.frame_share', [
      [row, row + 1],
      [place, place + 1],
    ]),
  );
  await reader.close();
  for (let frame = 0; frame < 3; frame++) {
    let share = 0;
    for (let head = 0; head < heads; head++) share += values[head * 3 + frame]! / heads;
    const text = (await panel.get('frame').nth(frame).innerText()).replace(/\s/g, '');
    assert.equal(text, `${frame + 1}${share >= 0.0995 ? (share * 100).toFixed(0) : (share * 100).toFixed(1)}%`);
  }
});

test('the answer is played word by word, and a chosen frame stays', async () => {
  const { page } = fixture.workbench;
  await panel.get('frame').nth(1).click();
  await panel.get('cross-what').filter({ hasText: 'frame 2' }).waitFor();
  await panel.get('tokens').focus();
  await page.keyboard.press('End');
  await page.keyboard.press(' ');
  await panel.get('cross-step').filter({ hasText: 'step 0 of' }).waitFor();
  await page.keyboard.press(' ');
  await panel.get('cross-step').filter({ hasText: 'step 1 of' }).waitFor();
  await panel.get('cross-what').filter({ hasText: 'frame 2' }).waitFor();
  await fixture.workbench.screenshot('cross-attention');
});
