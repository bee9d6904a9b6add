/** The report of traffic between ranks: who sent what to whom, when, at which cost, and whether every check held. */
import type { Ledger } from '../../../trace/traffic/ledger.ts';
import { maskSentences } from '../../../trace/traffic/masks.ts';
import {
  rankCount,
  rowTotal,
  runLabel,
  type TrafficMetadata,
  type TrafficRun,
} from '../../../trace/traffic/metadata.ts';
import { type Fact, quoted, type ReportDocument, type Section } from '../document.ts';
import { count, day } from '../numbers.ts';
import type { ReportKind } from '../report-kind.ts';
import { FoveaError } from '../../errors.ts';
import { trafficLine } from '../traffic-line.ts';
import { lanePicture } from './lane-picture.ts';
import { byteTable, checkTable, costTable, hopTable, ledgerLines, memoryTable, seconds } from './traffic-tables.ts';

/** The table of hops has a cell for every pair; with more ranks no sheet of paper is wide enough for it. */
const mostHopRanks = 16;

export const trafficReport: ReportKind = {
  id: 'traffic',
  madeOf: 'traffic between ranks (a trace of fovea traffic)',
  accepts: async sources => sources.length === 1 && (await sources[0]!.traceKind()) === 'traffic',
  async build([source], { pictures }): Promise<ReportDocument> {
    const { name, bytes } = source!;
    const trace = await source!.traffic();
    const { metadata } = trace;
    const ledger = await trace.ledger();
    const { workload, runs } = metadata;
    return {
      title: ['Traffic of ', quoted(workload.name)],
      about: `${runs.map(runLabel).join(', ')} on ${count(rankCount(workload))} ranks, ${day(metadata.created)}`,
      exchange: [
        ...(workload.question === undefined ? [] : [{ label: 'Question', words: quoted(workload.question) }]),
        ...(workload.answer === undefined ? [] : [{ label: 'Answer', words: quoted(workload.answer), strong: true }]),
      ],
      cautions: cautions(metadata),
      sections: [
        {
          title: 'Cost of each algorithm',
          note: 'Bytes are the payload that was posted. Exposed: communication while the rank computed nothing. Largest of all ranks.',
          tables: [costTable(runs)],
        },
        ...runs.flatMap((run, index) => runSections(run, index, metadata, ledger, pictures !== 'none')),
      ],
      facts: [{ facts: facts(metadata) }],
      source: name,
      traces: [{ name, trace, bytes }],
      numbers: () => ({ ...metadata, ledger, reproduce: again(metadata).value }),
      csv: () => ledgerLines(metadata, ledger),
    };
  },
};

function cautions({ workload, runs }: TrafficMetadata): string[] {
  const violations = runs.flatMap(run =>
    run.checks.filter(({ passed }) => !passed).map(({ message }) => `${runLabel(run)}: ${message}`),
  );
  const partial = runs.flatMap(run =>
    run.status.state === 'partial' ? [`${runLabel(run)} broke off: ${run.status.cause.message}`] : [],
  );
  return [
    ...violations,
    ...partial,
    ...(runs.some(({ links }) => links.simulated)
      ? ['Links are emulated: times of transfers say nothing about hardware.']
      : []),
    ...(workload.scaledBy === undefined ? [] : [`The sizes of the preset were divided by ${workload.scaledBy}.`]),
    ...(workload.unverified?.length
      ? [`Of the preset, these could not be checked against the paper: ${workload.unverified.join(', ')}.`]
      : []),
  ];
}

function runSections(
  run: TrafficRun,
  index: number,
  { workload }: TrafficMetadata,
  { transfers, computes, waits }: Ledger,
  drawn: boolean,
): Section[] {
  const own = <Event extends { readonly run: number }>(events: readonly Event[]): Event[] =>
    events.filter(event => event.run === index);
  const ranks = rankCount(workload);
  const label = runLabel(run);
  const caption = `${label}, ${run.pass}: what each rank computed, sent, received and waited for${run.links.simulated ? '; links emulated' : ''}.`;
  const events = { transfers: own(transfers), computes: own(computes), waits: own(waits) };
  return [
    {
      title: `${label}: bytes`,
      note:
        ranks <= mostHopRanks
          ? 'Row sends, column receives; bytes, exact.'
          : `Bytes, exact. Who sent to whom is tabulated for up to ${mostHopRanks} ranks; the matrix of the interactive page shows it for all of them, and the CSV has every message.`,
      tables: [...(ranks <= mostHopRanks ? [hopTable(events.transfers, ranks)] : []), byteTable(run)],
    },
    {
      title: `${label}: time`,
      ...(drawn && {
        figures: [
          { kind: 'picture' as const, picture: lanePicture(`lanes-${index + 1}`, caption, ranks, events), caption },
        ],
      }),
      tables: [memoryTable(run)],
    },
    { title: `${label}: checks`, tables: [checkTable(run)] },
  ];
}

function facts(metadata: TrafficMetadata): Fact[] {
  const { workload, runs, producer, id } = metadata;
  const { shape, sharding } = workload;
  const [first] = runs;
  return [
    { label: 'Workload', value: workload.description },
    {
      label: 'Sizes',
      value: `${count(rowTotal(sharding.queryRows))} queries, ${count(rowTotal(sharding.keyRows))} keys, ${shape.queryHeads} query heads, ${shape.keyValueHeads} key-value heads of ${shape.headSize}, ${workload.element}`,
    },
    { label: 'Rows per rank', value: `queries ${sharding.queryRows.join(', ')}; keys ${sharding.keyRows.join(', ')}` },
    { label: 'Mask', value: maskSentences[workload.mask] ?? 'none' },
    ...(workload.seed === undefined ? [] : [{ label: 'Seed', value: String(workload.seed) }]),
    ...(first
      ? [
          {
            label: 'Backend',
            value: `${first.backend.name}, ${first.backend.kernel}; ${Object.entries(first.backend.versions)
              .map(([name, version]) => `${name} ${version}`)
              .join(', ')}`,
          },
          { label: 'Hardware', value: `${first.backend.hardware}; ${first.backend.devices.join(', ')}` },
          { label: 'Links', value: first.links.description },
          { label: 'Clock', value: `${first.clock.source}, error at most ${seconds(first.clock.errorNs / 1e9)}` },
          { label: 'Repeats', value: `${first.repeats.totals.length} after ${first.repeats.warmups} to warm up` },
        ]
      : []),
    { label: 'Made by', value: `${producer.name} ${producer.version}, traffic ${id}` },
    again(metadata),
  ];
}

/** The command line, or why there is none. */
function again(metadata: TrafficMetadata): Fact {
  try {
    return { label: 'Again', value: trafficLine(metadata), kind: 'code' };
  } catch (error) {
    if (!(error instanceof FoveaError)) throw error;
    return { label: 'Again', value: `${error.message} ${error.hint}` };
  }
}
