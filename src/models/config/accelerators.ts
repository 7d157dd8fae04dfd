/** `optimization.execution_accelerators`: options for the TensorRT and CUDA providers. */
import type { ConfigSource } from './source.js'

export interface Accelerators {
  /** TensorRT's options as ONNX Runtime names them; null where TensorRT was not asked for. */
  readonly tensorrt: Readonly<Record<string, string>> | null
  readonly cuda: Readonly<Record<string, string>>
}

const AT = 'optimization.execution_accelerators'
const PRECISION_MODES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  FP32: {},
  FP16: { trt_fp16_enable: '1' },
  BF16: { trt_bf16_enable: '1' },
  INT8: { trt_int8_enable: '1' },
}
/** Triton's names that differ from ONNX Runtime's. */
const RENAMED: Readonly<Record<string, string>> = {
  max_workspace_size_bytes: 'trt_max_workspace_size',
  int8_calibration_table_name: 'trt_int8_calibration_table_name',
  int8_use_native_calibration_table: 'trt_int8_use_native_calibration_table',
}

/** Throws MODEL_CONFIG_INVALID or MODEL_CONFIG_UNSUPPORTED. */
export function readAccelerators(source: ConfigSource): Accelerators {
  const accelerators = source.config.optimization?.executionAccelerators
  let tensorrt: Record<string, string> | null = null
  let cuda: Record<string, string> = {}
  accelerators?.gpuExecutionAccelerator.forEach(({ name, parameters }, i) => {
    const at = `${AT}.gpu_execution_accelerator[${i}]`
    if (name === 'tensorrt') tensorrt = tensorrtOptions(source, parameters, at)
    else if (name === 'cuda') cuda = { ...parameters }
    else
      throw source.unsupported(
        `${at}.name`,
        `accelerator ${JSON.stringify(name)} is not offered, only tensorrt and cuda`,
      )
  })
  accelerators?.cpuExecutionAccelerator.forEach(({ name }, i) => {
    const at = `${AT}.cpu_execution_accelerator[${i}].name`
    throw source.unsupported(at, `accelerator ${JSON.stringify(name)} is not offered on a CPU`)
  })
  return { tensorrt, cuda }
}

function tensorrtOptions(
  source: ConfigSource,
  parameters: Readonly<Record<string, string>>,
  at: string,
): Record<string, string> {
  const options: Record<string, string> = {}
  for (const [key, value] of Object.entries(parameters)) {
    const path = `${at}.parameters[${JSON.stringify(key)}]`
    if (key === 'precision_mode') {
      const mode = Object.hasOwn(PRECISION_MODES, value) ? PRECISION_MODES[value] : undefined
      if (mode === undefined) throw source.invalid(path, 'FP32, FP16, BF16 or INT8', JSON.stringify(value))
      Object.assign(options, mode)
    } else if (Object.hasOwn(RENAMED, key)) options[RENAMED[key] as string] = value
    else if (key.startsWith('trt_')) options[key] = value
    else throw source.invalid(path, "an option of TensorRT's provider", JSON.stringify(key))
  }
  return options
}
