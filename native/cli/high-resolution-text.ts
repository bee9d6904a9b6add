import type { HighResolution } from '../../trace/high-resolution.ts';

/** How many high-resolution tokens were read, chosen how, how long it took, and what the reader should know. */
export function highResolutionText(run: HighResolution): string {
  const { grid, rule, source, layers, attending, meanSelected, weights, ms, cacheBytes, notes } = run;
  const tokens = grid.rows * grid.columns;
  const how = rule.kind === 'count' ? `the ${rule.count} strongest patches` : `patches above ${rule.threshold} of 255`;
  const first = attending[0] ?? layers[0] ?? 0;
  const step = ms.reprojectStep?.toFixed(0);
  const kept = `keys and values ${ms.project.toFixed(0)} ms once`;
  const projecting =
    step === undefined
      ? kept
      : cacheBytes > 0
        ? `${kept}; projecting at every step would take about ${step} ms a step, by one layer`
        : `keys and values ${step} ms at every step`;
  const said = [
    `${meanSelected.toFixed(0)} of ${tokens} high-resolution tokens a layer, from layer ${first} on`,
    source === 'attention' ? how : `${source} selection`,
    weights.kind === 'copied' ? 'untrained HR projections' : weights.source,
    `tiles ${ms.encode.toFixed(0)} ms, ${projecting}`,
  ].join('; ');
  return notes.length === 0 ? said : `${said}. ${notes.join(' ')}`;
}
