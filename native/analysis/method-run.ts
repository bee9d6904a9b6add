/** One method in one run: its parameters, solved for a budget where that needs trials, and its hooks. */
import { meanEntering, meanLeaving } from '../../trace/fates.ts';
import type { MethodDescription } from '../../trace/schema.ts';
import { gridSide } from '../checkpoint/model-config.ts';
import type { Engine, EngineTensor } from '../engine/engine.ts';
import type { ChosenMethod } from '../methods/choose-method.ts';
import type { MethodHooks, Parameters, TokenCounts } from '../methods/method.ts';
import { TokenReducer } from '../methods/token-reducer.ts';
import type { HighResolutionRun } from './high-resolution-run.ts';
import { DecoderRun, type DecoderInput, type DecoderRunOptions } from './decoder-run.ts';

export class MethodRun {
  private constructor(
    readonly chosen: ChosenMethod | undefined,
    public reducer: TokenReducer,
    public parameters: Parameters,
    public notes: readonly string[],
  ) {}

  /** @throws FoveaError `usage` or `method-failed` */
  static async start({
    method,
    prompt,
    config,
  }: DecoderInput & { readonly method?: ChosenMethod | undefined }): Promise<MethodRun> {
    if (!method) {
      const before = prompt.tokens.filter(({ position }) => position < prompt.visual.first).length;
      return new MethodRun(undefined, TokenReducer.idle(gridSide(config.vision) ** 2, before), {}, []);
    }
    const { setup } = method;
    const hooks = await method.method.start(setup);
    return new MethodRun(method, TokenReducer.of(method.method.name, hooks, setup), setup.parameters, method.notes);
  }

  /**
   * Finds parameters for the budget by trial prefills, where the method needs that, and goes on with them.
   * @returns whether it had to
   */
  async solve(
    engine: Engine,
    input: DecoderInput,
    visual: EngineTensor,
    { signal, progress }: Pick<DecoderRunOptions, 'signal' | 'progress'>,
    highResolution?: HighResolutionRun,
  ): Promise<boolean> {
    const { chosen, reducer } = this;
    const solveBudget = chosen?.method.solveBudget;
    if (chosen?.budget === undefined || !solveBudget) return false;
    const { method, setup, budget } = chosen;
    const restart = async (parameters: Parameters): Promise<MethodHooks> =>
      method.start({ ...setup, parameters }, reducer.hooks.memory?.());
    let trials = 0;
    const measure = async (parameters: Parameters): Promise<TokenCounts> => {
      progress?.({ stage: 'solve', done: trials++, total: 0 });
      // Only prefill is measured, so no cache need be trimmed for decode.
      const { afterPrefill: _, ...hooks } = await restart(parameters);
      const trial = new DecoderRun(
        engine,
        { ...input, maxNewTokens: 1 },
        {
          signal,
          reducer: reducer.continuedBy(hooks),
          fetching: highResolution?.reader(false),
        },
      );
      await trial.prefill(visual);
      return trial.counts;
    };
    const solution = await solveBudget(budget, setup, measure);
    if (!solution) return false;
    const { parameters, notes = [] } = solution;
    this.parameters = parameters;
    this.notes = [...this.notes, ...notes];
    this.reducer = reducer.continuedBy(await restart(parameters));
    return true;
  }
}

export function describeMethod({ chosen, parameters, notes }: MethodRun, counts: TokenCounts): MethodDescription {
  if (!chosen) return { name: 'none', parameters: {} };
  const { method, setup, budget, beside } = chosen;
  const counted = method.budget ?? 'entering';
  const layers = counts.entering.map((entering, layer) => ({ entering, leaving: counts.leaving[layer]! }));
  const reached = counted === 'entering' ? meanEntering(layers) : meanLeaving(layers);
  return {
    name: method.name,
    title: method.title,
    ...(method.variants.length > 1 && { variant: setup.variant }),
    parameters,
    ...(setup.given && setup.given.length > 0 && { given: setup.given }),
    ...(budget !== undefined && { budget: { asked: budget, reached, counted } }),
    ...(notes.length > 0 && { notes }),
    ...(beside && {
      beside: {
        name: beside.method.name,
        title: beside.method.title,
        ...(beside.method.variants.length > 1 && { variant: beside.setup.variant }),
        parameters: beside.setup.parameters,
      },
    }),
    ...(chosen.module && { module: chosen.module }),
  };
}
