/** A server of sentinode.v1.Screening whose every answer a test decides. */
import { Metadata, Server, ServerCredentials, status, type ServerReadableStream } from '@grpc/grpc-js'
import {
  ReportFormat,
  ScreeningAnswer,
  ScreeningService,
  type ScreenRequest,
  type ScreenResponse,
  type ScreeningOptions,
} from '../../src/generated/sentinode/v1/screening.js'
import { CODE_KEY } from '../../src/errors.js'

export interface Received {
  readonly options: ScreeningOptions
  readonly files: readonly Buffer[]
}

export interface Refusal {
  readonly status: status
  readonly code?: string
}

/** `call` counts from 1 over all calls; null holds the call until the client cancels it. */
export type Decide = (call: number, received: Received) => ScreeningAnswer | Refusal | null

export interface FakeServer {
  readonly address: string
  readonly received: readonly Received[]
  stop(): void
}

export async function fakeServer(
  decide: Decide,
  credentials: ServerCredentials = ServerCredentials.createInsecure(),
): Promise<FakeServer> {
  const received: Received[] = []
  const server = new Server({ 'grpc.max_receive_message_length': -1 })
  server.addService(ScreeningService, {
    screen: (
      call: ServerReadableStream<ScreenRequest, ScreenResponse>,
      callback: (error: object | null, response?: ScreenResponse) => void,
    ) => {
      let options: ScreeningOptions | undefined
      const files: Buffer[] = []
      call.on('data', ({ kind }: ScreenRequest) => {
        if (kind?.$case === 'options') options = kind.value
        else if (kind?.$case === 'chunk') {
          const { file, data } = kind.value
          files[file] = Buffer.concat([files[file] ?? Buffer.alloc(0), data])
        }
      })
      call.on('end', () => {
        if (options === undefined) return
        received.push({ options, files })
        const decision = decide(received.length, { options, files })
        if (decision === null) return
        if (!('status' in decision)) {
          callback(null, { answer: decision })
          return
        }
        const metadata = new Metadata()
        if (decision.code !== undefined) metadata.set(CODE_KEY, decision.code)
        callback({ code: decision.status, details: 'as the test decided', metadata })
      })
    },
    screenPath: () => undefined,
    screenCohort: () => undefined,
  })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
  )
  return { address: `127.0.0.1:${port}`, received, stop: () => server.forceShutdown() }
}

/** An answer with what the command line reads of it. */
export function answer(probability = 0.25): ScreeningAnswer {
  const json = {
    exam: 'server-1',
    notice: 'NOT FOR CLINICAL USE',
    findings: ['pN+', 'cN+'].map((name) => ({
      name,
      title: name,
      probability,
      calibrated: null,
      calibration: 'none',
      spread: null,
      operating_point: 'rule_out',
      threshold: 0.15,
      sensitivity: 0.95,
      specificity: 0.5,
      positive: probability >= 0.15,
    })),
    model: 'lymph',
    version: '1',
    model_sha256: 'ab'.repeat(32),
    contract: 'Test',
    contract_sha256: 'cd'.repeat(32),
    provenance: {},
    used: {
      series: [],
      frames: { read: 1, used: 1, left_out: [] },
      times_s: [0, 90],
      phases_from: 'x',
      times_from: 'x',
      phases: [],
      region: { kind: 'volume', centre_mm: [0, 0, 0], size_mm: [1, 1, 1] },
      grid: [1, 1, 1],
      outside_fraction: 0,
      clinical: { given: [], imputed: [] },
    },
    warnings: [],
    timings_ms: {},
  }
  const page = { format: ReportFormat.REPORT_FORMAT_HTML, data: Buffer.from('<!doctype html>') }
  const report = { format: ReportFormat.REPORT_FORMAT_JSON, data: Buffer.from(JSON.stringify(json)) }
  return ScreeningAnswer.fromPartial({ exam: 'server-1', timingsMs: { infer: 2 }, reports: [report, page] })
}
