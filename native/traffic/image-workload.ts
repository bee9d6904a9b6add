import { FoveaError } from '../errors.ts';
import type { Workload } from './workload.ts';

export function imageWorkload(_choice: object): Promise<Workload> {
  return Promise.reject(new FoveaError('usage', 'Not yet.'));
}
