/**
 * What a token method is: pure functions that the engine calls at fixed points of a run. They get attention and features,
 * and return a plan (keep, merge, mark) with the scores behind it; the engine executes the plan, renumbers positions, trims
 * caches, counts costs and records. A method keeps nothing from one request to the next.
 */
import type { StageScore } from '../../trace/fates.ts';
import type { ParameterValue } from '../../trace/schema.ts';
import type { CrossAttentionDescription } from '../checkpoint/cross-attention-weights.ts';
import type { HighResolutionDescription } from '../checkpoint/high-resolution-weights.ts';
import type { CrossAttentionPlan } from './high-resolution/cross-attention-plan.ts';
import type { HighResolutionPlan } from './high-resolution/plan.ts';
import type { VisualToken } from './visual-tokens.ts';

export type { ParameterValue } from '../../trace/schema.ts';
export type { VisualToken } from './visual-tokens.ts';

/** As the official code behaves, or as the publication says. */
export type MethodVariant = 'code' | 'paper';
export type Parameters = Readonly<Record<string, ParameterValue>>;
export type Awaitable<T> = T | Promise<T>;

/** Sizes that defaults, budgets and costs follow from; of a loaded model or of one that is only planned for. */
export interface ModelShape {
  readonly grid: { readonly rows: number; readonly columns: number };
  readonly vision: {
    readonly layers: number;
    readonly heads: number;
    readonly hiddenSize: number;
    readonly intermediateSize: number;
    /** Layers whose output the projector reads, 0-based. */
    readonly featureLayers: readonly number[];
  };
  readonly decoder: {
    readonly layers: number;
    readonly heads: number;
    readonly keyValueHeads: number;
    readonly headSize: number;
    readonly hiddenSize: number;
    readonly intermediateSize: number;
    /** Base of the rotary embedding, before any scaling. */
    readonly ropeTheta: number;
    /** Radians per position of each pair of channels, [head size / 2], scaled as the model has it. */
    readonly rotaryFrequencies: readonly number[];
  };
  /** How this model's weights for high-resolution tokens were trained; absent where nobody looked or there are none. */
  readonly highResolution?: HighResolutionDescription;
  /** The same for its gated cross-attention. */
  readonly crossAttention?: CrossAttentionDescription;
}

export interface ParameterSpec {
  readonly name: string;
  readonly title: string;
  /** `layers` and `numbers` are lists, written with commas on the command line. */
  readonly kind: 'number' | 'integer' | 'flag' | 'choice' | 'layers' | 'numbers';
  readonly least?: number;
  readonly most?: number;
  readonly choices?: readonly string[];
  readonly meaning: string;
  /** For models that are not loaded; a run has no such parameter, and its default is not read. */
  readonly forPlans?: boolean;
  /** Value for this model, and where it comes from, e.g. "MustDrop, section 4.1". */
  readonly default: (shape: ModelShape, variant: MethodVariant) => ParameterValue;
  readonly source?: string;
}

/** Everything that a method may know before it starts. */
export interface MethodSetup {
  readonly shape: ModelShape;
  readonly variant: MethodVariant;
  /** Complete and checked. */
  readonly parameters: Parameters;
  /** Names of the parameters that the user set by hand: a budget does not change them. */
  readonly given?: readonly string[];
  readonly text: {
    /** Text tokens before the image. */
    readonly before: number;
    /** Text of each prompt token after the image, in order. */
    readonly after: readonly string[];
  };
}

export interface TokenMethod {
  /** Lower case, as on the command line. */
  readonly name: string;
  readonly title: string;
  /** One sentence for a list. */
  readonly summary: string;
  /** Publication or code that it follows. */
  readonly source: string;
  /** The first one is the default. */
  readonly variants: readonly MethodVariant[];
  readonly parameters: readonly ParameterSpec[];
  /** Runs beside another method as well, since it adds keys and drops no tokens. */
  readonly fetchesHighResolution?: true;
  /** Lets text rows read a long visual input, with weights of their own. */
  readonly readsCrossAttention?: true;
  /** Whether it asks a decoder layer for the attention of all rows; needed before it starts, to count memory. */
  readonly readsAllRows?: (parameters: Parameters) => boolean;
  /** Pixels at each side of the image whose tokens stand in the sequence; the model's own size without it. */
  readonly imageSide?: (parameters: Parameters) => number;
  /** Why high-resolution tokens cannot be fetched beside this method. */
  readonly refusesHighResolution?: string;
  /** Why it does not run beside another method. */
  readonly refusesBeside?: string;
  /** By which mean over layers a budget is counted; absent where none can be asked for. */
  readonly budget?: 'entering' | 'leaving';
  /** Parameters that meet a budget of visual tokens whatever the image. @throws FoveaError `budget-impossible` */
  readonly resolveBudget?: (budget: number, setup: MethodSetup) => Awaitable<BudgetSolution>;
  /** The same where counts follow from the image: tries prefills; undefined if they do not. @throws FoveaError `budget-impossible` */
  readonly solveBudget?: (budget: number, setup: MethodSetup, measure: Measure) => Promise<BudgetSolution | undefined>;
  /** @throws FoveaError `usage` for parameters that do not go together or do not fit the model */
  readonly start: (setup: MethodSetup, memory?: unknown) => Awaitable<MethodHooks>;
  /** Token counts that do not follow from the image, for models that are not loaded; undefined where they do. */
  readonly predict?: (setup: MethodSetup, budget?: number) => PredictedTokens | undefined;
}

export interface BudgetSolution {
  readonly parameters: Parameters;
  readonly notes?: readonly string[];
}

/** Visual tokens entering and leaving each decoder layer in prefill. */
export interface TokenCounts {
  readonly entering: readonly number[];
  readonly leaving: readonly number[];
}

/** Runs a prefill with other parameters, as far as they do not concern the vision tower. */
export type Measure = (parameters: Parameters) => Promise<TokenCounts>;

export interface PredictedTokens extends TokenCounts {
  /** Tokens entering each vision layer, CLS included. */
  readonly visionTokens: readonly number[];
  /** Visual entries of each decoder layer's cache during decode. */
  readonly cached: readonly number[];
  readonly notes?: readonly string[];
}

/** What a method wants of a vision layer; nothing else is computed or copied. */
export interface VisionNeeds {
  /** `inside`: between attention and MLP; `after`: of the layer's output. */
  readonly at: 'inside' | 'after';
  readonly hidden?: boolean;
  readonly keys?: boolean;
  readonly clsAttention?: boolean;
}

export interface VisionView {
  readonly layer: number;
  /** The visual tokens as they are now, CLS not counted; plans index them. */
  readonly tokens: readonly VisualToken[];
  /** [1 + tokens, hidden size], CLS first; after the attention's residual, or the layer's output */
  readonly hidden?: Float32Array;
  /** [1 + tokens, head size], CLS first: keys, mean over heads */
  readonly keys?: Float32Array;
  /** [heads, tokens], attention of CLS, probability */
  readonly clsAttention?: Float32Array;
}

/** The sequence before the first decoder layer. */
export interface SequenceView {
  readonly tokens: readonly VisualToken[];
  /** [tokens, hidden size] */
  readonly visual: Float32Array;
  /** [text tokens after the image, hidden size] */
  readonly text: Float32Array;
}

export interface DecoderNeeds {
  /** Rows of attention to the visual tokens: the last one, all text rows after the image, or all of the sequence. */
  readonly attention?: 'last' | 'text' | 'all';
  /** Output of the layer for the visual tokens. */
  readonly hidden?: boolean;
}

export interface DecoderView {
  readonly layer: number;
  readonly tokens: readonly VisualToken[];
  /** [heads, rows, tokens], probability, for the rows asked for */
  readonly attention?: Float32Array;
  readonly rows: number;
  /** Positions in the sequence (rotary ids) of those rows and of the visual tokens. */
  readonly rowPositions: Int32Array;
  readonly tokenPositions: Int32Array;
  /** [tokens, hidden size] */
  readonly hidden?: Float32Array;
}

/** After prefill, before the first decode step. */
export interface PrefillView {
  /** The visual tokens that the last layer put out. */
  readonly tokens: readonly VisualToken[];
  /** Visual tokens in each layer's cache. */
  readonly layers: readonly (readonly VisualToken[])[];
}

export interface TokenGroup {
  /** Indices of the view's tokens. */
  readonly members: readonly number[];
  /** Sum to 1; equal shares if absent. */
  readonly weights?: readonly number[];
  /** The weighted mean times this: the number of members makes it a sum. 1 if absent. */
  readonly scale?: number;
}

/** One value for each of the view's tokens, NaN where it has none. */
export interface PlanScore extends StageScore {
  readonly values: ArrayLike<number>;
}

/** Everything in a plan indexes the tokens of the view that it answers. */
export interface PlanRecord {
  readonly id: string;
  readonly title: string;
  readonly scores?: readonly PlanScore[];
  /** Of each text token after the image, in order. */
  readonly textScores?: readonly PlanScore[];
  readonly reasons?: readonly string[];
  /** [tokens], index into `reasons`, 255 for none */
  readonly reasonOf?: ArrayLike<number>;
  readonly rescued?: readonly number[];
  /** Protected from here on; stays until another plan names another one. */
  readonly keySet?: readonly number[];
  /** [tokens], the token that this one was merged into, -1 for none */
  readonly partnerOf?: ArrayLike<number>;
  /** Text tokens after the image whose attention decided. */
  readonly raters?: readonly number[];
  readonly notes?: readonly string[];
}

export interface TokenPlan extends PlanRecord {
  /** The visual tokens from here on, in order; absent, nothing changes and the plan only records. */
  readonly tokens?: readonly TokenGroup[];
  /** Rotary positions from here on: counted anew without gaps (the default), or those the tokens had. */
  readonly positions?: 'renumbered' | 'original';
}

export interface CachePlan extends PlanRecord {
  /** Layers from this one on are trimmed. */
  readonly fromLayer: number;
  /** Tokens of the view that stay; a layer forgets every visual token that is not among them. */
  readonly kept: readonly number[];
}

/** The functions of one request. Needs are lists by layer, undefined where the method has nothing to do. */
export interface MethodHooks {
  readonly visionNeeds?: readonly (VisionNeeds | undefined)[];
  readonly visionLayer?: (view: VisionView) => Awaitable<TokenPlan | undefined>;
  /** Adds the log of each token's number of patches to its attention logits in the vision tower (ToMe). */
  readonly proportionalAttention?: boolean;
  readonly beforeDecoder?: (view: SequenceView) => Awaitable<TokenPlan | undefined>;
  readonly decoderNeeds?: readonly (DecoderNeeds | undefined)[];
  readonly decoderLayer?: (view: DecoderView) => Awaitable<TokenPlan | undefined>;
  readonly afterPrefill?: (view: PrefillView) => Awaitable<CachePlan | undefined>;
  /** Positions of new tokens: after the sequence's last one (the default), or each layer's own cache length. */
  readonly decodePositions?: 'continued' | 'cache-length';
  /** Encodes the image in high resolution, too, and lets layers fetch tokens of it. */
  readonly highResolution?: HighResolutionPlan;
  /** Encodes a long visual input, and lets text rows read it before some layers. */
  readonly crossAttention?: CrossAttentionPlan;
  /** What `start` needs to go on after the vision tower with other parameters. */
  readonly memory?: () => unknown;
}
