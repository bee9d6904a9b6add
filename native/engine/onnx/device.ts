import { listSupportedBackends } from 'onnxruntime-node';
import { GraphBuilder } from '../../graph/graph-builder.ts';
import type { Device } from '../../rpc.ts';
import { OnnxSession } from './onnx-session.ts';
import { deviceUnavailable } from './runtime-errors.ts';

/**
 * Runs one addition on the device, so that a missing driver is told before minutes go into loading weights.
 * @throws FoveaError `device-unavailable`
 */
export async function requireDevice(device: Device): Promise<void> {
  if (device === 'cpu') return;
  const known = listSupportedBackends().map(backend => backend.name);
  if (!known.includes(device)) {
    throw deviceUnavailable(device, `ONNX Runtime has ${known.join(', ')} on this kind of machine`);
  }
  const graph = new GraphBuilder();
  const value = graph.input('value', 'float32', [1]);
  graph.output('sum', graph.add(value, value), [1]);
  const session = await OnnxSession.load(graph.build('device_probe'), { device, threads: 1 });
  await session.release();
}
