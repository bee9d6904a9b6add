/** What `fovea reproduce` says of traffic between ranks. */
import { trafficRunAgrees, type TrafficReproduction, type TrafficRunComparison } from '../report/reproduce-traffic.ts';
import { printable } from './terminal.ts';

/** Differences beyond these are counted. */
const mostDifferences = 8;

export function trafficReproductionText(result: TrafficReproduction): string {
  const { runs, answer, brokenOff, changes } = result;
  const agreeing = runs.filter(trafficRunAgrees).length;
  const answered =
    answer === undefined
      ? []
      : answer.before === answer.now
        ? [`Answer   ${printable(answer.now)}`]
        : [`Before   ${printable(answer.before)}`, `Now      ${printable(answer.now)}`, 'The answers disagree.'];
  const lines = [
    ...runs.flatMap(runLines),
    ...answered,
    ...brokenOff.map(name => `Not compared, since it broke off: ${name}.`),
    ...changes.map(change => `Changed  ${printable(change)}`),
    `${agreeing} of ${runs.length} ${runs.length === 1 ? 'run' : 'runs'} ${agreeing === 1 ? 'agrees' : 'agree'}. Times are shown, not compared.`,
  ];
  return `${lines.join('\n')}\n`;
}

function runLines({ name, bytesAgree, bytesThatDiffer, ...run }: TrafficRunComparison): string[] {
  const more = bytesThatDiffer.length - mostDifferences;
  const bytes = bytesAgree
    ? ['  Bytes agree exactly, of every kind and rank.']
    : [
        `  Bytes disagree in ${bytesThatDiffer.length} of kinds and ranks:`,
        ...bytesThatDiffer
          .slice(0, mostDifferences)
          .map(({ kind, rank, before, now }) => `    ${kind} of rank ${rank}: ${now}, was ${before}`),
        ...(more > 0 ? [`    and ${more} more`] : []),
      ];
  return [printable(name), ...bytes, ...agreementLines(run), ...timeLines(run)];
}

type Rest = Omit<TrafficRunComparison, 'name' | 'bytesAgree' | 'bytesThatDiffer'>;

function agreementLines({ numbersAgree, agreement, failedChecks }: Rest): string[] {
  const failed = failedChecks.map(message => `  A check fails now: ${printable(message)}`);
  if (!agreement) return ['  There are no figures of agreement with one device to compare.', ...failed];
  const { before, now, tolerance } = agreement;
  return [
    `  Agreement with one device ${numbersAgree ? 'agrees' : 'disagrees'}: relative ${now.relL2.toExponential(1)}, was ` +
      `${before.relL2.toExponential(1)} (allowed apart: ${Number(tolerance.toPrecision(2))}).`,
    ...failed,
  ];
}

function timeLines({ seconds: { before, now } }: Rest): string[] {
  const words = (value: number | undefined): string =>
    value === undefined ? 'unknown' : `${(value * 1000).toFixed(2)} ms`;
  return [`  Time ${words(now)}, was ${words(before)}.`];
}
