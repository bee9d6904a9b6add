import type { HighResolution } from '../../trace/high-resolution.ts';

/** One line: how many high-resolution tokens were read, chosen how, and how long it took. */
export function highResolutionText(run: HighResolution): string {
  const { grid, rule, source, layers, attending, meanSelected, weights, ms } = run;
  const tokens = grid.rows * grid.columns;
  const how = rule.kind === 'count' ? `the ${rule.count} strongest patches` : `patches above ${rule.threshold} of 255`;
  const first = attending[0] ?? layers[0] ?? 0;
  const anew =
    ms.reprojectStep === undefined
      ? ''
      : `; projecting at every step would take ${ms.reprojectStep.toFixed(0)} ms a step`;
  return [
    `${meanSelected.toFixed(0)} of ${tokens} high-resolution tokens a layer, from layer ${first} on`,
    source === 'attention' ? how : `${source} selection`,
    weights.kind === 'copied' ? 'untrained HR projections' : weights.source,
    `tiles ${ms.encode.toFixed(0)} ms, keys and values ${ms.project.toFixed(0)} ms once${anew}`,
  ].join('; ');
}
