/** The ONNX file format of a graph whose weights lie in other files. */
import { dirname, parse, relative, sep } from 'node:path';
import proto from 'onnx-proto';
import type { onnx } from 'onnx-proto';
import type { Weight, WeightType } from '../checkpoint/weight-index.ts';
import type { Dimension, ElementType } from './graph-builder.ts';

export interface GraphPort {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly Dimension[];
}

/** A graph ready for a session. */
export interface Graph {
  readonly name: string;
  /** ONNX ModelProto. */
  readonly bytes: Uint8Array;
  /** Folder that the weights' locations are relative to; undefined without weights. */
  readonly weightFolder: string | undefined;
  readonly inputs: readonly GraphPort[];
  readonly outputs: readonly GraphPort[];
}

export interface GraphParts {
  readonly name: string;
  readonly nodes: onnx.INodeProto[];
  readonly initializers: onnx.ITensorProto[];
  readonly inputs: readonly GraphPort[];
  readonly outputs: readonly GraphPort[];
  readonly weights: readonly Weight[];
}

const { DataType, DataLocation } = proto.onnx.TensorProto;

// Gelu came with opset 20, which belongs to IR version 9.
const opset = 20;
const irVersion = 9;

export const tensorTypeOf: Readonly<Record<ElementType | WeightType, number>> = {
  float32: DataType.FLOAT,
  int64: DataType.INT64,
  F32: DataType.FLOAT,
  F16: DataType.FLOAT16,
  BF16: DataType.BFLOAT16,
};

/** A tensor of a safetensors file. Its location is its absolute path until `encodeGraph` knows the common folder. */
export function externalTensor(weight: Weight): onnx.ITensorProto {
  return {
    name: weight.name,
    dims: [...weight.shape],
    dataType: tensorTypeOf[weight.dtype],
    dataLocation: DataLocation.EXTERNAL,
    externalData: [
      { key: 'location', value: weight.file },
      { key: 'offset', value: String(weight.offset) },
      { key: 'length', value: String(weight.bytes) },
    ],
  };
}

export function encodeGraph(parts: GraphParts): Graph {
  const folder = commonFolder(parts.weights.map(weight => weight.file));
  for (const initializer of parts.initializers) {
    const location = initializer.externalData?.find(entry => entry.key === 'location');
    if (location?.value && folder) location.value = relative(folder, location.value).split(sep).join('/');
  }
  const model = {
    irVersion,
    producerName: 'fovea',
    opsetImport: [{ domain: '', version: opset }],
    graph: {
      name: parts.name,
      node: parts.nodes,
      initializer: parts.initializers,
      input: parts.inputs.map(valueInfo),
      output: parts.outputs.map(valueInfo),
    },
  };
  const bytes = proto.onnx.ModelProto.encode(model).finish();
  return { name: parts.name, bytes, weightFolder: folder, inputs: parts.inputs, outputs: parts.outputs };
}

function valueInfo(port: GraphPort): onnx.IValueInfoProto {
  const dim = port.shape.map(size => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name: port.name, type: { tensorType: { elemType: tensorTypeOf[port.type], shape: { dim } } } };
}

/**
 * The deepest folder that holds all files: ONNX Runtime reads weights only below one folder per session, and the
 * shards of a checkpoint may be symbolic links to different places.
 */
function commonFolder(files: readonly string[]): string | undefined {
  const folders = [...new Set(files.map(file => dirname(file)))];
  const first = folders[0];
  if (first === undefined) return undefined;
  let common = first;
  while (
    !folders.every(folder => folder === common || folder.startsWith(common.endsWith(sep) ? common : common + sep))
  ) {
    if (common === parse(common).root)
      throw new Error(`The weight files ${files.join(', ')} have no folder in common.`);
    common = dirname(common);
  }
  return common;
}
