import { countKept, type KeptCounts, type Moment } from '../../trace/kept-patches.ts';
import { alignTokens, type AlignedPair } from '../../trace/token-diff.ts';
import type { PatchMap } from '../attention/aggregate.ts';
import { summarise } from '../attention/aggregate.ts';
import type { ImageGeometry } from '../image/geometry.ts';
import type { FateState, RunFates } from '../pruning/run-fates.ts';
import type { Scene } from '../scene.ts';
import { layerWords, headWords } from '../scene-builder.ts';
import type { CompareChoice } from './comparison.ts';
import type { ComparedRun } from './compared-run.ts';
import { patchRefusal } from './differences.ts';

export type Letter = 'A' | 'B';

export interface Side {
  readonly letter: Letter;
  readonly run: ComparedRun;
  readonly name: string;
  readonly geometry: ImageGeometry;
  /** The token that the chosen place of the answers stands for; undefined where this answer has none. */
  readonly token: number | undefined;
  /** null where the trace does not tell, or while it is read */
  readonly fates: RunFates | null;
  readonly state: FateState | null;
  readonly map: PatchMap | null;
}

/** What of A and B differs at one layer. */
export interface LayerDifference {
  /** Patches that only one still has. */
  readonly kept: KeptCounts | null;
  readonly states: readonly [FateState, FateState] | null;
  /** [patches], |A − B|, probability */
  readonly attention: PatchMap | null;
}

/** One moment of the comparison: everything its parts draw. */
export interface PairScene {
  readonly base: Scene;
  readonly choice: CompareChoice;
  readonly a: Side;
  readonly b: Side;
  readonly runs: readonly ComparedRun[];
  /** One a run of `runs`. */
  readonly names: readonly string[];
  readonly shown: 'tokens' | 'attention';
  readonly moment: Moment;
  /** "layer D5", "the input of D5" */
  readonly words: { readonly layers: string; readonly heads: string; readonly moment: string };
  readonly pairs: readonly AlignedPair[];
  readonly pair: number;
  /** Why patches are not put one on the other. */
  readonly refusal: string | undefined;
  readonly kept: KeptCounts | null;
  /** [patches], |A − B|, probability */
  readonly difference: PatchMap | null;
  /** Upper end of the one scale of all maps, probability. */
  readonly maximum: number;
  /** In the grid of the panel's own run; hovered or locked. */
  readonly patch: number | null;
  /** Decoder layers that both have. */
  readonly layers: readonly LayerDifference[];
  readonly visionLayers: readonly LayerDifference[];
}

export interface PairSetting {
  readonly base: Scene;
  readonly choice: CompareChoice;
  readonly runs: readonly ComparedRun[];
  readonly names: readonly string[];
  readonly first: ComparedRun;
  readonly second: ComparedRun;
  readonly pairs: readonly AlignedPair[];
  readonly pair: number;
  readonly side: number;
}

/** The answers' tokens, side by side. Indices are into the answers, which begin after the prompts. */
export function alignAnswers(first: ComparedRun, second: ComparedRun): AlignedPair[] {
  const answer = ({ metadata }: ComparedRun): string[] =>
    metadata.tokens.slice(metadata.promptTokens).map(({ text }) => text);
  return alignTokens(answer(first), answer(second));
}

/** Where a run stands at a layer of the tower that is in focus. */
function momentOf({ tower, layers, visionLayer }: Scene['focus'], decode: boolean): Moment {
  if (tower === 'vision') return { tower, layer: visionLayer };
  return decode ? { tower: 'decode', layer: 0 } : { tower, layer: layers.last };
}

/** Builds the scene of A and B out of what is here; `missing` gets the pages that are not. */
export function buildPair(setting: PairSetting, missing: Promise<unknown>[]): PairScene {
  const { base, choice, runs, names, first, second, pairs, pair, side } = setting;
  const { focus, selection } = base;
  const here = <T extends object>(value: T | Promise<unknown> | null): T | null => {
    if (value instanceof Promise) missing.push(value);
    return value instanceof Promise ? null : value;
  };
  const vision = focus.tower === 'vision';
  const shown = choice.shown ?? (first.prunes || second.prunes ? 'tokens' : 'attention');
  const moment = momentOf(focus, choice.decode);
  const refusal = patchRefusal(first.metadata, second.metadata);
  const aligned = pairs[pair];

  const sideOf = (letter: Letter, run: ComparedRun, index: number | undefined): Side => {
    const token = index === undefined ? undefined : run.metadata.promptTokens + index;
    const state = here(run.state(moment));
    const map = vision
      ? here(run.clsAttention(focus.visionLayer))
      : token === undefined
        ? null
        : here(run.attention(token, focus.layers, focus.head));
    const name = names[runs.indexOf(run)] ?? run.name;
    return {
      letter,
      run,
      name,
      geometry: run.geometry(side),
      token,
      fates: here(run.fates()),
      state,
      map: shown === 'attention' ? map : null,
    };
  };
  const a = sideOf('A', first, aligned?.first);
  const b = sideOf('B', second, aligned?.second);

  const byLayer = shown === 'attention' && a.token !== undefined && b.token !== undefined && !refusal;
  const mapsA = byLayer ? here(first.attentionByLayer(a.token)) : null;
  const mapsB = byLayer ? here(second.attentionByLayer(b.token)) : null;
  const layerDifference = (at: Moment): LayerDifference => {
    const [stateA, stateB] = [here(first.state(at)), here(second.state(at))];
    const [mapA, mapB] =
      at.tower === 'decoder'
        ? [mapsA?.[at.layer], mapsB?.[at.layer]]
        : shown === 'attention' && !refusal
          ? [here(first.clsAttention(at.layer)), here(second.clsAttention(at.layer))]
          : [];
    return {
      states: stateA && stateB && !refusal ? [stateA, stateB] : null,
      kept: stateA && stateB && !refusal ? countKept(stateA.kept, stateB.kept) : null,
      attention: mapA && mapB ? differenceOf(mapA, mapB) : null,
    };
  };
  const difference = a.map && b.map && !refusal ? differenceOf(a.map, b.map) : null;
  const layers = Math.min(first.layers, second.layers);
  return {
    base,
    choice,
    a,
    b,
    runs,
    names,
    shown,
    moment,
    words: {
      layers: vision ? `layer V${focus.visionLayer}` : layerWords(focus.layers),
      heads: headWords(focus.head, first.metadata.model.decoder.heads),
      moment: momentWords(moment),
    },
    pairs,
    pair,
    refusal,
    kept: a.state && b.state && !refusal ? countKept(a.state.kept, b.state.kept) : null,
    difference,
    maximum: selection.keptMaximum ?? Math.max(a.map?.maximum ?? 0, b.map?.maximum ?? 0),
    patch: focus.patch,
    layers: Array.from({ length: layers }, (_, layer) => layerDifference({ tower: 'decoder', layer })),
    visionLayers: Array.from(
      { length: Math.min(first.metadata.model.vision.layers, second.metadata.model.vision.layers) },
      (_, layer) => layerDifference({ tower: 'vision', layer }),
    ),
  };
}

/** |A − B|: a magnitude has one sign, so that it goes on the same scale as A and B. */
export function differenceOf(a: PatchMap, b: PatchMap): PatchMap {
  const values = a.values.map((value, patch) => Math.abs(value - b.values[patch]!));
  return { ...summarise(values), hiddenText: 0, hiddenPatches: 0 };
}

function momentWords({ tower, layer }: Moment): string {
  if (tower === 'decode') return 'decode, after all stages';
  return `input of ${tower === 'vision' ? 'V' : 'D'}${layer}`;
}

/**
 * Layers at which either run begins with other tokens than the layer before, and the last one: what `[` and `]` step
 * through. Counted over both towers, the vision tower first.
 */
export function steps(visionLayers: number, layers: number, stageAt: (moment: Moment) => string): number[] {
  const moments = [
    ...Array.from({ length: visionLayers }, (_, layer): Moment => ({ tower: 'vision', layer })),
    ...Array.from({ length: layers }, (_, layer): Moment => ({ tower: 'decoder', layer })),
  ];
  const stages = moments.map(stageAt);
  const found = stages.flatMap((stage, index) => (index === 0 || stage !== stages[index - 1] ? index : []));
  return [...new Set([...found, moments.length - 1])];
}
