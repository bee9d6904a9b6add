import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import { openTrafficFile } from '../../trace/file.ts';
import type { Ledger } from '../../trace/traffic/ledger.ts';
import type { TrafficMetadata } from '../../trace/traffic/metadata.ts';
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
    brokenAfter: 20_000_000,
    surplus: 16,
  });
  await writeSyntheticTraffic(many, picture, { ranks: 32, algorithms: ['lv-xattn', 'ring'], frames: 1 });
  const sizes = ['--ranks', '4', '--sq', '48', '--skv', '2048', '--heads', '4', '--head-dim', '64'];
  const links = ['--link-bandwidth', '1G', '--link-latency', '20us', '--compare', 'ring', '--repeats', '1'];
  const args = ['dist/cli.cjs', 'traffic', ...sizes, ...links, '--out', real];
  await promisify(execFile)(process.execPath, args, { cwd: root });
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
