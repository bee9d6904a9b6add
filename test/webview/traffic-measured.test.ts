/** A trace that two H100s wrote opens in the panel: measured lanes, its runs of both passes, and a map of sizes at their rates. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { output, PanelFixture, smallTrace, textOf } from './panel-fixture.ts';
import { root, themes } from './panel-rig.ts';

const fixture = PanelFixture.prepare();
const measured = `${root}/docs/two-h100/llama3-v-1-link-none.fovea`;
const emulated = `${root}/docs/two-h100/llama3-v-1-link-3.fovea`;

for (const theme of themes) {
  test(`what two GPUs measured, in ${theme}`, async () => {
    await fixture.withPanel(smallTrace, { traffic: measured, theme }, async panel => {
      await panel.page.screenshot({ path: `${output}/traffic-measured-${theme}.png`, fullPage: true });
      const rows = panel.page.locator('[data-testid=run-rows] tbody tr');
      assert.equal(await rows.count(), 6);
      assert.match(await rows.first().innerText(), /LV-XAttn.*3\s178\s496.*✓ 2 of 2 ranks.*2\.13 ms/s);
      await panel.page.getByTestId('pass-backward').click();
      await rows.nth(5).waitFor({ state: 'detached' });
      assert.equal(await rows.count(), 5);
      assert.match(await rows.first().innerText(), /LV-XAttn.*5\s259\s264.*✓ 2 of 2 ranks.*8\.91 ms/s);
      assert.equal(await panel.byTest('violations').count(), 0);
      assert.equal(await panel.page.getByText('simulated').count(), 0);
    });
  });
}

test('links that were emulated are marked so, and the map of sizes takes their rate', async () => {
  await fixture.withPanel(smallTrace, { traffic: emulated }, async panel => {
    await panel.page.screenshot({ path: `${output}/traffic-measured-3.png`, fullPage: true });
    assert.ok((await panel.page.getByText('simulated').count()) > 0);
    assert.match(await textOf(panel, 'quadrant-pointed'), /this workload, 256 queries, 307392 keys/);
  });
});
