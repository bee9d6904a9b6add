/** `fovea inspect` of a traffic trace: its runs, its tables, and its checks made anew from the ledger. */
import { openTrafficFile } from '../../trace/file.ts';
import { checkRun } from '../../trace/traffic/checks.ts';
import { type Ledger, ledgerOfRun } from '../../trace/traffic/ledger.ts';
import type { RunCheck, TrafficRun, TrafficWorkload } from '../../trace/traffic/metadata.ts';
import { buildSchedule } from '../../trace/traffic/schedules/build-schedule.ts';
import { trafficTensorNames, trafficTensorSpecs } from '../../trace/traffic/schema.ts';
import type { CommandContext } from './command.ts';
import { exitCodes } from './exit-codes.ts';
import { colourDepth, TextStyle } from './terminal.ts';
import { jsonTraffic } from './traffic-json.ts';
import { trafficReport } from './traffic-report.ts';

/** @returns exit code; @throws TraceError, errors of the file system */
export async function inspectTraffic(path: string, json: boolean, context: CommandContext): Promise<number> {
  const { stdout, environment } = context;
  const trace = await openTrafficFile(path);
  try {
    const { metadata, tensors } = trace;
    const ledger = await trace.ledger();
    const runs = metadata.runs.map((run, index): TrafficRun => {
      return run.status.state === 'complete'
        ? { ...run, checks: checkAgain(run, index, ledger, metadata.workload) }
        : run;
    });
    const outcome = { metadata: { ...metadata, runs }, content: { ledger } };
    const ok = runs.every(run => run.checks.every(({ passed }) => passed));
    const present = trafficTensorNames.filter(name => name in tensors);
    if (json) {
      const described = present.map(name => ({ name, ...tensors[name], ...trafficTensorSpecs[name] }));
      stdout.write(
        `${JSON.stringify({ kind: metadata.kind, ...jsonTraffic(outcome, path), tensors: described, ok })}\n`,
      );
    } else {
      const style = new TextStyle(colourDepth(stdout, environment) > 1);
      const lines = present.map(name => {
        const { dtype, shape } = tensors[name]!;
        return `  ${style.bold(name)}  ${dtype} [${shape.join(', ')}]  ${style.dim(trafficTensorSpecs[name].meaning)}`;
      });
      stdout.write(`${trafficReport(outcome, path, style)}${lines.join('\n')}\n\n`);
    }
    return ok ? exitCodes.ok : exitCodes.file;
  } finally {
    await trace.close();
  }
}

function checkAgain(run: TrafficRun, index: number, ledger: Ledger, { shape, sharding }: TrafficWorkload): RunCheck[] {
  const schedule = buildSchedule(run.algorithm, run.pass, { shape, sharding, wire: run.wire });
  return checkRun(schedule, ledgerOfRun(ledger, index), run.agreement);
}
