/**
 * Types for token methods of your own. Your editor reads them through the comment above the method:
 * `@type {import('./fovea-method.d.ts').OwnTokenMethod}`.
 */

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
    readonly ropeTheta: number;
  };
}

export type ParameterValue = number | string | boolean | readonly number[];
export type Parameters = Readonly<Record<string, ParameterValue>>;

export interface OwnParameter {
  readonly name: string;
  readonly title?: string;
  /** `layers` and `numbers` are lists, written with commas. */
  readonly kind: 'number' | 'integer' | 'flag' | 'choice' | 'layers' | 'numbers';
  readonly default: ParameterValue | ((shape: ModelShape) => ParameterValue);
  readonly least?: number;
  readonly most?: number;
  readonly choices?: readonly string[];
  readonly meaning?: string;
}

/** What is known before a run starts. */
export interface MethodSetup {
  readonly shape: ModelShape;
  readonly variant: 'code' | 'paper';
  readonly parameters: Parameters;
  /** Names of the parameters that were set by hand. */
  readonly given?: readonly string[];
  readonly text: {
    /** Text tokens before the image. */
    readonly before: number;
    /** Text of each prompt token after the image. */
    readonly after: readonly string[];
  };
}

export interface VisualToken {
  readonly id: number;
  /** Patches that the token is made of, row by row from the top left. */
  readonly patches: readonly number[];
  /** How much of the token each patch makes up. */
  readonly weights: readonly number[];
}

export interface VisionNeeds {
  /** Between attention and MLP, or after the whole layer. */
  readonly at: 'inside' | 'after';
  readonly hidden?: boolean;
  readonly keys?: boolean;
  readonly clsAttention?: boolean;
}

export interface VisionView {
  readonly layer: number;
  readonly tokens: readonly VisualToken[];
  /** [1 + tokens, hidden size], CLS first */
  readonly hidden?: Float32Array;
  /** [1 + tokens, head size], CLS first, mean over heads */
  readonly keys?: Float32Array;
  /** [heads, tokens], probability */
  readonly clsAttention?: Float32Array;
}

export interface SequenceView {
  readonly tokens: readonly VisualToken[];
  /** [tokens, hidden size] */
  readonly visual: Float32Array;
  /** [text tokens after the image, hidden size] */
  readonly text: Float32Array;
}

export interface DecoderNeeds {
  /** Rows of attention: the last one, all text rows after the image, or all rows. */
  readonly attention?: 'last' | 'text' | 'all';
  readonly hidden?: boolean;
}

export interface DecoderView {
  readonly layer: number;
  readonly tokens: readonly VisualToken[];
  /** [heads, rows, tokens], probability; only if asked for */
  readonly attention: Float32Array;
  readonly rows: number;
  readonly rowPositions: Int32Array;
  readonly tokenPositions: Int32Array;
  /** [tokens, hidden size]; only if asked for */
  readonly hidden?: Float32Array;
}

export interface PrefillView {
  readonly tokens: readonly VisualToken[];
  readonly layers: readonly (readonly VisualToken[])[];
}

export interface Score {
  readonly name: string;
  readonly title?: string;
  readonly unit?: 'probability' | 'share' | 'cosine' | 'count' | 'distance' | 'density' | 'textToken' | 'number';
  /** One for each token of the view, NaN where it has none. */
  readonly values: ArrayLike<number>;
  /** Where the decision falls. */
  readonly cutoff?:
    | number
    | {
        readonly value: number;
        readonly above?: 'stays' | 'merges' | 'goes';
        readonly inclusive?: boolean;
        readonly rule?: 'threshold' | 'top-k';
      };
}

/** Everything indexes the tokens of the view that the plan answers. */
export interface PlanRecord {
  readonly id?: string;
  readonly title?: string;
  readonly scores?: readonly Score[];
  readonly reasons?: readonly string[];
  /** [tokens], index into `reasons`, 255 for none */
  readonly reasonOf?: ArrayLike<number>;
  readonly rescued?: readonly number[];
  readonly keySet?: readonly number[];
  readonly partnerOf?: ArrayLike<number>;
  readonly raters?: readonly number[];
  readonly notes?: readonly string[];
}

export interface TokenPlan extends PlanRecord {
  /** Tokens that stay, in this order; the others are dropped. */
  readonly keep?: readonly number[];
  /** Instead of `keep`: the tokens from here on, each a list of tokens to merge. */
  readonly tokens?: readonly (readonly number[] | { readonly members: readonly number[]; readonly weights?: readonly number[] })[];
  /** Positions from here on: counted anew (the default), or those the tokens had. */
  readonly positions?: 'renumbered' | 'original';
}

export interface CachePlan extends PlanRecord {
  readonly fromLayer: number;
  readonly kept: readonly number[];
}

type Awaitable<T> = T | Promise<T>;

export interface OwnHooks {
  readonly visionNeeds?: readonly (VisionNeeds | undefined)[];
  visionLayer?(view: VisionView): Awaitable<TokenPlan | undefined>;
  readonly proportionalAttention?: boolean;
  beforeDecoder?(view: SequenceView): Awaitable<TokenPlan | undefined>;
  readonly decoderNeeds?: readonly (DecoderNeeds | undefined)[];
  decoderLayer?(view: DecoderView): Awaitable<TokenPlan | undefined>;
  afterPrefill?(view: PrefillView): Awaitable<CachePlan | undefined>;
  readonly decodePositions?: 'continued' | 'cache-length';
}

export interface OwnTokenMethod {
  /** Lower-case letters, digits and hyphens. */
  readonly name: string;
  readonly title?: string;
  readonly summary?: string;
  readonly source?: string;
  readonly parameters?: readonly OwnParameter[];
  /** By which mean over layers a budget is counted; absent if none can be asked for. */
  readonly budget?: 'entering' | 'leaving';
  resolveBudget?(budget: number, setup: MethodSetup): Awaitable<{ readonly parameters: Parameters }>;
  start(setup: MethodSetup): Awaitable<OwnHooks>;
}
