/** Parameters as the user wrote them, checked against what the method says of them. */
import { FoveaError } from '../errors.ts';
import type { MethodVariant, ModelShape, Parameters, ParameterSpec, ParameterValue, TokenMethod } from './method.ts';

/** Text, as from a command line, is understood by the parameter's kind. @throws FoveaError `usage` */
export function completeParameters(
  method: TokenMethod,
  given: Parameters,
  shape: ModelShape,
  variant: MethodVariant,
): Parameters {
  const known = method.parameters.map(({ name }) => name);
  const unknown = Object.keys(given).find(name => !known.includes(name));
  if (unknown !== undefined) {
    const hint = known.length > 0 ? `Its parameters: ${known.join(', ')}.` : 'It has no parameters.';
    throw new FoveaError('usage', `${method.title} has no parameter "${unknown}".`, hint);
  }
  const used = method.parameters.filter(({ name, forPlans }) => !forPlans || Object.hasOwn(given, name));
  return Object.fromEntries(
    used.map(spec => {
      const value = Object.hasOwn(given, spec.name) ? given[spec.name] : undefined;
      return [spec.name, value === undefined ? spec.default(shape, variant) : checkParameter(spec, value)];
    }),
  );
}

/** What decides whether a value is legal. */
type ParameterRule = Omit<ParameterSpec, 'default'>;

/** The value as its kind has it, from text or not. @throws FoveaError `usage` where it has another kind or is out of range */
export function checkParameter(spec: ParameterRule, value: ParameterValue): ParameterValue {
  const { name, kind, choices = [] } = spec;
  switch (kind) {
    case 'number':
      return inRange(spec, numberOf(spec, value));
    case 'integer':
      return inRange(spec, wholeOf(spec, value));
    case 'flag':
      if (value === true || value === 'true') return true;
      if (value === false || value === 'false') return false;
      throw wrong(name, value, 'true or false');
    case 'choice':
      if (choices.includes(String(value))) return String(value);
      throw wrong(name, value, `one of ${choices.join(', ')}`);
    case 'layers':
      return listOf(value).map(item => inRange(spec, wholeOf(spec, item)));
    case 'numbers':
      return listOf(value).map(item => inRange(spec, numberOf(spec, item)));
  }
}

function listOf(value: ParameterValue): readonly ParameterValue[] {
  if (typeof value !== 'string') return Array.isArray(value) ? (value as readonly ParameterValue[]) : [value];
  return value.trim() === '' ? [] : value.split(',').map(part => part.trim());
}

function numberOf({ name }: ParameterRule, value: ParameterValue): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw wrong(name, value, 'a number');
}

function wholeOf(spec: ParameterRule, value: ParameterValue): number {
  const number = numberOf(spec, value);
  if (Number.isSafeInteger(number)) return number;
  throw wrong(spec.name, value, 'a whole number');
}

function inRange({ name, least = -Infinity, most = Infinity }: ParameterRule, value: number): number {
  if (value >= least && value <= most) return value;
  const from = least > -Infinity ? `from ${least}` : '';
  const to = most < Infinity ? `up to ${most}` : '';
  throw wrong(name, value, ['a number', from, to].filter(part => part !== '').join(' '));
}

function wrong(name: string, value: ParameterValue, expected: string): FoveaError {
  // JSON has no word for NaN.
  const shown = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return new FoveaError('usage', `${name} is ${shown}; it must be ${expected}.`, 'See: fovea methods');
}
