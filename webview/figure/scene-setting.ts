/** What figures of a run on an image say beside their charts. */
import type { Chart } from '../charts.ts';
import { unitOf } from '../frame/legend.ts';
import type { Scene } from '../scene.ts';
import type { FigureScale } from './figure-sheet.ts';
import type { FigureSetting } from './figures.ts';

export function sceneSetting(scene: Scene): FigureSetting {
  return { theme: scene.theme, standing: standing(scene), scaleOf: chart => scaleOf(chart, scene) };
}

function standing({ metadata, words, focus }: Scene): string {
  const { model, image, prompt, method, producer, generation } = metadata;
  const token = focus.tower === 'vision' ? words.layers : `${words.subject}, ${words.layers}, ${words.heads}`;
  const reduction =
    method.name === 'none'
      ? 'all visual tokens'
      : `method ${method.title ?? method.name}${method.variant ? ` (${method.variant})` : ''}`;
  const sampling = generation.sampling.mode === 'greedy' ? 'greedy decoding' : `seed ${generation.sampling.seed}`;
  return (
    `Shown: ${token}. ${model.name} on ${image.name}, question “${prompt.question}”, ${reduction}, ${sampling}. ` +
    `Fovea ${producer.version}, run ${metadata.id.slice(0, 8)} of ${metadata.created.slice(0, 10)}.`
  );
}

function scaleOf(chart: Chart | undefined, scene: Scene): FigureScale | undefined {
  const figure = chart?.figure ?? {};
  const unit = unitOf(scene);
  if (figure.scale === 'overlay' && scene.image)
    return { maximum: scene.imageMaximum, unit, overlay: scene.selection.opacity };
  if (figure.scale !== 'maps') return undefined;
  return {
    maximum: scene.focus.tower === 'vision' ? null : scene.sharedMaximum,
    unit: scene.sharedMaximum === null ? `${unit}, each map to its own maximum` : unit,
  };
}
