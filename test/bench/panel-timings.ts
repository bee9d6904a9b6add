/** The extension and its panel, in a real VS Code. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import { bundledModelFolder } from '../../native/models.ts';
import { Fixture } from '../e2e/rig/fixture.ts';
import { ask, idle, Panel } from '../e2e/rig/fovea.ts';
import { sample } from './sample.ts';

export interface PanelTimings {
  /** The extension's own `activate`, milliseconds. */
  readonly activation: number;
  /** From the panel's navigation to its first picture with data, milliseconds. */
  readonly firstPaint: number;
  /** Each answer to a moved pointer, milliseconds. */
  readonly hovers: readonly number[];
  readonly pruning: PruningTimings;
}

/** The Pruning view of a MustDrop run, milliseconds. */
export interface PruningTimings {
  /** The tab's answer, the first drawing of its charts included. */
  readonly opening: number;
  /** Each answer to a moved pointer over the image. */
  readonly hovers: readonly number[];
  /** Each answer to the stage slider. */
  readonly stages: readonly number[];
}

const hoverSteps = 200;
const stageRounds = 10;
const prunedTrace = 'mustdrop.fovea';

export async function panelTimings(): Promise<PanelTimings> {
  await using fixture = await Fixture.start({
    samples: ['scene-04.png'],
    files: { [prunedTrace]: await traceOfMustDrop() },
  });
  const { workbench } = fixture;
  await ask(workbench, 'scene-04.png', 'Describe this picture.');
  const panel = await Panel.visible(workbench);
  await hoverEverywhere(panel);
  const tokens = panel.answerTokens();
  for (let index = 0; index < (await tokens.count()); index++) await tokens.nth(index).hover();
  const [firstPaint, hovers] = [await durations(panel, 'fovea.firstPaint'), await durations(panel, 'fovea.hover')];
  const activation = Number(/Fovea activated in ([\d.]+) ms/.exec(fixture.log())?.[1]);
  await idle(workbench);
  await workbench.openFile(prunedTrace);
  return { activation, firstPaint: firstPaint[0] ?? NaN, hovers, pruning: await pruningTimings(await panel.next()) };
}

async function pruningTimings(panel: Panel): Promise<PruningTimings> {
  const opening = await openingTime(panel);
  await panel.get('pruning-view').waitFor();
  await panel.frame.evaluate(() => {
    performance.clearMeasures('fovea.hover');
  });
  await hoverEverywhere(panel);
  const hovers = await durations(panel, 'fovea.hover');
  const slider = panel.get('stage-slider');
  const last = Number(await slider.getAttribute('max'));
  const stages: number[] = [];
  for (let round = 0; round < stageRounds; round++) {
    for (let stage = -1; stage <= last; stage++) stages.push(await stageTime(panel, stage));
  }
  return { opening, hovers, stages };
}

/** One way over the image, row by row. */
async function hoverEverywhere(panel: Panel): Promise<void> {
  for (let step = 0; step < hoverSteps; step++) {
    await panel.hoverImage(((step * 7) % 50) / 50 + 0.01, (Math.floor(step / 10) + 0.5) / (hoverSteps / 10));
  }
}

/** Milliseconds from the click on the tab until the fates of all patches are read, counted and drawn. */
function openingTime(panel: Panel): Promise<number> {
  return panel.get('view-pruning').evaluate(async node => {
    const start = performance.now();
    (node as HTMLElement).click();
    const entries = '[data-testid=fate-legend] .fate-entry b';
    while (!Array.from(document.querySelectorAll(entries)).some(entry => Number(entry.textContent) > 0)) {
      await new Promise(resolve => setTimeout(resolve));
    }
    return performance.now() - start;
  });
}

/** Milliseconds that the panel takes to answer the stage slider, drawing included. */
function stageTime(panel: Panel, stage: number): Promise<number> {
  return panel.get('stage-slider').evaluate((node, chosen) => {
    (node as HTMLInputElement).value = String(chosen);
    const start = performance.now();
    node.dispatchEvent(new Event('input'));
    return performance.now() - start;
  }, stage);
}

function durations(panel: Panel, name: string): Promise<number[]> {
  return panel.frame.evaluate(measure => performance.getEntriesByName(measure).map(({ duration }) => duration), name);
}

async function traceOfMustDrop(): Promise<Buffer> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fovea-bench-'));
  const pipeline = new Pipeline();
  try {
    const { tracePath } = await pipeline.analyze({
      imagePath: sample.image,
      question: sample.question,
      modelFolder: bundledModelFolder(),
      tracePath: path.join(folder, prunedTrace),
      maxNewTokens: 20,
      sampling: { mode: 'greedy' },
      method: { name: 'mustdrop', budget: 64 },
      device: 'cpu',
      threads: 0,
      progressToken: 'bench',
    });
    return fs.readFileSync(tracePath);
  } finally {
    await pipeline.release();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
