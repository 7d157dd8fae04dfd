import test from 'ava'
import { readable } from '../../src/engine/messages.js'

/** As ONNX Runtime 1.30 says it, and what a person reads. */
const TEXTS: readonly [told: string, read: RegExp][] = [
  [
    "Non-zero status code returned while running Reshape node. Name:'r1' Status Message: /onnxruntime_src/onnxruntime/core/providers/cpu/tensor/reshape_helper.h:91 onnxruntime::ReshapeHelper::ReshapeHelper(const onnxruntime::TensorShape&, onnxruntime::TensorShapeVector&, bool) input_shape_size == requested_shape_size was false. The input tensor cannot be reshaped to the requested shape. Input shape:{2,3}, requested shape:{1,4}\n",
    /^Reshape "r1" failed: The input tensor cannot be reshaped to the requested shape\. Input shape:\{2,3\}, requested shape:\{1,4\}\. Send inputs of the sizes/,
  ],
  [
    "Non-zero status code returned while running Add node. Name:'a1' Status Message: /onnxruntime_src/onnxruntime/core/providers/cpu/math/element_wise_ops.h:583 void onnxruntime::BroadcastIterator::Append(ptrdiff_t, ptrdiff_t) axis == 1 || axis == largest was false. Attempting to broadcast an axis by a dimension other than 1. 2 by 3",
    /^Add "a1" failed: Attempting to broadcast an axis by a dimension other than 1\. 2 by 3\. Send inputs/,
  ],
  [
    "Non-zero status code returned while running MatMul node. Name:'a1' Status Message: matmul_helper.h:59 Compute MatMul dimension mismatch",
    /^MatMul "a1" failed: MatMul dimension mismatch\. Send inputs/,
  ],
  [
    "Non-zero status code returned while running Concat node. Name:'c1' Status Message: concatbase.h:133 PrepareForComputeImpl Non concat axis dimensions must match: Axis 0 has mismatched dimensions of 3 and 2",
    /^Concat "c1" failed: Non concat axis dimensions must match: Axis 0 has mismatched dimensions of 3 and 2\. Send/,
  ],
  [
    "Non-zero status code returned while running Cast node. Name:'c1' Status Message: stod",
    /^Cast "c1" failed: it was given text that is no number\. Send values/,
  ],
  [
    "Could not find an implementation for Conv(11) node with name 'c1'",
    /^Conv "c1": ONNX Runtime has no kernel of Conv \(operator set 11\) for the types that it is given; export/,
  ],
  [
    'This is an invalid model. In Node, ("c1", Foo, "", -1) : ("x": tensor(string),) -> ("y": tensor(float),) , Error No Op registered for Foo with domain_version of 18',
    /^Foo "c1" is not valid: No Op registered for Foo with domain_version of 18\. Export/,
  ],
  [
    'Node (c1) Op (Conv) [ShapeInferenceError] Attribute kernel_shape has incorrect size',
    /^Conv "c1" is not valid: Attribute kernel_shape has incorrect size\. Export/,
  ],
  [
    'Type Error: Type parameter (T) of Optype (Add) bound to different types (tensor(float) and tensor(double) in node (c1).',
    /^Add "c1" is not valid: its inputs have types tensor\(float\) and tensor\(double\), which must be one\. Export/,
  ],
  [
    "Exception during initialization: /onnxruntime_src/onnxruntime/core/providers/cpu/tensor/upsamplebase.h:314 onnxruntime::UpsampleBase::UpsampleBase(const KernelInfoType&) [with KernelInfoType = onnxruntime::OpKernelInfo] [ONNXRuntimeError] : 1 : FAIL : upsamplebase.h:553 ScalesValidation 'Linear' mode only supports:\n  * 2-D inputs or\n  * 3-D inputs\n",
    /^'Linear' mode only supports: \* 2-D inputs or \* 3-D inputs$/,
  ],
]

for (const [told, expected] of TEXTS) {
  test(`an error of ONNX Runtime is told without its source: ${expected.source.slice(1, 50)}`, (t) => {
    const text = readable(told)
    t.regex(text, expected)
    t.notRegex(text, /\.(?:h|cc):\d+|onnxruntime|ONNXRuntimeError|was false/)
  })
}

test('texts of our own pass through as they are', (t) => {
  for (const text of ['output "y": expected 2 rows, found [3]', 'no region of the plan (line 3) is valid.'])
    t.is(readable(text), text)
})
