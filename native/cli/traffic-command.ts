/** `fovea traffic`: distributed cross-attention on ranks of this machine, or a plan of it. */
import { openTrafficFile } from '../../trace/file.ts';
import { TrafficError } from '../../trace/traffic/errors.ts';
import { jobSchedules, type RanksJob } from '../../trace/traffic/job.ts';
import { type ComputedParts, MaskedWork } from '../../trace/traffic/masked-work.ts';
import { runsOfIntervals } from '../../trace/traffic/masks.ts';
import { chromeTrace } from '../../trace/traffic/perfetto.ts';
import { type Plan, plan, type Rates } from '../../trace/traffic/planner.ts';
import type { Pass } from '../../trace/traffic/schedule.ts';
import { buildSchedule } from '../../trace/traffic/schedules/build-schedule.ts';
import { prepareOutput, writeText, writeTraffic } from '../analysis/output-file.ts';
import { FoveaError } from '../errors.ts';
import { prepareWorkload } from '../traffic/prepare-workload.ts';
import { runTraffic, sizesOf, type TrafficOutcome } from '../traffic/run-traffic.ts';
import type { Workload } from '../traffic/workload.ts';
import type { CommandContext } from './command.ts';
import { exitCodes } from './exit-codes.ts';
import { trafficHelp } from './traffic-help.ts';
import { type ChosenPlan, jsonPlan, jsonTraffic } from './traffic-json.ts';
import { parseTrafficOptions, type TrafficOptions } from './traffic-options.ts';
import { planReport } from './traffic-plan-report.ts';
import { trafficProgress, trafficReport } from './traffic-report.ts';
import { colourDepth, TextStyle } from './terminal.ts';

/** @returns exit code; @throws FoveaError, TraceError */
export async function trafficCommand(words: readonly string[], context: CommandContext): Promise<number> {
  const options = parseTrafficOptions(words);
  if (options.help) {
    context.stdout.write(trafficHelp);
    return exitCodes.ok;
  }
  if (options.perfetto !== undefined) return exportPerfetto(options.perfetto, options.out, options.json, context);
  try {
    return await perform(options, context);
  } catch (error) {
    if (error instanceof TrafficError) throw new FoveaError('usage', error.message, error.hint, { cause: error });
    throw error;
  }
}

async function perform(options: TrafficOptions, context: CommandContext): Promise<number> {
  // Before the images go through the model.
  const sources = options.workload.kind === 'images' ? options.workload.paths : [];
  if (options.mode === 'run' && options.out !== undefined) await prepareOutput(options.out, sources);
  if (options.schedulePath !== undefined) await prepareOutput(options.schedulePath, sources);
  const workload = await prepareWorkload(options, context.signal);
  const { stdout, environment } = context;
  const style = new TextStyle(colourDepth(stdout, environment) > 1);
  if (options.mode === 'plan') {
    const plans = makePlans(options, workload);
    stdout.write(
      options.json
        ? `${JSON.stringify(jsonPlan(workload.description, plans))}\n`
        : planReport(workload.description, plans, ratesOf(options), style),
    );
  }
  if (options.schedulePath !== undefined) await writeSchedules(options, workload, options.schedulePath);
  if (options.mode !== 'run') return exitCodes.ok;

  const progress = trafficProgress(context.stderr, new TextStyle(colourDepth(context.stderr, environment) > 1));
  let outcome: TrafficOutcome;
  try {
    outcome = await runTraffic({ ...options, workload, signal: context.signal, progress: progress.show });
  } finally {
    progress.clear();
  }
  if (options.out !== undefined) await writeTraffic(options.out, outcome.metadata, outcome.content);
  stdout.write(
    options.json
      ? `${JSON.stringify(jsonTraffic(outcome, options.out))}\n`
      : trafficReport(outcome, options.out, style),
  );
  const { status, runs } = outcome.metadata;
  if (status.state === 'partial') return status.cause.code === 'cancelled' ? exitCodes.cancelled : exitCodes.resources;
  return runs.every(run => run.checks.every(({ passed }) => passed)) ? exitCodes.ok : exitCodes.unexpected;
}

/** Behind a mask torch ranks may compute more than the ranks of this machine: then they have a prediction of their own. */
function makePlans(options: TrafficOptions, workload: Workload): ChosenPlan[] {
  const { visible, description } = workload;
  const behind = (parts: ComputedParts): MaskedWork | undefined =>
    visible && new MaskedWork(runsOfIntervals(visible), description.sharding, parts);
  const [embedded, torch] = [behind('chunks'), behind('shards')];
  return options.choices.map(choice => {
    const planned = (masked: MaskedWork | undefined): Plan =>
      plan(choice.algorithm, options.pass, sizesOf({ ...options, workload }, choice), ratesOf(options), masked);
    const here = planned(embedded);
    const onTorch = torch && planned(torch);
    const differs = onTorch?.mask?.computedShare !== here.mask?.computedShare;
    return { choice, plan: here, ...(onTorch && differs && { onTorch }) };
  });
}

/** What table 3 of the paper implies for its ranks and links, where the user names nothing. */
const paperRates = { flopsPerSecond: 12e12, bandwidth: 3e9 };

function ratesOf({ flopsPerSecond, link }: TrafficOptions): Rates {
  return {
    flopsPerSecond: flopsPerSecond ?? paperRates.flopsPerSecond,
    bandwidth: link?.bandwidth ?? paperRates.bandwidth,
    latency: link?.latency ?? 0,
    memoryBandwidth: Infinity,
  };
}

/** One schedule as it is, several and those with a mask as a job (trace/traffic/job.ts): what ranks elsewhere are to do. */
async function writeSchedules(options: TrafficOptions, workload: Workload, path: string): Promise<void> {
  const { choices, pass } = options;
  const [first] = choices;
  if (choices.length === 1 && !workload.visible) {
    const sizes = sizesOf({ ...options, workload }, first!);
    return writeText(path, JSON.stringify(buildSchedule(first!.algorithm, pass, sizes)));
  }
  const { shape, sharding } = workload.description;
  // The ranks make gradients only on the state of a forward pass.
  const passesOf: readonly Pass[] = pass === 'forward' ? [pass] : ['forward', pass];
  const variants = choices.map(choice => ({
    algorithm: choice.algorithm,
    wire: { ...options.wire, repeatKeyValueHeads: choice.repeatKeyValueHeads },
    passes: passesOf,
  }));
  const { visible } = workload;
  const job: RanksJob = {
    workload: workload.description,
    schedules: jobSchedules({ shape, sharding }, variants),
    ...(visible && {
      visible: Array.from(
        { length: visible.length / 2 },
        (_, row) => [visible[row * 2]!, visible[row * 2 + 1]!] as const,
      ),
    }),
  };
  await writeText(path, JSON.stringify(job));
}

async function exportPerfetto(trace: string, out: string, json: boolean, { stdout }: CommandContext): Promise<number> {
  const reader = await openTrafficFile(trace).catch((error: unknown) => {
    if (error instanceof Error && 'syscall' in error) {
      throw new FoveaError('disk', `${trace} cannot be opened.`, 'Check the path.', { cause: error });
    }
    throw error;
  });
  try {
    const events = chromeTrace(reader.metadata, await reader.ledger());
    await writeText(out, JSON.stringify(events), [trace]);
    const count = events.traceEvents.length;
    stdout.write(
      json
        ? `${JSON.stringify({ file: out, events: count })}\n`
        : `  ${out}: ${count} events. Open it at ui.perfetto.dev.\n`,
    );
    return exitCodes.ok;
  } finally {
    await reader.close();
  }
}
