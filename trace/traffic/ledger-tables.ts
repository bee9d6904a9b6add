/** The ledger as tables of float64, and back. */
import { computeKinds, type Ledger, ledgerColumns, type LedgerTable } from './ledger.ts';
import { passes, tensorKinds } from './schedule.ts';

/** Names that a column's numbers stand for; `flag` is 0 or 1. */
const codes: Readonly<Record<LedgerTable, Readonly<Record<string, readonly string[] | 'flag'>>>> = {
  'traffic.transfers': { pass: passes, kind: tensorKinds, home: 'flag' },
  'traffic.computes': { pass: passes, kind: computeKinds, skipped: 'flag' },
  'traffic.waits': { kind: tensorKinds },
  'traffic.memory': {},
  'traffic.agreement': { kind: tensorKinds },
};

const eventsOf = {
  'traffic.transfers': 'transfers',
  'traffic.computes': 'computes',
  'traffic.waits': 'waits',
  'traffic.memory': 'memory',
  'traffic.agreement': 'agreement',
} as const satisfies Record<LedgerTable, keyof Ledger>;

type Cell = number | string | boolean;

/** [events, columns], row-major */
export function encodeTable(table: LedgerTable, ledger: Ledger): Float64Array {
  const columns = ledgerColumns[table];
  const events = ledger[eventsOf[table]] as readonly unknown[] as readonly Readonly<Record<string, Cell>>[];
  const cells = new Float64Array(events.length * columns.length);
  events.forEach((event, row) => {
    columns.forEach((column, index) => {
      const value = event[column]!;
      const names = codes[table][column];
      cells[row * columns.length + index] = Array.isArray(names) ? names.indexOf(value) : Number(value);
    });
  });
  return cells;
}

/**
 * @param tables [events, columns] each, row-major; missing ones are empty
 * @throws RangeError for a code that stands for nothing
 */
export function decodeLedger(tables: Readonly<Partial<Record<LedgerTable, Float64Array>>>): Ledger {
  const read = (table: LedgerTable): unknown[] => decodeTable(table, tables[table] ?? new Float64Array());
  return {
    transfers: read('traffic.transfers'),
    computes: read('traffic.computes'),
    waits: read('traffic.waits'),
    memory: read('traffic.memory'),
    agreement: read('traffic.agreement'),
  } as unknown as Ledger;
}

function decodeTable(table: LedgerTable, cells: Float64Array): Record<string, Cell>[] {
  const columns: readonly string[] = ledgerColumns[table];
  const width = columns.length;
  return Array.from({ length: cells.length / width }, (_, row) =>
    Object.fromEntries(
      columns.map((column, index): [string, Cell] => {
        const value = cells[row * width + index]!;
        const names = codes[table][column];
        if (names === undefined) return [column, value];
        if (names === 'flag') return [column, value !== 0];
        const name = names[value];
        if (name === undefined) throw new RangeError(`Row ${row} of "${table}" has ${column} ${value}.`);
        return [column, name];
      }),
    ),
  );
}
