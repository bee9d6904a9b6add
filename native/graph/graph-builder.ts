/**
 * Builds an ONNX graph in memory. Weights stay in the checkpoint's files: the graph only says where they lie.
 * Values carry their name and element type; operators are methods that return the value they compute.
 */
import proto from 'onnx-proto';
import type { onnx } from 'onnx-proto';
import type { Weight } from '../checkpoint/weight-index.ts';
import { encodeGraph, externalTensor, tensorTypeOf } from './graph-encoding.ts';
import type { Graph, GraphPort } from './graph-encoding.ts';

export type { Graph, GraphPort } from './graph-encoding.ts';

export type ElementType = 'float32' | 'int64';

/** A number, or the name of a size known only when the graph runs. */
export type Dimension = number | string;

export interface Value<T extends ElementType = ElementType> {
  readonly name: string;
  readonly type: T;
}

export type Float = Value<'float32'>;
export type Int = Value<'int64'>;

type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly ints: readonly number[] }
  | { readonly string: string };

const { AttributeType } = proto.onnx.AttributeProto;

export class GraphBuilder {
  readonly #nodes: onnx.INodeProto[] = [];
  readonly #initializers: onnx.ITensorProto[] = [];
  readonly #inputs: GraphPort[] = [];
  readonly #outputs: GraphPort[] = [];
  readonly #weights = new Map<string, { readonly weight: Weight; readonly value: Float }>();
  readonly #constants = new Map<string, Int>();

  input<T extends ElementType>(name: string, type: T, shape: readonly Dimension[]): Value<T> {
    this.#inputs.push({ name, type, shape });
    return { name, type };
  }

  output(name: string, value: Value, shape: readonly Dimension[]): void {
    this.#nodes.push({ opType: 'Identity', input: [value.name], output: [name], name });
    this.#outputs.push({ name, type: value.type, shape });
  }

  /** A weight as float32, converted while the session loads where it is stored in half precision. */
  weight(weight: Weight): Float {
    const known = this.#weights.get(weight.name);
    if (known) return known.value;
    this.#initializers.push(externalTensor(weight));
    const stored: Float = { name: weight.name, type: 'float32' };
    const value = weight.dtype === 'F32' ? stored : this.#castToFloat(stored);
    this.#weights.set(weight.name, { weight, value });
    return value;
  }

  /** Rows of a weight [rows, ...] as float32; only these rows are converted, and only when the graph runs. */
  weightRows(weight: Weight, rows: Int): Float {
    this.#weights.set(weight.name, { weight, value: { name: weight.name, type: 'float32' } });
    this.#initializers.push(externalTensor(weight));
    const gathered = this.#float('Gather', [{ name: weight.name, type: 'float32' }, rows], { axis: { int: 0 } });
    return weight.dtype === 'F32' ? gathered : this.#castToFloat(gathered);
  }

  ints(values: readonly number[]): Int {
    const name = `ints_${values.join('_')}`;
    const known = this.#constants.get(name);
    if (known) return known;
    this.#initializers.push({ name, dims: [values.length], dataType: tensorTypeOf.int64, int64Data: [...values] });
    const value: Int = { name, type: 'int64' };
    this.#constants.set(name, value);
    return value;
  }

  scalar(value: number): Float {
    const name = `scalar_${String(this.#initializers.length)}`;
    this.#initializers.push({ name, dims: [], dataType: tensorTypeOf.float32, floatData: [value] });
    return { name, type: 'float32' };
  }

  add(left: Float, right: Float): Float {
    return this.#float('Add', [left, right]);
  }

  subtract(left: Float, right: Float): Float {
    return this.#float('Sub', [left, right]);
  }

  multiply(left: Float, right: Float): Float {
    return this.#float('Mul', [left, right]);
  }

  divide(left: Float, right: Float): Float {
    return this.#float('Div', [left, right]);
  }

  power(value: Float, exponent: number): Float {
    return this.#float('Pow', [value, this.scalar(exponent)]);
  }

  exponential(value: Float): Float {
    return this.#float('Exp', [value]);
  }

  /** Of two values, element by element. */
  maximum(left: Float, right: Float): Float {
    return this.#float('Max', [left, right]);
  }

  squareRoot(value: Float): Float {
    return this.#float('Sqrt', [value]);
  }

  sigmoid(value: Float): Float {
    return this.#float('Sigmoid', [value]);
  }

  tanh(value: Float): Float {
    return this.#float('Tanh', [value]);
  }

  relu(value: Float): Float {
    return this.#float('Relu', [value]);
  }

  gelu(value: Float, approximate: 'none' | 'tanh'): Float {
    return this.#float('Gelu', [value], { approximate: { string: approximate } });
  }

  /** Over the last axis. */
  softmax(value: Float): Float {
    return this.#float('Softmax', [value], { axis: { int: -1 } });
  }

  /** [..., rows, inner] x [..., inner, columns] */
  matmul(left: Float, right: Float): Float {
    return this.#float('MatMul', [left, right]);
  }

  /** [rows, inputs] through a Linear layer whose weight is stored as [outputs, inputs]. */
  linear(value: Float, weight: Float, bias?: Float): Float {
    return this.#float('Gemm', bias ? [value, weight, bias] : [value, weight], { transB: { int: 1 } });
  }

  convolve(pixels: Float, weight: Float, stride: number): Float {
    return this.#float('Conv', [pixels, weight], { strides: { ints: [stride, stride] } });
  }

  layerNorm(value: Float, scale: Float, bias: Float, epsilon: number): Float {
    return this.#float('LayerNormalization', [value, scale, bias], { axis: { int: -1 }, epsilon: { float: epsilon } });
  }

  /** Keeps the axis, with length 1. */
  maximumOver(axis: number, value: Float): Float {
    return this.#float('ReduceMax', [value, this.ints([axis])], { keepdims: { int: 1 } });
  }

  /** Keeps the axis, with length 1. */
  sumOver(axis: number, value: Float): Float {
    return this.#float('ReduceSum', [value, this.ints([axis])], { keepdims: { int: 1 } });
  }

  meanOver(axis: number, value: Float, keepAxis = false): Float {
    return this.#float('ReduceMean', [value, this.ints([axis])], { keepdims: { int: keepAxis ? 1 : 0 } });
  }

  reshape(value: Float, shape: readonly number[]): Float {
    return this.#float('Reshape', [value, this.ints(shape)]);
  }

  transpose(value: Float, order: readonly number[]): Float {
    return this.#float('Transpose', [value], { perm: { ints: order } });
  }

  concatenate(axis: number, parts: readonly Float[]): Float {
    return this.#float('Concat', parts, { axis: { int: axis } });
  }

  /** Elements [start, end) of one axis; bounds are known when the graph is built or when it runs. */
  slice(value: Float, axis: number, start: number | Int, end: number | Int): Float {
    const bound = (at: number | Int): Int => (typeof at === 'number' ? this.ints([at]) : at);
    return this.#float('Slice', [value, bound(start), bound(end), this.ints([axis])]);
  }

  /** [1], the length of an axis. */
  sizeOf(value: Float, axis: number): Int {
    return this.#int('Shape', [value], { start: { int: axis }, end: { int: axis + 1 } });
  }

  gather(value: Float, axis: number, indices: Int): Float {
    return this.#float('Gather', [value, indices], { axis: { int: axis } });
  }

  /** `value` [rows, columns] with the rows at `indices` [n] replaced by those of `updates` [n, columns]. */
  replaceRows(value: Float, indices: Int, updates: Float): Float {
    const column = this.#int('Unsqueeze', [indices, this.ints([1])]);
    return this.#float('ScatterND', [value, column, updates]);
  }

  /** @throws Error when two weights lie in folders without a common parent. */
  build(name: string): Graph {
    return encodeGraph({
      name,
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs: this.#inputs,
      outputs: this.#outputs,
      weights: [...this.#weights.values()].map(({ weight }) => weight),
    });
  }

  #castToFloat(value: Float): Float {
    return this.#float('Cast', [value], { to: { int: tensorTypeOf.float32 } });
  }

  #float(opType: string, inputs: readonly Value[], attributes: Record<string, Attribute> = {}): Float {
    return { name: this.#node(opType, inputs, attributes), type: 'float32' };
  }

  #int(opType: string, inputs: readonly Value[], attributes: Record<string, Attribute> = {}): Int {
    return { name: this.#node(opType, inputs, attributes), type: 'int64' };
  }

  #node(opType: string, inputs: readonly Value[], attributes: Record<string, Attribute>): string {
    const name = `${opType}_${String(this.#nodes.length)}`;
    this.#nodes.push({
      opType,
      name,
      input: inputs.map(input => input.name),
      output: [name],
      attribute: Object.entries(attributes).map(([key, attribute]) => encodeAttribute(key, attribute)),
    });
    return name;
  }
}

function encodeAttribute(name: string, attribute: Attribute): onnx.IAttributeProto {
  if ('int' in attribute) return { name, type: AttributeType.INT, i: attribute.int };
  if ('float' in attribute) return { name, type: AttributeType.FLOAT, f: attribute.float };
  if ('ints' in attribute) return { name, type: AttributeType.INTS, ints: [...attribute.ints] };
  return { name, type: AttributeType.STRING, s: new TextEncoder().encode(attribute.string) };
}
