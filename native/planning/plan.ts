/** What a method would cost on a model that is not loaded: counts, MACs and bytes by formula, nothing measured. */
import { decodeMacs, keyValueBytes, macFormulaText, type MacFormula, prefillMacs } from '../../trace/costs.ts';
import { FoveaError } from '../errors.ts';
import { chooseMethod } from '../methods/choose-method.ts';
import type { ModelShape } from '../methods/method.ts';
import type { MethodRequest } from '../rpc.ts';

export interface Plan {
  readonly method: string;
  readonly title: string;
  readonly variant: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly visualTokens: number;
  /** Text tokens of the prompt. */
  readonly textTokens: number;
  readonly eIn: number;
  readonly eOut: number;
  readonly visualTokensPerLayer: { readonly entering: readonly number[]; readonly leaving: readonly number[] };
  readonly visionTokens: readonly number[];
  /** Prefill. */
  readonly macsPerLayer: readonly number[];
  readonly macs: {
    readonly formula: MacFormula;
    readonly expression: string;
    readonly prefill: number;
    /** One step after the prompt, the new token included. */
    readonly decode: number;
    readonly full: number;
    readonly share: number;
  };
  /** Keys and values of visual tokens during decode, 2-byte elements; the same at the end of prefill, and of all tokens. */
  readonly visualKvBytes: number;
  readonly visualKvBytesAfterPrefill: number;
  readonly visualKvBytesFull: number;
  readonly notes: readonly string[];
}

const halfBytes = 2;
const withoutHighResolution =
  'High-resolution tokens are not counted here: how many are read follows from the image. A run with --json tells what they cost.';

/** @throws FoveaError `usage` for methods whose counts follow from the image, `budget-impossible` */
export async function planMethod(
  shape: ModelShape,
  request: MethodRequest,
  textTokens: number,
  formula: MacFormula,
): Promise<Plan> {
  const text = { before: 0, after: Array.from({ length: textTokens }, () => '') };
  const chosen = await chooseMethod(request, shape, text);
  await chosen.dispose?.();
  const { method, setup, budget, notes, highResolution } = chosen;
  const predicted = method.predict?.(setup, budget);
  if (!predicted) {
    if (!method.predict) throw new FoveaError('usage', `There is no plan for ${method.title}.`, 'Run it on an image.');
    const hint = method.budget ? 'Name a budget with --budget, or run it on an image.' : 'Run it on an image.';
    throw new FoveaError('usage', `How many tokens ${method.title} keeps follows from the image.`, hint);
  }
  const { entering, leaving, cached, visionTokens } = predicted;
  const { decoder, grid } = shape;
  const visualTokens = grid.rows * grid.columns;
  const macsPerLayer = entering.map(visual => prefillMacs(formula, visual + textTokens, decoder));
  const prefill = total(macsPerLayer);
  const decode = total(cached.map(visual => decodeMacs(formula, visual + textTokens + 1, decoder)));
  const full = decoder.layers * prefillMacs(formula, visualTokens + textTokens, decoder);
  const perToken = keyValueBytes(decoder, halfBytes);
  return {
    method: method.name,
    title: method.title,
    variant: setup.variant,
    parameters: setup.parameters,
    visualTokens,
    textTokens,
    eIn: total(entering) / decoder.layers,
    eOut: total(leaving) / decoder.layers,
    visualTokensPerLayer: { entering, leaving },
    visionTokens,
    macsPerLayer,
    macs: { formula, expression: macFormulaText[formula], prefill, decode, full, share: prefill / full },
    visualKvBytes: perToken * total(cached),
    visualKvBytesAfterPrefill: perToken * total(entering),
    visualKvBytesFull: perToken * visualTokens * decoder.layers,
    notes: [...notes, ...(predicted.notes ?? []), ...(highResolution ? [withoutHighResolution] : [])],
  };
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
