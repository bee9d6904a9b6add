/** Entry of the `fovea` command. */
import { FoveaError } from '../errors.ts';
import { analyzeCommand } from './analyze-command.ts';
import type { CommandContext } from './command.ts';
import { evalCommand } from './eval-command.ts';
import { describeFailure, exitCodes, type Failure } from './exit-codes.ts';
import { mainHelp, versionText } from './help.ts';
import { inspectCommand } from './inspect-command.ts';
import { jsonFailure } from './json-result.ts';
import { methodsCommand, planCommand } from './plan-command.ts';
import { reportCommand } from './report-command.ts';
import { reproduceCommand } from './reproduce-command.ts';
import { colourDepth, printable, TextStyle } from './terminal.ts';
import { trafficCommand } from './traffic-command.ts';

type Command = (words: readonly string[], context: CommandContext) => Promise<number>;

const commands: Readonly<Record<string, Command>> = {
  analyze: analyzeCommand,
  eval: evalCommand,
  inspect: inspectCommand,
  report: reportCommand,
  reproduce: reproduceCommand,
  methods: methodsCommand,
  plan: planCommand,
  traffic: trafficCommand,
};

async function run(words: readonly string[], context: CommandContext): Promise<number> {
  const [name, ...rest] = words;
  if (name === undefined) {
    context.stderr.write(mainHelp);
    return exitCodes.usage;
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    context.stdout.write(mainHelp);
    return exitCodes.ok;
  }
  if (name === '--version' || name === '-v') {
    context.stdout.write(`${versionText}\n`);
    return exitCodes.ok;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    throw new FoveaError(
      'usage',
      `There is no command "${name}".`,
      `Commands: ${Object.keys(commands).join(', ')}. See: fovea --help`,
    );
  }
  try {
    return await command(rest, context);
  } catch (error) {
    throw asUsageError(error, name);
  }
}

/** parseArgs explains unknown options well enough; only the way to the help is missing. */
function asUsageError(error: unknown, command: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!code.startsWith('ERR_PARSE_ARGS')) return error;
  const sentence = (error as Error).message.split(/\.\s/)[0] ?? '';
  return new FoveaError('usage', sentence.endsWith('.') ? sentence : `${sentence}.`, `See: fovea ${command} --help`);
}

function report(failure: Failure, json: boolean, { stdout, stderr, environment }: CommandContext): void {
  if (json) {
    stdout.write(`${JSON.stringify(jsonFailure(failure))}\n`);
    return;
  }
  const style = new TextStyle(colourDepth(stderr, environment) > 1);
  const hint = failure.hint === '' ? '' : `       ${printable(failure.hint)}\n`;
  stderr.write(`${style.red('fovea:')} ${printable(failure.message)}\n${hint}`);
}

async function main(): Promise<void> {
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (abort.signal.aborted) process.exit(exitCodes.cancelled);
      abort.abort();
    });
  }
  // A reader that has seen enough, such as `head`, closes the pipe.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? exitCodes.ok : exitCodes.unexpected);
  });
  const { stdout, stderr, env: environment } = process;
  const context: CommandContext = { stdout, stderr, environment, signal: abort.signal };
  const words = process.argv.slice(2);
  try {
    process.exitCode = await run(words, context);
  } catch (error) {
    const failure = describeFailure(error);
    if (environment['FOVEA_DEBUG'] && error instanceof Error) stderr.write(`${error.stack ?? ''}\n`);
    report(failure, words.includes('--json'), context);
    process.exitCode = failure.exitCode;
  }
}

void main();
