/** The token methods that can be asked for, as lists show them. */
import { basename } from 'node:path';
import type { MethodSummary } from '../rpc.ts';
import type { ModelShape, TokenMethod } from './method.ts';
import { describeModule } from './own/describe-module.ts';
import { methods } from './registry.ts';

/**
 * Fovea's methods, then the user's modules, which are named by their paths. A module that cannot be described is listed
 * with its problem.
 * @param shape of a model to describe the modules for
 */
export async function methodSummaries(
  modules: readonly string[],
  shape: () => Promise<ModelShape>,
): Promise<readonly MethodSummary[]> {
  if (modules.length === 0) return methods.map(summaryOf);
  const known = await shape();
  return [...methods.map(summaryOf), ...(await Promise.all(modules.map(path => ownSummary(path, known))))];
}

async function ownSummary(path: string, shape: ModelShape): Promise<MethodSummary> {
  try {
    const { method } = await describeModule(path, shape);
    return { ...summaryOf(method), name: path, own: {} };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { name: path, title: basename(path), summary: '', variants: ['code'], parameters: [], own: { problem } };
  }
}

type Summarized = Pick<TokenMethod, 'name' | 'title' | 'summary' | 'variants' | 'budget' | 'parameters'>;

function summaryOf({ name, title, summary, variants, budget, parameters }: Summarized): MethodSummary {
  return {
    name,
    title,
    summary,
    variants,
    ...(budget && { budget }),
    parameters: parameters.map(({ default: _, source, ...described }) => described),
  };
}
