import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import { openTrafficFile } from '../../trace/file.ts';
import type { Ledger } from '../../trace/traffic/ledger.ts';
import type { TrafficMetadata } from '../../trace/traffic/metadata.ts';
import { ledgerOfRun } from '../../trace/traffic/ledger.ts';
import { evenFrames, type VisibleRun, visibleRuns } from '../../trace/traffic/masks.ts';
import { quadrantMap } from '../../trace/traffic/quadrants.ts';
import { ratesOfRun } from '../../trace/traffic/run-rates.ts';
import { seconds } from '../../webview/traffic/quantity.ts';
import { output, PanelFixture, picture, smallTrace, textOf, waitForText } from './panel-fixture.ts';
import { root, themes, type OpenPanel } from './panel-rig.ts';
import { writeSyntheticTraffic } from './synthetic-traffic.ts';

const fixture = PanelFixture.prepare();
const trace = (name: string): string => `${output}/traffic-${name}.fovea`;
/** Eight ranks on one image, LV-XAttn beside ring attention. */
const image = trace('image');
const frames = trace('frames');
const broken = trace('broken');
const many = trace('many');
const real = trace('real');
const masked = trace('masked');

before(async () => {
  await writeSyntheticTraffic(image, picture, { ranks: 8, algorithms: ['lv-xattn', 'ring'], frames: 1 });
  await writeSyntheticTraffic(frames, picture, {
    ranks: 3,
    algorithms: ['lv-xattn', 'ulysses', 'all-gather'],
    frames: 6,
  });
  await writeSyntheticTraffic(broken, picture, {
    ranks: 4,
    algorithms: ['lv-xattn', 'ring'],
    frames: 0,
    brokenAfter: 65_000_000,
    surplus: 16,
  });
  await writeSyntheticTraffic(many, picture, { ranks: 32, algorithms: ['lv-xattn', 'ring'], frames: 1 });
  const sizes = ['--ranks', '4', '--sq', '48', '--skv', '2048', '--heads', '4', '--head-dim', '64'];
  const links = ['--link-bandwidth', '1G', '--link-latency', '20us', '--compare', 'ring', '--repeats', '1'];
  const args = ['dist/cli.cjs', 'traffic', ...sizes, ...links, '--out', real];
  await promisify(execFile)(process.execPath, args, { cwd: root });
  const behind = [...args.slice(0, -1), masked, '--mask', 'own-frame:4'];
  await promisify(execFile)(process.execPath, behind, { cwd: root });
});

const shot = (panel: OpenPanel, name: string): Promise<unknown> =>
  panel.page.screenshot({ path: `${output}/traffic-${name}.png`, fullPage: true });

async function contents(path: string): Promise<{ metadata: TrafficMetadata; ledger: Ledger }> {
  const reader = await openTrafficFile(path);
  const ledger = await reader.ledger();
  await reader.close();
  return { metadata: reader.metadata, ledger };
}

for (const theme of themes) {
  test(`a traffic trace in ${theme}`, async () => {
    await fixture.withPanel(smallTrace, { traffic: image, theme }, async panel => {
      await panel.page.keyboard.press('ArrowRight');
      await panel.page.keyboard.press('ArrowRight');
      await panel.page.keyboard.press('.');
      await waitForText(panel, 'round', /Round 2 of 8/);
      await shot(panel, theme);
    });
  });
}

/** Text of the cells of a chart's table, by row; the focused chart is swapped for it. */
async function tableOf(panel: OpenPanel, within: string, chart: string): Promise<string[][]> {
  const place = panel.page.locator(within);
  await place.getByTestId(chart).focus();
  await panel.page.keyboard.press('t');
  const rows = place.getByTestId('chart-table').locator('tbody tr');
  const cells = await rows.evaluateAll(found =>
    found.map(row =>
      Array.from((row as { children: ArrayLike<{ textContent: string }> }).children, cell => cell.textContent),
    ),
  );
  await panel.page.keyboard.press('t');
  return cells;
}

const number = (text: string): number => Number(text.replace(/\s(?=\d)/g, ''));

test('the matrix shows the bytes of the ledger, round by round, and from owner to consumer', async () => {
  const { ledger } = await contents(image);
  const sent = (choose: (each: Ledger['transfers'][number]) => boolean): number =>
    ledger.transfers.filter(each => each.run === 0 && choose(each)).reduce((sum, { bytes }) => sum + bytes, 0);
  await fixture.withPanel(smallTrace, { traffic: image }, async panel => {
    const run = '[data-run="0"]';
    for (let round = 0; round < 2; round++) await panel.page.keyboard.press('ArrowRight');
    await waitForText(panel, 'round', /Round 2 of 8/);
    const upTo = await tableOf(panel, run, 'byte-matrix');
    const expected = sent(({ source, destination, round }) => source === 3 && destination === 4 && round <= 2);
    assert.ok(expected > 0);
    assert.equal(number(upTo[3]![1 + 4]!), expected);
    await panel.byTest('rounds-only').click();
    const only = await tableOf(panel, run, 'byte-matrix');
    assert.equal(
      number(only[3]![1 + 4]!),
      sent(({ source, round }) => source === 3 && round === 2),
    );
    await panel.byTest('rounds-all').click();
    await panel.byTest('matrix-owners').click();
    const logical = await tableOf(panel, run, 'byte-matrix');
    const consumed = sent(({ owner, destination }) => owner === 3 && destination === 6);
    assert.ok(consumed > 0, 'a block reaches ranks that its owner has no link to');
    assert.equal(number(logical[3]![1 + 6]!), consumed);
  });
});

test('hovering a cell marks the same block in tokens, rings and lanes, and a click keeps it', async () => {
  await fixture.withPanel(smallTrace, { traffic: image }, async panel => {
    const grid = panel.page.locator('[data-run="0"]').getByTestId('ownership-grid');
    // Row of rank 5, column of round 3: block 2.
    const place = { x: 28 + 3 * 24 + 12, y: 34 + 5 * 24 + 12 };
    await grid.hover({ position: place });
    await waitForText(panel, 'traffic-readout', /^Rank 5, round 3 LV-XAttn: holds query block 2, owner rank 2/);
    const marked = await panel.page.locator('.traffic-strip .token.on').allInnerTexts();
    const { metadata } = await contents(image);
    const first = metadata.workload.sharding.queryRows.slice(0, 2).reduce((sum, rows) => sum + rows, 0);
    const tokens = metadata.workload.tokens!.slice(first, first + metadata.workload.sharding.queryRows[2]!);
    assert.deepEqual(
      marked,
      tokens.map(({ text }) => text.trim()),
    );
    assert.match(await textOf(panel, 'traffic-readout'), /keys here648, image, rows 45 to 53 of 72/);
    await grid.click({ position: place });
    await panel.byTest('run-table').hover();
    await waitForText(panel, 'traffic-readout', /^Rank 5, round 3/);
    assert.match(await textOf(panel, 'ring-title'), /block 2 marked/);
    assert.deepEqual((await panel.byTest('ring-axis').getAttribute('aria-valuetext')) ?? '', 'round 3 of 8');
    await panel.page.keyboard.press('Escape');
    await waitForText(panel, 'traffic-readout', /^Rank 0, round 0/);
  });
});

test('space plays the rounds until everything is home, and any key stops it', async () => {
  await fixture.withPanel(smallTrace, { traffic: frames }, async panel => {
    await panel.page.keyboard.press(' ');
    await panel.page.getByText(/, playing$/).waitFor();
    await waitForText(panel, 'round', /After the last round/);
    await panel.page.getByText(/, playing$/).waitFor({ state: 'detached' });
    await panel.page.keyboard.press('ArrowLeft');
    await waitForText(panel, 'round', /Round 2 of 3/);
    await panel.page.keyboard.press('.');
    await waitForText(panel, 'traffic-readout', /^Rank 1, round 2/);
    await panel.page.keyboard.press(',');
    await waitForText(panel, 'traffic-readout', /^Rank 0, round 2/);
  });
});

test('runs stand side by side with bytes against formulas and a time axis that is shared or their own', async () => {
  await fixture.withPanel(smallTrace, { traffic: image }, async panel => {
    const rows = await panel.page.locator('[data-testid="run-rows"] tbody tr').allInnerTexts();
    assert.equal(rows.length, 2);
    for (const row of rows) assert.match(row, /✓ 8 of 8 ranks/);
    const end = async (run: number): Promise<number> =>
      Number(await panel.page.locator(`[data-run="${run}"] line.done`).getAttribute('x1'));
    const [shared, longest] = [await end(0), await end(1)];
    assert.ok(shared < longest, 'LV-XAttn ends first on the shared axis');
    await panel.byTest('time-axis-own').click();
    assert.ok((await end(0)) > shared);
    assert.match(await panel.byTest('traffic-caution').first().innerText(), /^Links are simulated/);
  });
});

test('a run that broke off says why, and a ledger that violates its formula is red with both numbers', async () => {
  const { metadata } = await contents(broken);
  await fixture.withPanel(smallTrace, { traffic: broken }, async panel => {
    const { sentPerRank, expectedPerRank } = metadata.runs[0]!.bytes;
    const said = (await textOf(panel, 'violations')).replace(/\s(?=\d)/g, '');
    assert.match(
      said,
      new RegExp(`LV-XAttn, rank1:${sentPerRank[1]} bytes counted,${expectedPerRank[1]} by the formula`),
    );
    assert.equal(sentPerRank[1]! - expectedPerRank[1]!, 16);
    const cautions = await panel.page.getByTestId('traffic-caution').allInnerTexts();
    assert.ok(cautions.some(text => /Ring attention broke off on rank 2: Rank 2 ended without a word/.test(text)));
    assert.equal(await panel.page.locator('[data-run="1"] line.torn').count(), 4);
    assert.equal(await panel.page.locator('[data-run="1"] line.done').count(), 0);
    await shot(panel, 'broken');
  });
});

test('many ranks fold to lanes of a rank and its neighbours; numbers leave the map, which stays a table', async () => {
  await fixture.withPanel(smallTrace, { traffic: many }, async panel => {
    for (let rank = 0; rank < 5; rank++) await panel.page.keyboard.press('.');
    await waitForText(panel, 'traffic-readout', /^Rank 5, round 0/);
    const lanes = panel.page.locator('[data-run="0"]').getByTestId('swim-lanes');
    assert.equal(await lanes.locator('.lane-rule').count(), 5);
    assert.match((await lanes.textContent()) ?? '', /ranks 3, 4, 5, 6, 7 of 32/);
    assert.equal((await tableOf(panel, '[data-run="0"]', 'byte-matrix')).length, 32);
    assert.match(await textOf(panel, 'chord-note'), /Drawn up to 16 ranks/);
    await shot(panel, 'many');
  });
});

test('a run of the command line opens: four ranks beside ring attention, measured and predicted', async () => {
  const { metadata } = await contents(real);
  await fixture.withPanel(smallTrace, { traffic: real }, async panel => {
    const rows = await panel.page.locator('[data-testid="run-rows"] tbody tr').allInnerTexts();
    assert.match(rows[0]!, /^LV-XAttn.*✓ 4 of 4 ranks/s);
    assert.match(rows[1]!, /^Ring attention.*✓ 4 of 4 ranks/s);
    assert.ok(rows[0]!.replace(/\s(?=\d)/g, '').includes(String(metadata.runs[0]!.bytes.sentPerRank[0])));
    assert.match(await textOf(panel, 'workload-words'), /noise from seed 1/);
    const checks = await panel.byTest('checks').innerText();
    assert.equal(checks.match(/✓/g)?.length, metadata.runs.flatMap(run => run.checks).length);
    await panel.byTest('export-perfetto').click();
    assert.deepEqual(panel.sent.at(-1), { type: 'command', command: 'exportPerfetto' });
    await shot(panel, 'real');
  });
});

test('charts are saved as figures that keep no style sheet', async () => {
  await fixture.withPanel(smallTrace, { traffic: image }, async panel => {
    await panel.send({ type: 'listFigures', request: 1 });
    await panel.page.waitForTimeout(300);
    const listed = panel.sent.find(message => message.type === 'figures');
    const names = listed?.figures.map(({ title }) => title) ?? [];
    assert.ok(names.includes('Lanes, LV-XAttn') && names.includes('Bytes, Ring attention'), names.join());
    const lanes = listed!.figures.find(({ title }) => title === 'Lanes, LV-XAttn')!;
    assert.match(lanes.fileName, /scene-04/);
    await panel.send({ type: 'drawFigure', request: 2, figure: lanes.id, format: 'svg', theme: 'light' });
    await panel.page.waitForTimeout(800);
    const failed = panel.sent.find(message => message.type === 'figureFailed');
    assert.equal(failed?.message, undefined);
    assert.ok(panel.sent.some(message => message.type === 'figure'));
  });
});

for (const width of [1100, 800, 480]) {
  test(`nothing runs over the edge at ${width} px`, async () => {
    await fixture.withPanel(smallTrace, { traffic: image, width, theme: 'vscode-light' }, async panel => {
      const overflow = await panel.page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
      assert.equal(overflow, 0);
      if (width === 480)
        assert.equal(
          await panel.page.locator('[data-run="0"]').getByTestId('swim-lanes').locator('.lane-rule').count(),
          1,
        );
      await shot(panel, String(width));
    });
  });
}

for (const theme of themes) {
  test(`the map of sizes in ${theme}: who is faster where, and where this workload lies`, async () => {
    await fixture.withPanel(smallTrace, { traffic: image, theme }, async panel => {
      const chart = panel.page.locator('.quadrants');
      await chart.scrollIntoViewIfNeeded();
      await chart.screenshot({ path: `${output}/traffic-quadrants-${theme}.png` });
      assert.match(await textOf(panel, 'quadrant-pointed'), /^◆ this workload, 30 queries, 5184 keys: about equal/);
    });
  });
}

test('the map of sizes behind the mask of a run is the planner’s with that mask, and says so', async () => {
  const { metadata, ledger } = await contents(masked);
  const recorded = metadata.runs.map((run, index) => ({ run, ledger: ledgerOfRun(ledger, index) }));
  const { rates } = ratesOfRun(recorded[0]!, recorded, metadata.workload);
  await fixture.withPanel(smallTrace, { traffic: masked }, async panel => {
    const chart = panel.page.locator('.quadrants');
    await chart.scrollIntoViewIfNeeded();
    await chart.screenshot({ path: `${output}/traffic-quadrants-masked.png` });
    assert.match(await chart.innerText(), /; queries see their own frame \(dashed lines: as if they saw all\)/);
    const rows = await tableOf(panel, '.quadrants', 'quadrants');
    const { shape } = metadata.workload;
    const point = { ranks: 4, pass: 'forward' as const, shape, wire: metadata.runs[0]!.wire, rates };
    const visible = (queries: number, keys: number): VisibleRun[] =>
      visibleRuns({ name: 'own-frame', frames: 4 }, queries, keys, evenFrames(keys, 4))!;
    for (const [queries, keys, lv, ring] of [rows[0]!, rows.at(-1)!]) {
      const size = [[number(queries!)], [number(keys!)]] as const;
      const [cell] = quadrantMap(...size, { ...point, mask: { visible, parts: 'chunks' } });
      assert.deepEqual([lv, ring], [seconds(cell!.lvXattn), seconds(cell!.ring)]);
    }
    const [all] = quadrantMap([number(rows.at(-1)![0]!)], [number(rows.at(-1)![1]!)], point);
    assert.notEqual(rows.at(-1)![3], seconds(all!.ring), 'without the mask it takes longer');
  });
});

test('the map of sizes is the planner’s, cell by cell, and tells the cell under the pointer', async () => {
  const { metadata, ledger } = await contents(image);
  const beside = metadata.runs.map((run, index) => ({ run, ledger: ledgerOfRun(ledger, index) }));
  const { run } = beside[0]!;
  const { rates } = ratesOfRun(beside[0]!, beside, metadata.workload);
  await fixture.withPanel(smallTrace, { traffic: image }, async panel => {
    const rows = await tableOf(panel, '.quadrants', 'quadrants');
    assert.ok(rows.length >= 10 * 15, String(rows.length));
    const { shape } = metadata.workload;
    for (const row of [rows[0]!, rows[100]!, rows.at(-1)!]) {
      const [queries, keys, lv, ring] = row;
      const point = { ranks: 8, pass: 'forward' as const, shape, wire: run.wire, rates };
      const [cell] = quadrantMap([number(queries!)], [number(keys!)], point);
      assert.deepEqual([lv, ring], [seconds(cell!.lvXattn), seconds(cell!.ring)]);
    }
    const drawing = panel.page.getByTestId('quadrants');
    const box = (await drawing.boundingBox())!;
    await drawing.hover({ position: { x: box.width - 20, y: 20 } });
    const most = rows.at(-1)!;
    await waitForText(panel, 'quadrant-pointed', new RegExp(`^${most[0]} queries, ${most[1]} keys`));
    await panel.page.mouse.move(2, 2);
    await waitForText(panel, 'quadrant-pointed', /^◆ this workload/);
  });
});
