/** The view of a long visual input: what it says is what the trace holds, for frames and for one large image. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { draw, figures } from './asked-figures.ts';
import {
  output,
  PanelFixture,
  picture,
  smallTrace,
  textOf,
  tile,
  token,
  valuesOf,
  waitForText,
} from './panel-fixture.ts';
import { themes, type OpenPanel } from './panel-rig.ts';
import { crossTensors, describedCross, framePictures } from './synthetic-cross-attention.ts';
import { smallShape, writeSyntheticTrace, type SyntheticShape } from './synthetic-trace.ts';

const fixture = PanelFixture.prepare();
const film = `${output}/cross-frames.fovea`;
const large = `${output}/cross-large.fovea`;
const method = { name: 'reader', title: 'Reader', parameters: {} };
const shape: SyntheticShape = { ...smallShape, visionIntermediateSize: 32 };
// <s>, USER: and a space stand before the image; 5 words of the question and ASSISTANT: behind it; 5 of the answer.
const [before3, promptTokens, answered] = [3, 9, 5];
const rows = promptTokens + answered - 1 - before3;
const frameCount = 5;
/** " apple" of the answer, and the row of the trace that predicts it among those that read. */
const [apple, appleRow] = [promptTokens + 2, promptTokens + 1 - before3];

before(async () => {
  const { frames, bytes } = await framePictures(frameCount);
  const ofFrames = describedCross({
    input: 'frames',
    maps: 'mean',
    frames,
    framesAvailable: 9,
    grid: { rows: 12, columns: 12 },
    tiles: { rows: 1, columns: 1, side: 336 },
  });
  const metadata = { method, crossAttention: ofFrames };
  await writeSyntheticTrace(film, { ...shape, metadata, tensors: crossTensors(ofFrames, rows, bytes) }, picture);
  const whole = describedCross();
  const tensors = crossTensors(whole, rows);
  await writeSyntheticTrace(large, { ...shape, metadata: { method, crossAttention: whole }, tensors }, picture);
});

const openCross = async (panel: OpenPanel): Promise<void> => {
  await panel.byTest('view-cross-attention').click();
  await panel.byTest('cross-view').waitFor({ state: 'visible' });
};

/** Locks a word and chooses a layer. */
const choose = async (panel: OpenPanel, index: number, layer: number): Promise<void> => {
  await tile(panel, 'decoder', layer).click();
  await token(panel, index).click();
  await panel.page.mouse.move(5, 5);
};

const percent = (value: number): string =>
  value * 100 >= 9.95 ? `${(value * 100).toFixed(0)} %` : `${(value * 100).toFixed(1)} %`;

/** Shares of frames, mean of heads, past the panel. @param place of the layer among those that read */
async function sharesOf(row: number, place: number, head?: number): Promise<number[]> {
  const values = await valuesOf(film, 'cross_attention.frame_share', [
    [row, row + 1],
    [place, place + 1],
  ]);
  return Array.from({ length: frameCount }, (_, frame) =>
    head === undefined
      ? (values[frame]! + values[frameCount + frame]! + values[2 * frameCount + frame]!) / 3
      : values[head * frameCount + frame]!,
  );
}

const frame = (panel: OpenPanel, index: number) => panel.page.locator(`[data-testid="frame"][data-frame="${index}"]`);

test('a run without cross-attention has the tab disabled, with the reason; else the trace gives its title', async () => {
  await fixture.withPanel(smallTrace, {}, async panel => {
    const tab = panel.byTest('view-cross-attention');
    assert.equal(await tab.getAttribute('aria-disabled'), 'true');
    assert.match((await tab.getAttribute('title')) ?? '', /read nothing through cross-attention/);
  });
  await fixture.withPanel(film, {}, async panel => {
    assert.equal(await textOf(panel, 'view-cross-attention'), 'Reader');
  });
});

test('the film strip has the word’s share of every frame; the most read one is drawn, until another is chosen', async () => {
  const shares = await sharesOf(appleRow, 1);
  const most = shares.indexOf(Math.max(...shares));
  await fixture.withPanel(film, {}, async panel => {
    await openCross(panel);
    await choose(panel, apple, 3);
    await waitForText(panel, 'film-note', /^row that predicts “apple”, before D3, mean of 3 heads.*5 of 9 frames$/);
    for (const [index, value] of shares.entries()) {
      const text = ((await frame(panel, index).textContent()) ?? '').replaceAll('\u2009', ' ');
      assert.equal(text, `${index + 1}${percent(value)}`);
      assert.equal(await frame(panel, index).getAttribute('aria-selected'), String(index === most));
    }
    await waitForText(panel, 'cross-what', new RegExp(`^frame ${most + 1} ${percent(shares[most]!)} · before D3`));
    const other = (most + 1) % frameCount;
    await frame(panel, other).hover();
    await waitForText(panel, 'cross-what', new RegExp(`^frame ${other + 1} `));
    await panel.page.mouse.move(5, 5);
    await waitForText(panel, 'cross-what', new RegExp(`^frame ${most + 1} `));
    await frame(panel, other).click();
    await panel.page.mouse.move(5, 5);
    await waitForText(panel, 'cross-what', new RegExp(`^frame ${other + 1} `));
    const label = (await panel.byTest('overlay-canvas').getAttribute('aria-label')) ?? '';
    const map = await valuesOf(film, 'cross_attention.to_tokens', [
      [appleRow, appleRow + 1],
      [1, 2],
      [0, 1],
      [other * 144, (other + 1) * 144],
    ]);
    const peak = map.indexOf(Math.max(...map));
    assert.match(
      label,
      new RegExp(`to frame ${other + 1}, before D3.*peak at row ${Math.floor(peak / 12)}, column ${peak % 12};`),
    );
    // First the lock of the word, then that of the frame.
    await panel.page.keyboard.press('Escape');
    await panel.page.keyboard.press('Escape');
    await waitForText(panel, 'cross-what', new RegExp(`^frame ${most + 1} `));
  });
});

test('a head that is chosen has its own shares; a layer that reads nothing says which do', async () => {
  await fixture.withPanel(film, {}, async panel => {
    await openCross(panel);
    await choose(panel, apple, 3);
    await panel.byTest('reading-heads').click();
    const rowsOfHeads = await sharesOf(appleRow, 1, 2);
    await panel.byTest('reading-matrix-body').focus();
    await panel.page.keyboard.press('t');
    const table = (await panel.byTest('chart-table').locator('tbody tr').allTextContents()).map(text =>
      text.replaceAll('\u2009', ' '),
    );
    assert.equal(table[2], `head 2${rowsOfHeads.map(percent).join('')}`);
    await panel.byTest('chart-table').focus();
    await panel.page.keyboard.press('t');
    await tile(panel, 'decoder', 2).click();
    await waitForText(panel, 'cross-what', /^Nothing is read before D2; it is before D1, D3\.$/);
    assert.equal(await textOf(panel, 'film-note'), 'Nothing is read before D2; it is before D1, D3.');
  });
});

test('the matrix has every word that read; the player goes through the answer', async () => {
  await fixture.withPanel(film, {}, async panel => {
    await openCross(panel);
    await tile(panel, 'decoder', 1).click();
    await panel.byTest('reading-matrix-body').focus();
    await panel.page.keyboard.press('t');
    const lines = await panel.byTest('chart-table').locator('tbody tr').allTextContents();
    assert.equal(lines.length, promptTokens - before3 + answered);
    const first = await sharesOf(0, 0);
    assert.equal(lines[0]!.replaceAll('\u2009', ' '), `⏎${first.map(percent).join('')}`);
    await panel.byTest('chart-table').focus();
    await panel.page.keyboard.press('t');
    await panel.byTest('cross-slider').fill('1');
    await waitForText(panel, 'cross-step', /^step 1 of 4 · “green”$/);
    await panel.byTest('cross-slider').evaluate(node => {
      (node as unknown as { blur(): void }).blur();
    });
    await panel.page.keyboard.press(' ');
    await waitForText(panel, 'cross-step', /^step [234] of 4/);
  });
});

test('one image: the closest looks are its true pixels; gates and changes are those of the trace', async () => {
  const map = await valuesOf(large, 'cross_attention.to_tokens', [
    [appleRow, appleRow + 1],
    [1, 2],
  ]);
  const mean = Array.from({ length: 1296 }, (_, i) => (map[i]! + map[1296 + i]! + map[2592 + i]!) / 3);
  let best = { share: 0, row: 0, column: 0 };
  for (let row = 0; row + 9 <= 36; row++)
    for (let column = 0; column + 9 <= 36; column++) {
      let share = 0;
      for (let y = row; y < row + 9; y++) for (let x = column; x < column + 9; x++) share += mean[y * 36 + x]!;
      if (share > best.share) best = { share, row, column };
    }
  const change = await valuesOf(large, 'cross_attention.change', [[appleRow, appleRow + 1]]);
  await fixture.withPanel(large, {}, async panel => {
    await openCross(panel);
    await choose(panel, apple, 3);
    await waitForText(panel, 'closest-note', /^row that predicts “apple”, before D3, mean of 3 heads/);
    const label = ((await panel.byTest('closest-0').getAttribute('aria-label')) ?? '').replaceAll('\u2009', ' ');
    assert.equal(label, `${percent(best.share)} of the attention, row ${best.row}, column ${best.column}`);
    const facts = await textOf(panel, 'cross-body');
    assert.ok(facts.includes(`D10.25${percent(change[0]!)}`), facts);
    assert.ok(facts.includes(`D3-0.50${percent(change[1]!)}`), facts);
    assert.equal(await panel.byTest('film-strip').count(), 0);
    await panel.page.locator('[data-testid="reading-head"][data-head="2"]').click();
    await waitForText(panel, 'cross-what', /^before D3, head 2$/);
    const own = Array.from(map.subarray(2592));
    const peak = own.indexOf(Math.max(...own));
    const said = (await panel.byTest('overlay-canvas').getAttribute('aria-label')) ?? '';
    assert.match(said, new RegExp(`head 2, 0 to .*peak at row ${Math.floor(peak / 36)}, column ${peak % 36}$`));
    const costs = await textOf(panel, 'cross-costs');
    assert.match(
      costs,
      /Reader, these weights.*prefill .*tiles 900 ms.*LLaVA-XAttn by formula, every row reads.*not run here/s,
    );
  });
});

test('the view is drawn in every theme and in narrow windows, and its charts can be saved', async () => {
  for (const trace of [film, large]) {
    for (const theme of themes)
      await fixture.withPanel(trace, { theme }, async panel => {
        await openCross(panel);
        await panel.page.screenshot({ path: trace.replace('.fovea', `-${theme}.png`) });
      });
    await fixture.withPanel(trace, { width: 420, height: 900 }, async panel => {
      await openCross(panel);
      const sideways = await panel.page.evaluate<number>(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      assert.equal(sideways, 0, 'no scroll sideways');
      const listed = await figures(panel);
      assert.ok(listed.length >= 4, listed.map(({ title }) => title).join(', '));
      for (const { id, title } of listed) {
        const svg = (await draw(panel, id, 'svg')).toString();
        assert.match(svg, /<\/svg>\s*$/, title);
        // Behind what is drawn comes the caption, which is never empty.
        const drawn = svg.slice(svg.indexOf('<g '), svg.lastIndexOf('</g>'));
        assert.match(drawn, /<(rect|image|path|line)\b/, `${title} is empty`);
      }
    });
  }
});
