import { lastStageBefore, type Stage, type TokenReduction } from '../../trace/fates.ts';
import { fate, type RunFates, type TokenCounts } from './run-fates.ts';

/** A number of visual tokens, by kind. */
export interface FlowParts {
  readonly key: number;
  readonly single: number;
  readonly merged: number;
}

/** What enters a layer, what its stages take away, and what leaves it. */
export interface FlowStep {
  /** -1: before the decoder; there `entering` are the patches. */
  readonly layer: number;
  readonly entering: FlowParts;
  readonly leaving: FlowParts;
  /** Stages that acted here. */
  readonly stages: readonly number[];
  /** Tokens that were dropped, that became part of another, and that were saved by something else than their scores. */
  readonly dropped: number;
  readonly mergedAway: number;
  readonly rescued: number;
}

export const flowTotal = ({ key, single, merged }: FlowParts): number => key + single + merged;

/** From the patches to what decode reads: the part before the decoder first, then one step a layer. */
export function tokenFlow(reduction: TokenReduction, fates: RunFates | null): readonly FlowStep[] {
  const { stages, layers } = reduction;
  const before = stages.flatMap((stage, index) => (actsBefore(stage) ? [index] : []));
  const plain = (tokens: number): FlowParts => ({ key: 0, single: tokens, merged: 0 });
  const first = step(
    -1,
    before,
    fates ? partsOf(fates.state(-1).counts) : plain(reduction.visualTokens),
    fates ? partsOf(fates.state(lastStageBefore(stages, 0)).counts) : plain(layers[0]?.entering ?? 0),
    fates,
  );
  const rest = layers.map((account, layer) => {
    const here = stages.flatMap(({ place }, index) =>
      place.tower === 'decoder' && place.layer === layer ? [index] : [],
    );
    const entering = fates ? partsOf(fates.state(lastStageBefore(stages, layer)).counts) : plain(account.entering);
    const leaving = fates ? partsOf(fates.state(lastStageBefore(stages, layer + 1)).counts) : plain(account.leaving);
    return step(layer, here, entering, leaving, fates);
  });
  return [first, ...rest];
}

const actsBefore = ({ place }: Stage): boolean =>
  place.tower === 'vision' || (place.tower === 'decoder' && place.layer < 0);

function step(
  layer: number,
  stages: readonly number[],
  entering: FlowParts,
  leaving: FlowParts,
  fates: RunFates | null,
): FlowStep {
  if (!fates) {
    const dropped = flowTotal(entering) - flowTotal(leaving);
    return { layer, stages, entering, leaving, dropped, mergedAway: 0, rescued: 0 };
  }
  let [dropped, rescued] = [0, 0];
  for (const stage of stages)
    for (const patch of fates.tokensBefore(stage)) {
      const became = fates.fateOf(stage, patch);
      if (became === fate.dropped) dropped++;
      else if (became === fate.rescued) rescued++;
    }
  const mergedAway = Math.max(0, flowTotal(entering) - flowTotal(leaving) - dropped);
  return { layer, stages, entering, leaving, dropped, mergedAway, rescued };
}

function partsOf(counts: TokenCounts): FlowParts {
  const { single, merged, keySingle, keyMerged } = counts;
  return { key: keySingle + keyMerged, single: single - keySingle, merged: merged - keyMerged };
}
