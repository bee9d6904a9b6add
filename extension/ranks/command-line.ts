/** The command that runs the ranks, as words and as a line for a shell. */

export interface Hosts {
  readonly count: number;
  /** Address of the first host, and a free port there. */
  readonly address: string;
  readonly port: number;
}

export interface RanksWords {
  readonly ranksPerHost: number;
  readonly job: string;
  readonly out: string;
  readonly hosts?: Hosts | undefined;
}

/** Repeats and warm-ups as in the paper (section 4.1). */
const measuring = ['--repeat', '5', '--warmup', '2'];

/** @param host which of the hosts, from 0 */
export function ranksWords({ ranksPerHost, job, out, hosts }: RanksWords, host = 0): string[] {
  const where = hosts
    ? ['--hosts', hosts.count, '--host', host, '--address', hosts.address, '--port', hosts.port].map(String)
    : [];
  return ['--ranks', String(ranksPerHost), ...where, '--schedule', job, '--out', out, ...measuring];
}

/** For POSIX shells. */
export function shellLine(interpreter: string, packageFolder: string, words: readonly string[]): string {
  const command = [interpreter, '-m', 'fovea_ranks', ...words].map(quoted).join(' ');
  return `PYTHONPATH=${quoted(packageFolder)} ${command}`;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** "gpu-1:29500" or "10.0.0.1"; undefined for anything that is no address. */
export function parseAddress(text: string): { readonly address: string; readonly port: number } | undefined {
  const match = /^([\w.-]+|\[[\da-f:]+\])(?::(\d{1,5}))?$/i.exec(text.trim());
  const port = Number(match?.[2] ?? 29_500);
  return match && port > 0 && port < 65_536 ? { address: match[1]!.replace(/^\[|\]$/g, ''), port } : undefined;
}
