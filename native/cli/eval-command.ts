/** `fovea eval`: methods on a question set, from the command line to files and a table. */
import { Pipeline } from '../analysis/pipeline.ts';
import { answererStarter } from '../evaluation/answerers.ts';
import { evaluate, type EvaluationEnd } from '../evaluation/evaluate.ts';
import { PipelineAnswerer } from '../evaluation/pipeline-answerer.ts';
import { methods } from '../methods/registry.ts';
import type { CommandContext } from './command.ts';
import { parseEvalOptions } from './eval-options.ts';
import { renderEvaluation } from './eval-table.ts';
import { EvaluationLine } from './evaluation-line.ts';
import { exitCodes } from './exit-codes.ts';
import { evaluationMarkdown } from './eval-markdown.ts';
import { evalHelp } from './eval-help.ts';
import { colourDepth, columnsOf, TextStyle } from './terminal.ts';

/** @returns exit code; @throws FoveaError */
export async function evalCommand(words: readonly string[], context: CommandContext): Promise<number> {
  const options = parseEvalOptions(words);
  const { stdout, stderr, environment, signal } = context;
  if (!options) {
    stdout.write(evalHelp);
    return exitCodes.ok;
  }
  const line = new EvaluationLine(stderr, new TextStyle(colourDepth(stderr, environment) > 1));
  let end: EvaluationEnd;
  try {
    end = await evaluate(options.request, {
      signal,
      progress: progress => {
        line.show(progress);
      },
      methods,
      startAnswerers: answererStarter(() => new PipelineAnswerer(new Pipeline(), { keepLoaded: false })),
    });
  } finally {
    line.clear();
  }
  if (options.json) stdout.write(`${JSON.stringify(jsonOf(end))}\n`);
  else if (options.markdown) stdout.write(evaluationMarkdown(end));
  else stdout.write(renderEvaluation(end, new TextStyle(colourDepth(stdout, environment) > 1), columnsOf(stdout)));
  return end.state === 'cancelled' ? exitCodes.cancelled : exitCodes.ok;
}

function jsonOf({ evaluation, summary, ...end }: EvaluationEnd): object {
  const { model, set, engine, matching, macFormula } = evaluation.metadata;
  return { ...end, model, set, engine, matching, macFormula, results: summary.conditions };
}
