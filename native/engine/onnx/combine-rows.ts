import type { RowGroup } from '../engine.ts';
import { HostTensor } from './host-tensor.ts';

/** [groups, columns] from [rows, columns]; sums in float64, so that the order of members matters little. */
export function combineRows(tensor: HostTensor, groups: readonly RowGroup[]): HostTensor {
  const columns = tensor.size(1);
  const { data } = tensor;
  const combined = HostTensor.zeros([groups.length, columns]);
  const sum = new Float64Array(columns);
  groups.forEach(({ members, weights }, group) => {
    const place = group * columns;
    if (members.length === 1) {
      const start = members[0]! * columns;
      combined.data.set(data.subarray(start, start + columns), place);
      return;
    }
    sum.fill(0);
    members.forEach((member, index) => {
      const weight = weights?.[index] ?? 1 / members.length;
      const start = member * columns;
      for (let column = 0; column < columns; column++) sum[column]! += weight * data[start + column]!;
    });
    combined.data.set(sum, place);
  });
  return combined;
}

/** [rows.length, columns]; rows that follow each other are copied at once. */
export function gatherRows(tensor: HostTensor, rows: Int32Array): HostTensor {
  const columns = tensor.size(1);
  const gathered = HostTensor.zeros([rows.length, columns]);
  for (let start = 0; start < rows.length;) {
    const first = rows[start]!;
    let end = start + 1;
    while (end < rows.length && rows[end] === first + end - start) end++;
    gathered.data.set(tensor.data.subarray(first * columns, (first + end - start) * columns), start * columns);
    start = end;
  }
  return gathered;
}
