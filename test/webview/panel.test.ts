import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  output,
  PanelFixture,
  picture,
  realTrace,
  smallTrace,
  textOf,
  tile,
  token,
  waitForText,
} from './panel-fixture.ts';
import { smallShape, writeSyntheticTrace } from './synthetic-trace.ts';

const fixture = PanelFixture.prepare();

test('hovering a token changes the overlay and the readout, and leaving it changes them back', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
    const [start, title] = [await panel.pixels('overlay-canvas'), await textOf(panel, 'readout')];
    await token(panel, fixture.indexOf('yellow')).hover();
    await waitForText(panel, 'readout', /“yellow”/);
    assert.notEqual(await panel.pixels('overlay-canvas'), start);
    await panel.byTest('caveat').hover();
    await waitForText(panel, 'readout', /^(?!.*“yellow”)/);
    assert.equal(await textOf(panel, 'readout'), title);
    assert.equal(await panel.pixels('overlay-canvas'), start);
  });
});

test('a click locks the token against hovering, Esc gives it back', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
    const readout = async (): Promise<string> => textOf(panel, 'readout');
    await fixture.choose(panel, fixture.indexOf('apple'));
    await token(panel, fixture.indexOf('yellow')).hover();
    await panel.page.waitForTimeout(400);
    assert.match(await readout(), /“apple”/);
    await panel.page.keyboard.press('Escape');
    await panel.byTest('caveat').hover();
    await token(panel, fixture.indexOf('yellow')).hover();
    await waitForText(panel, 'readout', /“yellow”/);
    assert.ok(panel.sent.some(message => message.type === 'status' && message.text.startsWith('Locked: ')));
  });
});

test('absolute and own scale differ in the pixels and in the legend, which is kept on request', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
    const legend = (): Promise<string[]> => panel.byTest('legend').locator('.tick').allTextContents();
    await fixture.choose(panel, fixture.indexOf('apple'));
    const [own, ownPixels] = [await legend(), await panel.pixels('overlay-canvas')];
    await panel.byTest('scale-absolute').click();
    const absolute = await legend();
    assert.ok(Number(absolute[2]) > Number(own[2]));
    assert.notEqual(await panel.pixels('overlay-canvas'), ownPixels);
    assert.equal(await panel.byTest('legend-unit').textContent(), 'probability');
    await panel.byTest('keep-scale').click();
    await fixture.choose(panel, fixture.indexOf('yellow'));
    assert.equal((await legend())[2]!.replace('≥ ', ''), absolute[2]);
  });
});

test('a prompt token before the image says that it could not look at it', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
    await token(panel, 0).click();
    await waitForText(panel, 'readout-detail', /comes before the image and could not look at it/);
    await token(panel, fixture.metadata.promptTokens - 2).click();
    await waitForText(panel, 'readout', /its own row/);
  });
});

test('the row drop-down switches between the row that predicts a token and its own', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
    await fixture.choose(panel, fixture.indexOf('apple'));
    const before = await panel.pixels('overlay-canvas');
    await panel.byTest('row').click();
    await panel.page.locator('vscode-option', { hasText: 'of the token' }).first().click();
    await waitForText(panel, 'readout', /its own row/);
    assert.notEqual(await panel.pixels('overlay-canvas'), before);
  });
});

test('the vision tower shows its heads and, where recorded, its rollout', async () => {
  await fixture.withPanel(smallTrace, {}, async panel => {
    await tile(panel, 'vision', 1).click();
    assert.equal(await panel.byTest('layer-head').count(), smallShape.visionHeads);
    const before = await panel.pixels('overlay-canvas');
    await panel.byTest('head').click();
    await panel.page.locator('vscode-option', { hasText: 'rollout' }).click();
    await waitForText(panel, 'legend-unit', /^share of CLS$/);
    assert.notEqual(await panel.pixels('overlay-canvas'), before);
  });
});

test('dragging over the axis shows the mean of a range of layers', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
    const { mouse } = panel.page;
    await tile(panel, 'decoder', 3).hover();
    await mouse.down();
    await tile(panel, 'decoder', 5).hover();
    await tile(panel, 'decoder', 7).hover();
    await mouse.up();
    await panel.byTest('caveat').hover();
    await waitForText(panel, 'masses', /mean of layers D3 to D7/);
    assert.equal(await panel.page.locator('.axis-tile.chosen').count(), 5);
  });
});

test('pointing at a head map shows its layer and tells its numbers', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
    await panel.page.locator('[data-testid="head-map"][data-layer="8"][data-head="2"]').hover();
    await waitForText(panel, 'readout-detail', /^head 2 of D8: maximum 0\.\d+, \d+(\.\d)? % on the image$/);
    await waitForText(panel, 'masses', /layer D8/);
  });
});

test('a double click on a head map shows that head in the image', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
    await panel.page.locator('[data-testid="head-map"][data-layer="7"][data-head="3"]').dblclick();
    await waitForText(panel, 'masses', /layer D7, head 3/);
  });
});

test('what is chosen survives a reload', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
    await fixture.choose(panel, fixture.indexOf('sign'));
    await tile(panel, 'decoder', 4).click();
    await panel.byTest('scale-absolute').click();
    await panel.byTest('smooth').click();
    await panel.byTest('opacity').fill('60');
    await panel.byTest('patch-grid').focus();
    await panel.page.keyboard.press('+');
    await panel.page.waitForTimeout(600);
    const [readout, overlay] = [await textOf(panel, 'readout'), await panel.pixels('overlay-canvas')];
    await panel.page.reload();
    await panel.ready();
    assert.equal(await textOf(panel, 'readout'), readout);
    assert.equal(await panel.pixels('overlay-canvas'), overlay);
    assert.equal(await panel.byTest('opacity').inputValue(), '60');
    assert.equal(await panel.byTest('scale-absolute').getAttribute('aria-checked'), 'true');
  });
});

test('a cropped picture says so, and zooming out shows what was not seen', async () => {
  const trace = `${output}/cropped.fovea`;
  const shape = { ...smallShape };
  const whole = await writeSyntheticTrace(trace, shape, picture);
  const crop = { x: 252, y: 0, width: 504, height: 504 };
  await writeSyntheticTrace(trace, { ...shape, metadata: { image: { ...whole.image, crop } } }, picture);
  await fixture.withPanel(trace, {}, async panel => {
    await waitForText(panel, 'image-caption', /cropped: 75 % of the picture was not seen/);
    await panel.byTest('patch-grid').focus();
    const before = await panel.pixels('image-canvas');
    await panel.page.keyboard.press('-');
    await panel.page.keyboard.press('-');
    await panel.page.waitForTimeout(500);
    assert.notEqual(await panel.pixels('image-canvas'), before);
    await panel.page.screenshot({ path: `${output}/cropped.png` });
  });
});

test('cancelled runs, untrusted workspaces, failures and unreadable pages are told in words', async () => {
  const trace = `${output}/cancelled.fovea`;
  await writeSyntheticTrace(
    trace,
    { ...smallShape, metadata: { status: { state: 'cancelled', after: 'D2, step 3' } } },
    picture,
  );
  await fixture.withPanel(trace, { canRun: false }, async panel => {
    assert.equal(await textOf(panel, 'run-status'), 'cancelled after D2, step 3');
    assert.equal(await textOf(panel, 'untrusted'), 'Running needs a trusted workspace');
    assert.equal(await panel.byTest('ask-again').count(), 0);
    await panel.send({ type: 'failed', message: 'Out of memory in prefill.', hint: 'Choose a smaller model.' });
    await panel.byTest('show-log').click();
    await waitForText(panel, 'run-line', /Out of memory in prefill\. Choose a smaller model\./);
    assert.ok(panel.sent.some(message => message.type === 'command' && message.command === 'showLog'));
  });
  const failing = { tensor: 'image.display', message: 'The disk is gone.' };
  await fixture.withPanel(smallTrace, { failing }, async panel => {
    await waitForText(panel, 'run-line', /The disk is gone\./);
    assert.ok(await panel.byTest('overlay-canvas').isVisible(), 'the attention is still there');
  });
});

test('the bundled model says what it knows, and links act', async () => {
  await fixture.withPanel(realTrace, {}, async panel => {
    assert.equal(await textOf(panel, 'caveat'), 'fovea-tiny knows rendered scenes only');
    assert.equal(
      await textOf(panel, 'disclaimer'),
      'Attention shows where information was read, not why the answer was given.',
    );
    await panel.byTest('choose-model').click();
    await panel.byTest('ask-again').click();
    await panel.send({ type: 'show', layer: 3, head: 2 });
    await waitForText(panel, 'masses', /layer D3, head 2/);
    const commands = panel.sent.filter(message => message.type === 'command').map(message => message.command);
    assert.deepEqual(commands, ['chooseModel', 'askAgain']);
  });
});
