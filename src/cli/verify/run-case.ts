import { readFile, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { decodeModel } from '../../compiler/onnx.js'
import { confinedResolver } from '../../compiler/resolver.js'
import {
  type DataType,
  DEFAULT_SESSION_OPTIONS,
  type Engine,
  type EngineInstance,
  type EngineSession,
} from '../../engine/index.js'
import type { ProviderName } from '../../targets.js'
import { SentinodeError, isSentinodeError } from '../../errors.js'
import type { CompileModel, CompileTask } from '../../models/engine.js'
import { type Difference, NO_DIFFERENCE, type Tolerance, compareTensors, worst } from './compare.js'
import { type Tensor, readTensorFile } from './tensor-file.js'

export interface CaseResult {
  readonly name: string
  readonly ok: boolean
  readonly max_abs: number
  readonly max_rel: number
  readonly error: { readonly code: string; readonly message: string } | null
}

/** How cases are run: with which compiler, provider and tolerance. */
export interface CaseRunner {
  readonly engine: Engine
  readonly compile: CompileModel
  readonly task: Pick<CompileTask, 'target' | 'precision' | 'exactTaps' | 'fastTaps'>
  readonly provider: ProviderName
  readonly threads: number
  readonly tolerance: Tolerance
}

/** Runs one case, a folder with model.onnx and test_data_set_N. Whatever goes wrong is its result. */
export async function runCase(folder: string, runner: CaseRunner): Promise<CaseResult> {
  const name = basename(folder)
  try {
    const { ok, maxAbs, maxRel } = await verifyCase(folder, runner)
    return { name, ok, max_abs: maxAbs, max_rel: maxRel, error: null }
  } catch (error) {
    const code = isSentinodeError(error) ? error.code : 'INTERNAL'
    const message = error instanceof Error ? error.message : String(error)
    return { name, ok: false, max_abs: 0, max_rel: 0, error: { code, message } }
  }
}

async function verifyCase(folder: string, runner: CaseRunner): Promise<Difference> {
  const model = await readFile(join(folder, 'model.onnx')).catch((cause: unknown) => {
    throw new SentinodeError('CASE_INVALID', 'it has no readable model.onnx', { cause })
  })
  const inputs = requiredInputs(model)
  const sets = (await readdir(folder)).filter((f) => /^test_data_set_\d+$/.test(f)).sort()
  if (sets.length === 0) throw new SentinodeError('CASE_INVALID', 'it has no test_data_set_N')
  const compiled = await runner.compile({ ...runner.task, model, resolve: confinedResolver(folder) })
  const session = await runner.engine.createSession({
    ...DEFAULT_SESSION_OPTIONS,
    modelPath: compiled.modelPath,
    modelBytes: compiled.modelBytes,
    provider: runner.provider,
    threads: runner.threads,
    allowSpinning: false,
  })
  try {
    const instance = session.createInstance('verify', false)
    try {
      let result = NO_DIFFERENCE
      for (const set of sets) {
        result = worst(result, await runSet(join(folder, set), inputs, session, instance, runner.tolerance))
      }
      return result
    } finally {
      await instance.dispose()
    }
  } finally {
    session.dispose()
  }
}

/** Names of the inputs without a default, in order. Throws CASE_UNSUPPORTED for any that is no tensor. */
function requiredInputs(model: Uint8Array): string[] {
  const { graph } = decodeModel(model)
  const given = new Set(graph.initializer.map((t) => t.name))
  for (const { name, type } of [...graph.input, ...graph.output]) {
    const kind = type?.value?.$case
    if (kind !== undefined && kind !== 'tensorType') {
      throw new SentinodeError(
        'CASE_UNSUPPORTED',
        `"${name}" is no tensor (${kind}), and requests carry tensors only`,
      )
    }
  }
  return graph.input.map((v) => v.name).filter((name) => !given.has(name))
}

async function runSet(
  folder: string,
  names: readonly string[],
  session: EngineSession,
  instance: EngineInstance,
  tolerance: Tolerance,
): Promise<Difference> {
  const count = (await readdir(folder)).filter((f) => /^output_\d+\.pb$/.test(f)).length
  const given = new Map<string, Tensor>()
  for (const [i, name] of names.entries()) {
    given.set(name, await readTensorFile(join(folder, `input_${i}.pb`), `input_${i}.pb`))
  }
  const inputs = session.inputs.map((input) => {
    const tensor = given.get(input.name)
    if (tensor === undefined)
      throw new SentinodeError('CASE_INVALID', `there is no file for input "${input.name}"`)
    const read = readAs(tensor, input.dataType)
    if (read.dataType !== input.dataType) {
      throw new SentinodeError(
        'CASE_INVALID',
        `input "${input.name}" is ${input.dataType}, its file ${tensor.dataType}`,
      )
    }
    return read
  })
  const outputs = session.outputs.map((_, i) => i)
  const payload = { inputs: inputs.map((t) => t.data), shapes: inputs.map((t) => t.shape), outputs }
  const { outcomes } = await instance.start([{ payload, rows: 1, deadline: Infinity }]).done
  const outcome = outcomes[0]
  if (outcome?.kind === 'failed') throw outcome.error
  if (outcome?.kind !== 'ok') throw new SentinodeError('INTERNAL', 'a run without a deadline was not run')

  let result = NO_DIFFERENCE
  for (let i = 0; i < count; i++) {
    const expected = await readTensorFile(join(folder, `output_${i}.pb`), `output_${i}.pb`)
    const answer = outcome.result.outputs.find(({ index }) => index === i)
    const info = session.outputs[i]
    if (answer === undefined || info === undefined) {
      throw new SentinodeError(
        'CASE_INVALID',
        `there is a file for output ${i}, the model has ${session.outputs.length}`,
      )
    }
    const actual: Tensor = { dataType: info.dataType, shape: answer.shape, data: answer.data }
    result = worst(result, compareTensors(actual, readAs(expected, info.dataType), info.name, tolerance))
  }
  return result
}

/** ONNX's own cases hold BF16 as UINT16, for numpy has no such type: the same bits. */
function readAs(tensor: Tensor, dataType: DataType): Tensor {
  return dataType === 'BF16' && tensor.dataType === 'UINT16' ? { ...tensor, dataType } : tensor
}
