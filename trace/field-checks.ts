/** Checks of single fields of a description that came as JSON. Each throws TraceError `bad-metadata` naming the field. */
import { TraceError } from './errors.ts';
import { isRecord } from './safetensors.ts';

const largestModelSize = 10_000;

export type Check = (value: unknown, path: string) => void;

export const text: Check = (value, path) => {
  if (typeof value !== 'string') fail(path, 'is not text');
};
export const count: Check = (value, path) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0) fail(path, 'is not a count');
};
export const positive: Check = (value, path) => {
  if (!Number.isSafeInteger(value) || (value as number) < 1) fail(path, 'is not a positive integer');
};
/** A size that lists are built from: bounded, since a trace without rows proves no size by its bytes. */
export const modelSize: Check = (value, path) => {
  positive(value, path);
  if ((value as number) > largestModelSize) fail(path, `is ${String(value)}, more than ${largestModelSize}`);
};
export const amount: Check = (value, path) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) fail(path, 'is not a number');
};
export const flag: Check = (value, path) => {
  if (typeof value !== 'boolean') fail(path, 'is not true or false');
};
export const list: Check = (value, path) => {
  if (!Array.isArray(value)) fail(path, 'is not a list');
};
export const texts: Check = (value, path) => {
  if (!Array.isArray(value) || !value.every(each => typeof each === 'string')) fail(path, 'is not a list of texts');
};
export const optional =
  (check: Check): Check =>
  (value, path) => {
    if (value !== undefined) check(value, path);
  };
export const listOf =
  (check: Check): Check =>
  (value, path) => {
    list(value, path);
    (value as unknown[]).forEach((one, index) => {
      check(one, `${path}[${index}]`);
    });
  };
export const oneOf =
  (...allowed: string[]): Check =>
  (value, path) => {
    if (!allowed.includes(value as string)) fail(path, `is ${JSON.stringify(value)}, expected ${allowed.join(' or ')}`);
  };

export function fail(path: string, problem: string): never {
  throw new TraceError('bad-metadata', `In the run description, ${path} ${problem}.`);
}

export function valueAt(record: Record<string, unknown>, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (isRecord(value) ? value[key] : undefined), record);
}
