/** What the graphs of a model let in and out, read back from their ONNX bytes. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import proto from 'onnx-proto';
import { openCheckpoint } from '../../native/checkpoint/checkpoint.ts';
import { GraphBuilder, type Graph } from '../../native/graph/graph-builder.ts';
import { modelGraphs } from '../../native/graph/model-graphs.ts';

const variantFolder = fileURLToPath(new URL('../golden/variants/', import.meta.url));
const variants = readdirSync(variantFolder).filter(name => existsSync(join(variantFolder, name, 'config.json')));

async function graphsOf(variant: string): Promise<Graph[]> {
  const parts = modelGraphs(await openCheckpoint(join(variantFolder, variant)));
  const factories = [
    parts.patchEmbedding,
    ...parts.visionAttentions,
    ...parts.visionMlps,
    parts.projector,
    parts.tokenEmbedding,
    ...parts.decoderLayers,
    parts.languageHead,
  ];
  return factories.map(factory => factory());
}

function decode(graph: Graph) {
  const model = proto.onnx.ModelProto.decode(graph.bytes).graph!;
  const shapes = new Map(
    model.output!.map(output => [
      output.name!,
      output.type!.tensorType!.shape!.dim!.map(dim => dim.dimParam || Number(dim.dimValue)),
    ]),
  );
  return { model, shapes };
}

for (const variant of variants) {
  test(`${variant}: no output of any graph is of the size heads x tokens x keys`, async () => {
    const { config } = await openCheckpoint(join(variantFolder, variant));
    const sequence = ['tokens', 'keys'];
    for (const graph of await graphsOf(variant)) {
      for (const [output, shape] of decode(graph).shapes) {
        const longAxes = shape.filter(size => sequence.includes(String(size))).length;
        const heads = [config.vision.heads, config.decoder.heads].includes(Number(shape[0]));
        // Keys and values of new tokens have the heads behind the tokens; maps by head may have one long axis only.
        assert.ok(longAxes <= 1, `${graph.name}: ${output} is [${shape.join(', ')}]`);
        if (heads && shape.length === 3) {
          assert.ok(shape.slice(1).some(size => size === 1 || ['rows', 'groups', 'last'].includes(String(size))));
        }
      }
    }
  });

  test(`${variant}: graphs hold no weights, only where they lie in the files`, async () => {
    for (const graph of await graphsOf(variant)) {
      assert.ok(graph.bytes.length < 32_768, `${graph.name} has ${graph.bytes.length} bytes`);
      for (const tensor of decode(graph).model.initializer!) {
        const external = new Map(tensor.externalData!.map(({ key, value }) => [key!, value!]));
        if (external.size === 0) {
          assert.ok(
            tensor.dims!.reduce<number>((product, size) => product * Number(size), 1) <= 4,
            `${tensor.name!} is inline`,
          );
          continue;
        }
        const bytes = readFileSync(join(graph.weightFolder!, external.get('location')!));
        assert.ok(Number(external.get('offset')) + Number(external.get('length')) <= bytes.length);
      }
    }
  });
}

test('every layer has a graph of its own, in the vision tower two, and each graph a different name', async () => {
  const graphs = await graphsOf('gqa');
  assert.equal(new Set(graphs.map(graph => graph.name)).size, graphs.length);
  const { config } = await openCheckpoint(join(variantFolder, 'gqa'));
  assert.equal(graphs.length, 4 + 2 * config.vision.layers + config.decoder.layers);
});

test('grouped queries share keys and values: nothing in the graph repeats them', async () => {
  const graph = (await graphsOf('mqa-wide-heads')).find(({ name }) => name === 'decoder_layer_0')!;
  const operators = new Set(decode(graph).model.node!.map(node => node.opType));
  for (const repeating of ['Expand', 'Tile', 'GatherElements', 'Resize'])
    assert.ok(!operators.has(repeating), repeating);
});

test('weights in two folders are located below the folder that holds both', () => {
  const weight = (name: string, file: string) =>
    ({ name, file, dtype: 'F32', shape: [2], offset: 8, bytes: 8 }) as const;
  const graph = new GraphBuilder();
  const sum = graph.add(
    graph.weight(weight('a', resolve('/models/blobs/a.safetensors'))),
    graph.weight(weight('b', resolve('/models/blobs-of-b/b.safetensors'))),
  );
  graph.output('sum', sum, [2]);
  const built = graph.build('sum');
  assert.equal(built.weightFolder, resolve('/models'));
  const locations = decode(built).model.initializer!.map(({ externalData }) => externalData![0]!.value);
  assert.deepEqual(locations, ['blobs/a.safetensors', 'blobs-of-b/b.safetensors']);
});
