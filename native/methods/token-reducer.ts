/**
 * Calls a method's functions at their points of a run and keeps account of what became of the visual tokens. It decides
 * nothing and computes no tensors: whoever runs the model executes the groups that it hands back.
 */
import type { StagePlace } from '../../trace/fates.ts';
import { checkCachePlan, checkPlan } from './check-plan.ts';
import type {
  DecoderNeeds,
  DecoderView,
  MethodHooks,
  MethodSetup,
  SequenceView,
  TokenGroup,
  TokenPlan,
  VisionNeeds,
  VisionView,
} from './method.ts';
import { StageRecord } from './stage-record.ts';
import { changesNothing, VisualTokens } from './visual-tokens.ts';

/** What is left to do after a plan that changed the tokens. */
export interface Reduction {
  readonly groups: readonly TokenGroup[];
  readonly positions: 'renumbered' | 'original';
}

const noHooks: MethodHooks = {};

export class TokenReducer {
  /** Visual tokens as they are now. */
  tokens: VisualTokens;
  readonly record: StageRecord;
  private keyIds: ReadonlySet<number> = new Set();

  constructor(
    readonly methodName: string,
    readonly hooks: MethodHooks,
    private readonly patches: number,
    /** Text tokens before the image. */
    private readonly textBefore: number,
  ) {
    this.tokens = VisualTokens.ofPatches(patches);
    this.record = new StageRecord(patches, textBefore);
  }

  /** Keeps every token. */
  static idle(patches: number, textBefore: number): TokenReducer {
    return new TokenReducer('none', noHooks, patches, textBefore);
  }

  static of(name: string, hooks: MethodHooks, setup: MethodSetup): TokenReducer {
    const { rows, columns } = setup.shape.grid;
    return new TokenReducer(name, hooks, rows * columns, setup.text.before);
  }

  /** The same state under other hooks: what `solveBudget` tries prefills with. */
  continuedBy(hooks: MethodHooks): TokenReducer {
    const next = new TokenReducer(this.methodName, hooks, this.patches, this.textBefore);
    next.tokens = this.tokens;
    next.keyIds = this.keyIds;
    next.record.take(this.record);
    return next;
  }

  visionNeeds(layer: number): VisionNeeds | undefined {
    return this.hooks.visionNeeds?.[layer];
  }

  decoderNeeds(layer: number): DecoderNeeds | undefined {
    return this.hooks.decoderNeeds?.[layer];
  }

  /** The last vision layer that the method has to see; -1 if none. */
  get lastVisionLayer(): number {
    return this.hooks.visionNeeds?.findLastIndex(needs => needs !== undefined) ?? -1;
  }

  /** Log of the patches in each token, CLS first: [1 + tokens]; undefined where nothing was merged or nobody wants it. */
  visionKeyBias(): Float32Array | undefined {
    if (!this.hooks.proportionalAttention || this.tokens.whole) return undefined;
    const bias = new Float32Array(1 + this.tokens.count);
    this.tokens.list.forEach(({ patches }, index) => {
      bias[index + 1] = Math.log(patches.length);
    });
    return bias;
  }

  async visionLayer(view: Omit<VisionView, 'tokens'>): Promise<Reduction | undefined> {
    const plan = await this.hooks.visionLayer?.({ ...view, tokens: this.tokens.list });
    const inside = this.visionNeeds(view.layer)?.at === 'inside';
    const place = { tower: 'vision', layer: view.layer, ...(inside && { inside }) } as const;
    return this.follow(plan, place, `vision layer ${view.layer}`);
  }

  async beforeDecoder(view: Omit<SequenceView, 'tokens'>): Promise<Reduction | undefined> {
    const plan = await this.hooks.beforeDecoder?.({ ...view, tokens: this.tokens.list });
    return this.follow(plan, { tower: 'decoder', layer: -1 }, 'before the decoder');
  }

  async decoderLayer(view: Omit<DecoderView, 'tokens'>): Promise<Reduction | undefined> {
    const plan = await this.hooks.decoderLayer?.({ ...view, tokens: this.tokens.list });
    return this.follow(plan, { tower: 'decoder', layer: view.layer }, `decoder layer ${view.layer}`);
  }

  /**
   * @param layers the visual tokens in each layer's cache
   * @returns for every layer the visual tokens of its cache that stay; undefined where nothing changes
   */
  async afterPrefill(layers: readonly VisualTokens[]): Promise<readonly (readonly number[])[] | undefined> {
    const plan = await this.hooks.afterPrefill?.({
      tokens: this.tokens.list,
      layers: layers.map(({ list }) => list),
    });
    if (!plan) return undefined;
    checkCachePlan(plan, this.tokens.count, layers.length, `${this.methodName}, after prefill`);
    const kept = [...plan.kept].sort((a, b) => a - b);
    const after = this.tokens.combine(kept.map(member => ({ members: [member] })));
    this.takeKeySet(plan.keySet);
    this.record.add({ tower: 'cache', layer: plan.fromLayer }, plan, this.tokens, after, this.keyIds);
    const ids = new Set(after.list.map(({ id }) => id));
    return layers.map(({ list }, layer) =>
      list.flatMap(({ id }, index) => (layer < plan.fromLayer || ids.has(id) ? [index] : [])),
    );
  }

  private follow(plan: TokenPlan | undefined, place: StagePlace, where: string): Reduction | undefined {
    if (!plan) return undefined;
    checkPlan(plan, this.tokens.count, `${this.methodName}, ${where}`);
    const before = this.tokens;
    this.takeKeySet(plan.keySet);
    const groups = plan.tokens;
    const changes = groups !== undefined && !changesNothing(groups, before.count);
    if (changes) this.tokens = before.combine(groups);
    this.record.add(place, plan, before, this.tokens, this.keyIds);
    return changes ? { groups: groups.map(scaled), positions: plan.positions ?? 'renumbered' } : undefined;
  }

  private takeKeySet(keySet: readonly number[] | undefined): void {
    if (keySet) this.keyIds = new Set(keySet.map(index => this.tokens.list[index]!.id));
  }
}

/** With the scale in the weights, as whoever computes the sums wants them. */
function scaled({ members, weights, scale = 1 }: TokenGroup): TokenGroup {
  if (scale === 1) return { members, ...(weights && { weights }) };
  return { members, weights: members.map((_, index) => scale * (weights?.[index] ?? 1 / members.length)) };
}
