import { DataType, ModelProto, encodeModel, makeNode } from '../../src/compiler/onnx.js'

function info(name: string, elemType: number, dim: object) {
  return ModelProto.fromPartial({
    graph: {
      input: [{ name, type: { value: { $case: 'tensorType', value: { elemType, shape: { dim: [dim] } } } } }],
    },
  }).graph!.input[0]!
}

/** A model that gives as many zeros, a byte each, as its eight bytes ask for. */
export function zeros(): Uint8Array {
  const value = { tensor: { ...tensor(), dataType: DataType.UINT8, dims: [1n], rawData: Uint8Array.of(0) } }
  return encodeModel(
    ModelProto.fromPartial({
      irVersion: 8n,
      opsetImport: [{ domain: '', version: 17n }],
      graph: {
        name: 'zeros',
        node: [makeNode('ConstantOfShape', ['count'], ['zeros'], { value })],
        input: [info('count', DataType.INT64, { value: { $case: 'dimValue', value: 1n } })],
        output: [info('zeros', DataType.UINT8, { value: { $case: 'dimParam', value: 'n' } })],
      },
    }),
  )
}

const tensor = () => ModelProto.fromPartial({ graph: { initializer: [{}] } }).graph!.initializer[0]!
