import { tensorNames, traceExtension, type TensorName } from '../../trace/schema.ts';
import type { AxisRange, FigureName, PanelCommand, RunAgain, ToHost } from '../../webview/messages.ts';

const commands: Readonly<Record<PanelCommand, true>> = {
  askAgain: true,
  chooseModel: true,
  compareRuns: true,
  exportPerfetto: true,
  runTraffic: true,
  showLog: true,
};
const mostAxes = 8;
const longestText = 500;
const mostParameters = 100;
const mostFigures = 500;
const longestAddress = 8000;
/** More side by side nobody could tell apart, and each holds a file open. */
export const mostComparedRuns = 8;

/** What came from the webview, if it is a message of the contract; undefined otherwise. */
export function parseToHost(value: unknown): ToHost | undefined {
  if (!isRecord(value)) return undefined;
  switch (value['type']) {
    case 'ready':
      return { type: 'ready' };
    case 'slice':
      return parseSlice(value);
    case 'command': {
      const command = value['command'];
      return isCommand(command) ? { type: 'command', command } : undefined;
    }
    case 'askQuestion': {
      const { question, condition } = value;
      return isIndex(question) && isIndex(condition) ? { type: 'askQuestion', question, condition } : undefined;
    }
    case 'compare': {
      const addresses = value['addresses'];
      if (!Array.isArray(addresses) || addresses.length > mostComparedRuns) return undefined;
      return addresses.every(isTraceAddress) ? { type: 'compare', addresses } : undefined;
    }
    case 'methods':
      return { type: 'methods' };
    case 'runAgain': {
      const request = parseRunAgain(value['request']);
      return request && { type: 'runAgain', request };
    }
    case 'status': {
      const text = value['text'];
      return typeof text === 'string' ? { type: 'status', text: text.slice(0, longestText) } : undefined;
    }
    case 'error': {
      const message = value['message'];
      return typeof message === 'string' ? { type: 'error', message: message.slice(0, longestText * 8) } : undefined;
    }
    case 'saveFigure': {
      const figure = value['figure'];
      if (figure === undefined) return { type: 'saveFigure' };
      return Number.isSafeInteger(figure) ? { type: 'saveFigure', figure: figure as number } : undefined;
    }
    case 'figures':
    case 'figure':
    case 'figureFailed':
      return parseAnswer(value);
    default:
      return undefined;
  }
}

function parseAnswer(value: Readonly<Record<string, unknown>>): ToHost | undefined {
  const { type, request, figures, data, message } = value;
  if (!isIndex(request)) return undefined;
  if (type === 'figures' && Array.isArray(figures) && figures.length <= mostFigures && figures.every(isFigure))
    return {
      type,
      request,
      figures: figures.map(({ id, title, fileName }) => ({ id, title: title.slice(0, longestText), fileName })),
    };
  if (type === 'figure' && data instanceof Uint8Array) return { type, request, data };
  if (type === 'figureFailed' && typeof message === 'string')
    return { type, request, message: message.slice(0, longestText) };
  return undefined;
}

function isFigure(value: unknown): value is FigureName {
  if (!isRecord(value) || !Number.isSafeInteger(value['id']) || typeof value['title'] !== 'string') return false;
  const { fileName } = value;
  // It becomes a part of a path.
  return typeof fileName === 'string' && fileName.length <= longestText && !/[\\/:\0]|^\.*$/.test(fileName);
}

function parseRunAgain(value: unknown): RunAgain | undefined {
  if (!isRecord(value)) return undefined;
  const { method, variant, budget, parameters } = value;
  if (typeof method !== 'string' || !isRecord(parameters)) return undefined;
  const entries = Object.entries(parameters);
  const written = entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  if (written.length < entries.length || entries.length > mostParameters) return undefined;
  if (variant !== undefined && variant !== 'code' && variant !== 'paper') return undefined;
  if (budget !== undefined && !isIndex(budget)) return undefined;
  return {
    method,
    ...(variant && { variant }),
    ...(budget !== undefined && { budget }),
    parameters: Object.fromEntries(written.map(([name, text]) => [name, text.slice(0, longestText)])),
  };
}

function parseSlice(value: Readonly<Record<string, unknown>>): ToHost | undefined {
  const { request, run, tensor, ranges } = value;
  if (!isIndex(request) || !isIndex(run) || !isTensorName(tensor) || !Array.isArray(ranges) || ranges.length > mostAxes)
    return undefined;
  return ranges.every(isRange) ? { type: 'slice', request, run, tensor, ranges } : undefined;
}

function isRange(value: unknown): value is AxisRange {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [first, end] = value as unknown[];
  return isIndex(first) && isIndex(end) && first <= end;
}

function isIndex(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isTensorName(value: unknown): value is TensorName {
  return (tensorNames as readonly unknown[]).includes(value);
}

/** The panel may name files to be read; none but traces. */
function isTraceAddress(value: unknown): value is string {
  return typeof value === 'string' && value.length <= longestAddress && value.endsWith(traceExtension);
}

function isCommand(value: unknown): value is PanelCommand {
  return typeof value === 'string' && Object.hasOwn(commands, value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
