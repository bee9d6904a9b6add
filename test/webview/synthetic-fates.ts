import type { LayerAccount, Stage, StagePlace, StageScore, TokenReduction } from '../../trace/fates.ts';
import { noReason, noToken } from '../../trace/fates.ts';
import { bytesOf, type TraceTensor } from '../../trace/writer.ts';

/** What a stage does to one token: its fate by number, why, and, where it merges, with which group. */
interface Verdict {
  readonly fate: 0 | 1 | 2 | 3;
  readonly reason?: number;
  /** Tokens with the same number become one. */
  readonly group?: number;
  readonly key?: boolean;
  /** A patch of the token that this one goes into. */
  readonly partner?: number;
}

interface StagePlan {
  readonly id: string;
  readonly title: string;
  readonly place: StagePlace;
  readonly scores?: readonly StageScore[];
  readonly reasons?: readonly string[];
  readonly raters?: readonly number[];
  readonly notes?: readonly string[];
  /** The scores of a token by its first patch; same order as `scores`. */
  readonly values?: (patch: number) => readonly number[];
  readonly decide: (patch: number) => Verdict;
}

/** Plays stages that are made up over patches and keeps what a run would keep. */
export class SyntheticStages {
  private readonly stages: Stage[] = [];
  private readonly fate: number[] = [];
  private readonly reason: number[] = [];
  private readonly key: number[] = [];
  private readonly token: number[] = [];
  private readonly weight: number[] = [];
  private readonly partner: number[] = [];
  private readonly scores: number[] = [];
  private current: number[];
  private keys: number[];

  constructor(private readonly patches: number) {
    this.current = Array.from({ length: patches }, (_, patch) => patch);
    this.keys = this.current.map(() => 0);
  }

  get left(): number {
    return new Set(this.current.filter(token => token !== noToken)).size;
  }

  isKey(patch: number): boolean {
    return this.keys[patch] === 1;
  }

  /** Patches, the first of each token that is left. */
  firsts(): number[] {
    const seen = new Set<number>();
    return this.current.flatMap((token, patch) => {
      if (token === noToken || seen.has(token)) return [];
      seen.add(token);
      return [patch];
    });
  }

  members(patch: number): number {
    return this.current.filter(token => token === this.current[patch]).length;
  }

  play(plan: StagePlan): this {
    const { patches } = this;
    const entering = this.left;
    const firsts = this.firsts();
    const byToken = new Map(firsts.map(patch => [this.current[patch]!, patch]));
    const verdicts = new Map(firsts.map(patch => [patch, plan.decide(patch)]));
    const values = new Map(firsts.map(patch => [patch, plan.values?.(patch) ?? []]));
    const names: string[] = Array.from({ length: patches }, () => '');
    for (let patch = 0; patch < patches; patch++) {
      const first = this.current[patch] === noToken ? undefined : byToken.get(this.current[patch]!);
      const verdict = first === undefined ? undefined : verdicts.get(first)!;
      this.fate.push(verdict?.fate ?? 4);
      this.reason.push(verdict?.reason ?? noReason);
      this.key.push(verdict?.key ? 1 : 0);
      this.partner.push(verdict?.partner ?? -1);
      if (verdict && verdict.fate !== 2) names[patch] = verdict.group === undefined ? `t${first}` : `g${verdict.group}`;
    }
    for (let score = 0; score < (plan.scores?.length ?? 0); score++)
      for (let patch = 0; patch < patches; patch++) {
        const first = this.current[patch] === noToken ? undefined : byToken.get(this.current[patch]!);
        this.scores.push(first === undefined ? NaN : (values.get(first)![score] ?? NaN));
      }
    const order = [...new Set(names.filter(name => name !== ''))];
    this.current = names.map(name => (name === '' ? noToken : order.indexOf(name)));
    this.keys = this.key.slice(-patches);
    this.token.push(...this.current);
    for (let patch = 0; patch < patches; patch++)
      this.weight.push(this.current[patch] === noToken ? 0 : 1 / this.members(patch));
    const { values: _values, decide: _decide, ...told } = plan;
    this.stages.push({ scores: [], reasons: [], notes: [], ...told, entering, leaving: this.left });
    return this;
  }

  reduction(shape: {
    layers: number;
    visionLayers: number;
    text: number;
    decodeSteps: number;
    cacheBytes: number;
  }): TokenReduction {
    const { stages, patches } = this;
    const at = (tower: StagePlace['tower'], layer: number): Stage | undefined =>
      stages.findLast(({ place }) => place.tower === tower && place.layer === layer);
    let tokens = patches;
    const enter = stages.findLast(({ place }) => place.tower === 'decoder' && place.layer < 0);
    const visionTokens = Array.from({ length: shape.visionLayers }, (_, layer) => {
      const now = tokens + 1;
      tokens = at('vision', layer)?.leaving ?? tokens;
      return now;
    });
    tokens = enter?.leaving ?? tokens;
    const survivors = stages.findLast(({ place }) => place.tower === 'decoder')?.leaving ?? tokens;
    const trimmed = stages.some(({ place }) => place.tower === 'cache');
    const layers = Array.from({ length: shape.layers }, (_, layer): LayerAccount => {
      const entering = tokens;
      tokens = at('decoder', layer)?.leaving ?? tokens;
      const cached = trimmed && layer > 1 ? survivors : entering;
      const cacheLength = cached + shape.text + shape.decodeSteps;
      return {
        entering,
        leaving: tokens,
        sequence: entering + shape.text,
        cached,
        cacheLength,
        cacheBytes: cacheLength * shape.cacheBytes,
        lastKeyPosition: entering + shape.text - 1,
        queryPosition: trimmed ? cached + shape.text : entering + shape.text,
        attentionRead: stages.some(({ place }) => place.tower === 'decoder' && place.layer === layer),
        prefillMs: 1 + entering / 50,
      };
    });
    const decodePositions = trimmed ? 'cache-length' : 'continued';
    return { stages, visionTokens, layers, visualTokens: patches, decodeSteps: shape.decodeSteps, decodePositions };
  }

  tensors(): Record<string, TraceTensor> {
    const stages = [this.stages.length, this.patches];
    const scores = this.scores.length / this.patches;
    const small = (values: number[]): TraceTensor => ({ dtype: 'U8', shape: stages, data: Uint8Array.from(values) });
    const whole = (values: number[]): TraceTensor => ({
      dtype: 'I32',
      shape: stages,
      data: bytesOf(Int32Array.from(values)),
    });
    return {
      'fates.fate': small(this.fate),
      'fates.reason': small(this.reason),
      'fates.key': small(this.key),
      'fates.token': whole(this.token),
      'fates.weight': { dtype: 'F32', shape: stages, data: bytesOf(Float32Array.from(this.weight)) },
      'fates.partner': whole(this.partner),
      'fates.scores': { dtype: 'F32', shape: [scores, this.patches], data: bytesOf(Float32Array.from(this.scores)) },
    };
  }
}

/** A number from 0 to 1 that a patch keeps from call to call. */
const noise = (patch: number, salt: number): number => {
  const x = Math.sin(patch * 12.9898 + salt * 78.233) * 43758.5453;
  return x - Math.floor(x);
};

interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/** How near a patch lies to one of three spots: what these made-up images have to show. */
function interest(grid: Grid, patch: number): number {
  const [x, y] = [(patch % grid.columns) / grid.columns, Math.floor(patch / grid.columns) / grid.rows];
  const spots = [
    [0.2, 0.2],
    [0.7, 0.6],
    [0.3, 0.8],
  ] as const;
  return Math.max(...spots.map(([a, b]) => Math.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.02)));
}

/** Windows merge, a key set is chosen, four stages drop by two scores, the cache is trimmed. */
export function windowsAndThresholds(grid: Grid, layers: number, visionLayers: number): SyntheticStages {
  const stages = new SyntheticStages(grid.rows * grid.columns);
  const across = Math.floor(grid.columns / 3);
  const windowOf = (patch: number): number =>
    Math.floor(Math.floor(patch / grid.columns) / 3) * across + Math.floor((patch % grid.columns) / 3);
  const windowInterest = new Map<number, number>();
  for (let patch = 0; patch < grid.rows * grid.columns; patch++)
    windowInterest.set(windowOf(patch), Math.max(windowInterest.get(windowOf(patch)) ?? 0, interest(grid, patch)));
  const similarity = (patch: number): number =>
    Math.min(1, 0.97 - 0.7 * windowInterest.get(windowOf(patch))! - 0.1 * noise(windowOf(patch), 1));
  stages.play({
    id: 'merge',
    title: 'Spatial merging',
    place: { tower: 'vision', layer: 0 },
    scores: [
      {
        name: 'similarity',
        title: 'window similarity',
        unit: 'cosine',
        cutoff: { value: 0.8, above: 'merges', inclusive: true, rule: 'threshold' },
      },
    ],
    reasons: ['window as alike as the cut-off or more', 'window less alike'],
    values: patch => [similarity(patch)],
    decide: patch =>
      similarity(patch) >= 0.8 ? { fate: 1, reason: 0, group: windowOf(patch) } : { fate: 0, reason: 1 },
  });
  const cls = (patch: number): number => 0.0001 + 0.08 * interest(grid, patch) ** 2 * (0.4 + 0.6 * noise(patch, 2));
  const keys = new Set(
    stages
      .firsts()
      .sort((a, b) => cls(b) - cls(a))
      .slice(0, Math.ceil(0.08 * stages.left)),
  );
  const least = Math.min(...[...keys].map(cls));
  stages.play({
    id: 'key-set',
    title: 'Key set',
    place: { tower: 'vision', layer: visionLayers - 1 },
    scores: [
      {
        name: 'cls',
        title: 'CLS attention',
        unit: 'probability',
        cutoff: { value: least, above: 'stays', inclusive: true, rule: 'top-k' },
      },
    ],
    reasons: ['among the top 8 %'],
    values: patch => [cls(patch)],
    decide: patch => (keys.has(patch) ? { fate: 0, reason: 0, key: true } : { fate: 0 }),
  });
  [2, 6, 10, 14].forEach((of32, order) => {
    const layer = Math.round((of32 * layers) / 32);
    const share = (patch: number): number =>
      0.0006 + 0.03 * interest(grid, patch) * noise(patch, 10 + order) + 0.012 * noise(patch, 20 + order) ** 3;
    const largest = (patch: number): number => share(patch) * (0.5 + 0.8 * noise(patch, 30 + order));
    const [cutShare, cutLargest] = [0.0025 + 0.0008 * order, 0.002 + 0.0006 * order];
    stages.play({
      id: `prune-${layer}`,
      title: 'Dual-attention filter',
      place: { tower: 'decoder', layer },
      scores: [
        {
          name: 'share',
          title: 'share of mass',
          unit: 'share',
          cutoff: { value: cutShare, above: 'stays', inclusive: true, rule: 'threshold' },
        },
        {
          name: 'largest',
          title: 'largest',
          unit: 'probability',
          cutoff: { value: cutLargest, above: 'stays', inclusive: true, rule: 'threshold' },
        },
        { name: 'reader', title: 'text token that looked most', unit: 'textToken' },
      ],
      reasons: ['both scores under their cuts', 'share of mass', 'largest', 'key set only'],
      raters: [3, 4, 5, 6, 7],
      notes: order === 0 ? ['Thresholds were solved for the budget.'] : [],
      values: patch => [share(patch), largest(patch), 3 + Math.floor(4 * noise(patch, 40 + order))],
      decide: patch => {
        const key = stages.isKey(patch);
        if (share(patch) >= cutShare) return { fate: 0, reason: 1, key };
        if (largest(patch) >= cutLargest) return { fate: 0, reason: 2, key };
        return key ? { fate: 3, reason: 3, key } : { fate: 2, reason: 0 };
      },
    });
  });
  const left = stages.left;
  stages.play({
    id: 'cache',
    title: 'Cache trimming',
    place: { tower: 'cache', layer: layers - 1 },
    reasons: ['survivor of prefill'],
    notes: [`Layers from D2 keep the ${left} survivors; the publication says that only the key set stays.`],
    decide: patch => ({ fate: 0, reason: 0, key: stages.isKey(patch) }),
  });
  return stages;
}

/** Every vision layer merges the most alike pairs. */
export function pairwiseMerging(grid: Grid, perLayer: number, visionLayers: number): SyntheticStages {
  const stages = new SyntheticStages(grid.rows * grid.columns);
  for (let layer = 0; layer < visionLayers; layer++) {
    const firsts = stages.firsts();
    const sources = firsts.filter((_, i) => i % 2 === 0);
    const targets = firsts.filter((_, i) => i % 2 === 1);
    const alike = (patch: number): number => 1 - 0.6 * interest(grid, patch) - 0.3 * noise(patch, layer);
    const chosen = sources.sort((a, b) => alike(b) - alike(a)).slice(0, Math.min(perLayer, targets.length - 1));
    const into = new Map(
      chosen.map(patch => {
        const near = targets.reduce((best, one) =>
          distance(grid, one, patch) < distance(grid, best, patch) ? one : best,
        );
        return [patch, near];
      }),
    );
    const taking = new Set(into.values());
    stages.play({
      id: `merge-${layer}`,
      title: 'Bipartite matching',
      place: { tower: 'vision', layer },
      scores: [
        {
          name: 'similarity',
          title: 'similarity to the best partner',
          unit: 'cosine',
          cutoff: {
            value: alike(chosen.at(-1) ?? firsts[0]!),
            above: 'merges',
            inclusive: true,
            rule: 'top-k',
          },
        },
      ],
      reasons: ['among the most alike pairs'],
      values: patch => [taking.has(patch) || !sources.includes(patch) ? NaN : alike(patch)],
      decide: patch => {
        const partner = into.get(patch);
        if (partner !== undefined) return { fate: 1, reason: 0, group: partner, partner };
        return taking.has(patch) ? { fate: 0, group: patch } : { fate: 0 };
      },
    });
  }
  return stages;
}

function distance({ columns }: Grid, a: number, b: number): number {
  return Math.abs((a % columns) - (b % columns)) + Math.abs(Math.floor(a / columns) - Math.floor(b / columns));
}

/** Half of the tokens leave after the second layer, by one ranked score. */
export function halfBySecondLayer(grid: Grid): SyntheticStages {
  const stages = new SyntheticStages(grid.rows * grid.columns);
  const score = (patch: number): number => 0.0001 + 0.02 * interest(grid, patch) + 0.0005 * noise(patch, 3);
  const order = stages.firsts().sort((a, b) => score(b) - score(a));
  const kept = new Set(order.slice(0, Math.floor(order.length / 2)));
  return stages.play({
    id: 'rank',
    title: 'Ranked by attention',
    place: { tower: 'decoder', layer: 1 },
    scores: [
      {
        name: 'attention',
        title: 'attention of the last token',
        unit: 'probability',
        cutoff: { value: score([...kept].at(-1)!), above: 'stays', inclusive: true, rule: 'top-k' },
      },
    ],
    reasons: ['below the top half'],
    values: patch => [score(patch)],
    decide: patch => (kept.has(patch) ? { fate: 0 } : { fate: 2, reason: 0 }),
  });
}
