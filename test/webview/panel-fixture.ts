import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { after, before } from 'node:test';
import { promisify } from 'node:util';
import { openTraceFile } from '../../trace/file.ts';
import type { RunMetadata, TensorName } from '../../trace/schema.ts';
import { floatsOf } from '../../webview/source/floats.ts';
import { PanelRig, root, type OpenOptions, type OpenPanel } from './panel-rig.ts';
import { smallShape, writeSyntheticTrace } from './synthetic-trace.ts';

export const output = `${root}test/output/webview`;
export const picture = `${root}media/samples/scene-04.png`;
/** The bundled model on scene-04, from the real pipeline; made once. */
export const realTrace = `${output}/scene-04.fovea`;
/** The bundled model with its high-resolution weights on scene-03, whose small label they read; `makeDetailTrace` makes it. */
export const detailTrace = `${output}/scene-03-flexattention.fovea`;
/** Random numbers in a small shape. */
export const smallTrace = `${output}/small.fovea`;

type Locator = ReturnType<OpenPanel['byTest']>;

async function analyze(image: string, question: string, trace: string, more: readonly string[] = []): Promise<void> {
  if (existsSync(trace)) return;
  await mkdir(output, { recursive: true });
  const args = ['analyze', image, '--question', question, '--out', trace, ...more];
  await promisify(execFile)(process.execPath, ['--import', 'tsx', 'native/cli/main.ts', ...args], { cwd: root });
}

/** From the real pipeline, once. */
export function makeDetailTrace(image = `${root}media/samples/scene-03.png`, trace = detailTrace): Promise<void> {
  return analyze(image, 'What is the small word near the pumpkin?', trace, ['--method', 'flexattention']);
}

/** Starts a browser for the tests of a file and stops it after them. */
export class PanelFixture {
  private rig!: PanelRig;
  /** Of the real trace. */
  metadata!: RunMetadata;

  static prepare(): PanelFixture {
    const fixture = new PanelFixture();
    before(async () => {
      await mkdir(output, { recursive: true });
      await analyze(picture, 'Describe this picture.', realTrace);
      const reader = await openTraceFile(realTrace);
      fixture.metadata = reader.metadata;
      await reader.close();
      await writeSyntheticTrace(smallTrace, smallShape, picture);
      fixture.rig = await PanelRig.start();
    });
    after(async () => {
      await fixture.rig.stop();
    });
    return fixture;
  }

  /** Opens a panel, lets the test act, and demands that nothing went wrong in the page. */
  async withPanel(trace: string, options: OpenOptions, act: (panel: OpenPanel) => Promise<void>): Promise<void> {
    const panel = await this.rig.open(trace, options);
    try {
      await act(panel);
      assert.deepEqual(panel.faults, []);
    } finally {
      await panel.close();
    }
  }

  /** Locks a token of the real trace and waits until its row is drawn. */
  async choose(panel: OpenPanel, index: number): Promise<void> {
    await token(panel, index).click();
    await waitForText(panel, 'readout', new RegExp(`^“${this.metadata.tokens[index]!.text.trim()}”`));
  }

  /** Index of a word of the real answer. */
  indexOf(text: string): number {
    const found = this.metadata.tokens.findIndex(one => one.role === 'generated' && one.text.trim() === text);
    assert.ok(found >= 0, `the answer has no "${text}"`);
    return found;
  }
}

export async function valuesOf(trace: string, tensor: TensorName, ranges: [number, number][]): Promise<Float32Array> {
  const reader = await openTraceFile(trace);
  try {
    return floatsOf(await reader.slice(tensor, ranges));
  } finally {
    await reader.close();
  }
}

export const token = (panel: OpenPanel, index: number): Locator =>
  panel.page.locator(`[data-testid="token"][data-index="${index}"]`);

export const tile = (panel: OpenPanel, tower: 'vision' | 'decoder', layer: number): Locator =>
  panel.page.locator(`[data-testid="axis-tile"][data-tower="${tower}"][data-layer="${layer}"]`);

/** Text with plain spaces for thin ones. */
export const textOf = async (panel: OpenPanel, name: string): Promise<string> =>
  ((await panel.byTest(name).textContent()) ?? '').replaceAll('\u2009', ' ');

/** Waits until an element's text matches; polled from here, since the page's policy forbids evaluating code there. */
export async function waitForText(panel: OpenPanel, name: string, pattern: RegExp): Promise<void> {
  const deadline = Date.now() + 10_000;
  let text = await textOf(panel, name);
  while (!pattern.test(text)) {
    if (Date.now() > deadline) assert.fail(`"${name}" says "${text}", not ${pattern.toString()}`);
    await panel.page.waitForTimeout(20);
    text = await textOf(panel, name);
  }
}
