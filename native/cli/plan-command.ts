/** `fovea plan` and `fovea methods`: what methods there are, and what they would cost on a model that is not here. */
import { parseArgs } from 'node:util';
import { type MacFormula, macFormulas } from '../../trace/costs.ts';
import { FoveaError } from '../errors.ts';
import type { ModelShape, TokenMethod } from '../methods/method.ts';
import { methods } from '../methods/registry.ts';
import { knownShapes, shapeOf } from '../planning/known-shapes.ts';
import { type Plan, planMethod } from '../planning/plan.ts';
import { methodOption } from './analyze-options.ts';
import type { CommandContext } from './command.ts';
import { exitCodes } from './exit-codes.ts';
import { methodsHelp, planHelp } from './methods-help.ts';
import { colourDepth, TextStyle, wrapText } from './terminal.ts';

/** As in the specification's examples: 35 tokens before the image and a short question after it. */
const defaultTextTokens = 92;

/** @returns exit code; @throws FoveaError */
export async function planCommand(words: readonly string[], context: CommandContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      shape: { type: 'string' },
      method: { type: 'string' },
      variant: { type: 'string' },
      budget: { type: 'string' },
      set: { type: 'string', multiple: true },
      tokens: { type: 'string' },
      formula: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    context.stdout.write(planHelp);
    return exitCodes.ok;
  }
  if (positionals[0] !== undefined) throw usage(`"${positionals[0]}" is one word too many.`);
  if (values.shape === undefined) throw usage('No model shape is named.');
  const { shape, note } = await shapeOf(values.shape);
  const { method } = methodOption(values);
  if (!method) throw usage('No method is named.');
  const plan = await planMethod(shape, method, textTokensOf(values.tokens, shape), formulaOf(values.formula));
  const described = note === undefined ? plan : { ...plan, notes: [note, ...plan.notes] };
  context.stdout.write(values.json ? `${JSON.stringify(described)}\n` : planText(values.shape, described));
  return exitCodes.ok;
}

/** @returns exit code; @throws FoveaError */
export function methodsCommand(words: readonly string[], context: CommandContext): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  const { shape } = knownShapes['llava-1.5-7b']!;
  if (values.help) context.stdout.write(methodsHelp);
  else if (values.json)
    context.stdout.write(`${JSON.stringify({ methods: methods.map(each => described(each, shape)) })}\n`);
  else context.stdout.write(methodsText(shape, new TextStyle(colourDepth(context.stdout, context.environment) > 1)));
  return Promise.resolve(exitCodes.ok);
}

function usage(message: string): FoveaError {
  return new FoveaError('usage', message, 'See: fovea plan --help');
}

function textTokensOf(text: string | undefined, { grid }: ModelShape): number {
  if (text === undefined) return defaultTextTokens;
  const textTokens = Number(text) - grid.rows * grid.columns;
  if (Number.isSafeInteger(textTokens) && textTokens >= 0) return textTokens;
  throw usage(`--tokens is "${text}"; it counts the whole prompt, so it is at least ${grid.rows * grid.columns}.`);
}

function formulaOf(text: string | undefined): MacFormula {
  const formula = macFormulas.find(known => known === (text ?? 'F3').toUpperCase());
  if (formula) return formula;
  throw usage(`There is no formula "${String(text)}".`);
}

function planText(name: string, plan: Plan): string {
  const giga = (macs: number): string => `${(macs / 1e9).toFixed(1)} GMAC`;
  const mega = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  const { macs } = plan;
  const lines = [
    `${plan.title} (${plan.variant}) on ${name}: predicted by formula, nothing was run`,
    '',
    `  visual tokens entering a layer, mean (E_in)   ${plan.eIn.toFixed(2)} of ${plan.visualTokens}`,
    `  visual tokens leaving a layer, mean (E_out)   ${plan.eOut.toFixed(2)}`,
    `  entering each layer                           ${plan.visualTokensPerLayer.entering.join(' ')}`,
    `  prefill, ${plan.textTokens} text tokens, ${macs.formula} = ${macs.expression}`,
    `                                                ${giga(macs.prefill)}, ${(100 * macs.share).toFixed(1)} % of ${giga(macs.full)}`,
    `  visual keys and values of 2 bytes             ${mega(plan.visualKvBytes)} in decode, ${mega(plan.visualKvBytesAfterPrefill)} after prefill, of ${mega(plan.visualKvBytesFull)}`,
    ...plan.notes.map(note => `  ${note}`),
  ];
  return `${lines.join('\n')}\n`;
}

function described(method: TokenMethod, shape: ModelShape): object {
  const { name, title, summary, source, variants, parameters, budget } = method;
  return {
    name,
    title,
    summary,
    source,
    variants,
    budget: budget ?? null,
    parameters: parameters.map(({ default: value, ...rest }) => ({ ...rest, default: value(shape, variants[0]!) })),
  };
}

function methodsText(shape: ModelShape, style: TextStyle): string {
  const blocks = methods.map(({ name, title, summary, source, variants, parameters, budget }) =>
    [
      `${style.bold(name)}  ${title}`,
      ...wrapText(`${summary} After ${source}.`, 100).map(line => `    ${line}`),
      ...(variants.length > 1 ? [`    variants: ${variants.join(', ')}`] : []),
      ...(budget ? [`    --budget counts visual tokens ${budget} a layer, mean over layers`] : []),
      ...parameters.map(parameter => {
        const value = parameter.default(shape, variants[0]!);
        return `    --set ${parameter.name}=${Array.isArray(value) ? value.join(',') : String(value)}  ${parameter.meaning}`;
      }),
    ].join('\n'),
  );
  return `${blocks.join('\n\n')}\n\nDefaults as for LLaVA-1.5-7B; layers scale with the model.\n`;
}
