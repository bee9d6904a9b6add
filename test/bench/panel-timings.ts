/** The extension and its panel, in a real VS Code. */
import { Fixture } from '../e2e/rig/fixture.ts';
import { ask, Panel } from '../e2e/rig/fovea.ts';

export interface PanelTimings {
  /** The extension's own `activate`, milliseconds. */
  readonly activation: number;
  /** From the panel's navigation to its first picture with data, milliseconds. */
  readonly firstPaint: number;
  /** Each answer to a moved pointer, milliseconds. */
  readonly hovers: readonly number[];
}

const hoverSteps = 200;

export async function panelTimings(): Promise<PanelTimings> {
  await using fixture = await Fixture.start({ samples: ['scene-04.png'] });
  const { workbench } = fixture;
  await ask(workbench, 'scene-04.png', 'Describe this picture.');
  const panel = await Panel.visible(workbench);
  // One way over the image, row by row; afterwards from word to word.
  for (let step = 0; step < hoverSteps; step++) {
    await panel.hoverImage(((step * 7) % 50) / 50 + 0.01, (Math.floor(step / 10) + 0.5) / (hoverSteps / 10));
  }
  const tokens = panel.answerTokens();
  for (let index = 0; index < (await tokens.count()); index++) await tokens.nth(index).hover();
  const durations = (name: string): Promise<number[]> =>
    panel.frame.evaluate(measure => performance.getEntriesByName(measure).map(({ duration }) => duration), name);
  const [firstPaint, hovers] = [await durations('fovea.firstPaint'), await durations('fovea.hover')];
  const activation = Number(/Fovea activated in ([\d.]+) ms/.exec(fixture.log())?.[1]);
  return { activation, firstPaint: firstPaint[0] ?? NaN, hovers };
}
