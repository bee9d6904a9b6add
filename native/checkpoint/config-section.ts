import { isJsonObject, type JsonObject } from '../checkpoint-file.ts';
import { FoveaError } from '../errors.ts';

/** Reads fields of a config file with their types checked. As in transformers, null counts as absent. */
export class ConfigSection {
  constructor(
    private readonly fields: JsonObject,
    /** File, and object within it, for messages. */
    private readonly path: string,
  ) {}

  has(key: string): boolean {
    return this.raw(key) !== undefined;
  }

  isNull(key: string): boolean {
    return this.fields[key] === null;
  }

  /** The untyped value; undefined for null. */
  raw(key: string): unknown {
    return this.fields[key] ?? undefined;
  }

  section(key: string): ConfigSection | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (!isJsonObject(value)) throw this.unexpected(key, 'an object');
    return new ConfigSection(value, `${this.path}: ${key}`);
  }

  /** Stands in for an absent section, so that all its fields take their defaults. */
  empty(key: string): ConfigSection {
    return new ConfigSection({}, `${this.path}: ${key}`);
  }

  /** A whole number above zero. */
  size(key: string, fallback: number): number {
    const value = this.raw(key) ?? fallback;
    if (!Number.isSafeInteger(value) || (value as number) < 1) throw this.unexpected(key, 'a whole number above 0');
    return value as number;
  }

  number(key: string, fallback: number): number {
    const value = this.raw(key) ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.unexpected(key, 'a number');
    return value;
  }

  positive(key: string, fallback: number): number {
    const value = this.number(key, fallback);
    if (value <= 0) throw this.unexpected(key, 'a number above 0');
    return value;
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.raw(key) ?? fallback;
    if (typeof value !== 'boolean') throw this.unexpected(key, 'true or false');
    return value;
  }

  text(key: string, fallback: string): string {
    const value = this.raw(key) ?? fallback;
    if (typeof value !== 'string') throw this.unexpected(key, 'a text');
    return value;
  }

  /** Whole numbers; a single one counts as a list of one. Undefined where the key is absent. */
  integers(key: string): readonly number[] | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    const list: unknown[] = Array.isArray(value) ? value : [value];
    if (!list.every(entry => Number.isSafeInteger(entry)))
      throw this.unexpected(key, 'a whole number or a list of them');
    return list as number[];
  }

  /** One number, or a pair of equal ones: the side of a square. */
  squareSide(key: string, fallback: number): number {
    const sides = this.integers(key) ?? [fallback];
    const side = sides[0];
    if (side === undefined || side < 1 || sides.length > 2 || sides.some(other => other !== side)) {
      throw this.unexpected(key, 'the side of a square');
    }
    return side;
  }

  unexpected(key: string, expected: string): FoveaError {
    const found = this.has(key) ? JSON.stringify(this.fields[key]) : 'missing';
    const message = `${this.path}: ${key} is ${found} where ${expected} belongs.`;
    return new FoveaError('checkpoint-malformed', message, 'Compare the file with the one on the model page.');
  }

  /** An error for something that transformers knows and Fovea does not. */
  unsupported(what: string, supported: string): FoveaError {
    return new FoveaError('architecture-unsupported', `${this.path}: ${what}`, supported);
  }
}
