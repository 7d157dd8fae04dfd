/**
 * Every error that a user can meet, in one place. A code is stable: programs compare it, the README
 * lists it (a test compares the two). `status` is the gRPC status that carries it.
 */

export type GrpcStatus =
  | 'CANCELLED'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNAUTHENTICATED'

interface ErrorKind {
  readonly status: GrpcStatus
  readonly meaning: string
  /** Whether the same call may succeed later: servers say so on the wire, clients try again. */
  readonly retryable?: true
}

function define<const T extends Record<string, ErrorKind>>(kinds: T): T {
  return kinds
}

export const ERRORS = define({
  // general
  INTERNAL: {
    status: 'INTERNAL',
    meaning: 'A fault of sentinode itself; the log has the details under the request id.',
  },
  INVALID_OPTION: {
    status: 'INVALID_ARGUMENT',
    meaning: 'An option on the command line, in the environment or in a file is not valid.',
  },
  OUTPUT_NOT_WRITTEN: {
    status: 'FAILED_PRECONDITION',
    meaning: 'What a command prints cannot be written: the disk behind its stdout is full, for example.',
  },
  SERVER_UNREACHABLE: {
    status: 'UNAVAILABLE',
    meaning: 'No server answers at the address that a command was given.',
  },
  // native runtime
  ADDON_NOT_FOUND: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The native addon is missing or does not load on this machine.',
  },
  RUNTIME_NOT_FOUND: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The ONNX Runtime library could not be loaded.',
  },
  RUNTIME_TOO_OLD: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The ONNX Runtime library does not offer API 21.',
  },
  PROVIDER_UNAVAILABLE: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The execution provider asked for cannot run here; the message names what is missing.',
  },
  DISPOSED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'A session or instance was used after it was disposed.',
  },
  MODEL_INVALID: {
    status: 'INVALID_ARGUMENT',
    meaning: 'The file is not an ONNX model that ONNX Runtime accepts.',
  },
  MODEL_RUN_FAILED: { status: 'INTERNAL', meaning: 'ONNX Runtime failed while it ran the model.' },
  RUN_TIMEOUT: {
    status: 'INTERNAL',
    meaning: 'A run took far longer than such runs do; its copy of the model is out of service.',
  },
  MEMORY_LIMIT: {
    status: 'RESOURCE_EXHAUSTED',
    meaning: 'Memory for batches, a run or its outputs is at its configured cap; the message says which.',
    retryable: true,
  },
  // compiler
  MODEL_UNSUPPORTED_OPERATOR: {
    status: 'UNIMPLEMENTED',
    meaning:
      'An operator over four spatial axes cannot be lowered; the message names the node and the reason.',
  },
  FILE_OUTSIDE_MODEL: {
    status: 'PERMISSION_DENIED',
    meaning: "A model names a file outside its version's folder.",
  },
  FILE_NOT_FOUND: {
    status: 'NOT_FOUND',
    meaning: 'A file that a model names is missing, not a regular file, or shorter than the model says.',
  },
  CACHE_UNSAFE: {
    status: 'FAILED_PRECONDITION',
    meaning:
      'The cache folder belongs to another user or others may write to it, so nothing in it can be trusted.',
  },
  CACHE_NOT_WRITTEN: {
    status: 'FAILED_PRECONDITION',
    meaning: 'A compiled model cannot be written to the cache folder; the message has the reason.',
  },
  CASE_INVALID: {
    status: 'INVALID_ARGUMENT',
    meaning: 'A case given to verify is not a folder with model.onnx and readable test data.',
  },
  CASE_UNSUPPORTED: {
    status: 'UNIMPLEMENTED',
    meaning: 'A case given to verify uses sequences, optionals or element types that no request can carry.',
  },
  CASE_DIFFERS: {
    status: 'DATA_LOSS',
    meaning: 'A case given to verify answered with other shapes, types or strings than expected.',
  },
  // models
  MODEL_NOT_FOUND: { status: 'NOT_FOUND', meaning: 'No model or version of that name is served.' },
  MODEL_NOT_READY: {
    status: 'UNAVAILABLE',
    meaning: 'The model exists but is not ready; the message says why.',
    retryable: true,
  },
  MODEL_CONFIG_INVALID: {
    status: 'INVALID_ARGUMENT',
    meaning: 'config.pbtxt is not valid or contradicts the network; file and line are named.',
  },
  MODEL_CONFIG_UNSUPPORTED: {
    status: 'UNIMPLEMENTED',
    meaning: 'config.pbtxt asks for something that would change answers and is not offered.',
  },
  INVALID_REQUEST: {
    status: 'INVALID_ARGUMENT',
    meaning: 'A request does not fit the model: names, datatypes, shapes, byte counts or parameters.',
  },
  NOT_IMPLEMENTED: {
    status: 'UNIMPLEMENTED',
    meaning: 'The call exists in the protocol and is not offered here.',
  },
  // scheduling
  QUEUE_FULL: {
    status: 'RESOURCE_EXHAUSTED',
    meaning: 'The queue is at its bound in requests or bytes; retry later.',
    retryable: true,
  },
  REQUEST_TOO_LARGE: {
    status: 'RESOURCE_EXHAUSTED',
    meaning: 'One request is larger than the whole byte budget.',
  },
  DEADLINE_EXCEEDED: {
    status: 'DEADLINE_EXCEEDED',
    meaning: 'The deadline or queue timeout passed before it ran, or ran again after its batch failed.',
    retryable: true,
  },
  TRANSFER_TOO_SLOW: {
    status: 'DEADLINE_EXCEEDED',
    meaning: 'A message, an upload or the reading of an answer fell below the least rate; it was ended.',
    retryable: true,
  },
  CANCELLED: { status: 'CANCELLED', meaning: 'The caller went away.' },
  SHUTTING_DOWN: { status: 'UNAVAILABLE', meaning: 'The server is draining.', retryable: true },
  // screening
  CONTRACT_INVALID: {
    status: 'INVALID_ARGUMENT',
    meaning: 'screening.yaml is not valid or contradicts the network; line and column are named.',
  },
  NOT_A_SCREENING_MODEL: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The model has no screening.yaml, so it takes tensors and no exams.',
  },
  EXAM_STORE_FULL: {
    status: 'RESOURCE_EXHAUSTED',
    meaning: 'The memory for exams is full, or the disk under it; retry later.',
    retryable: true,
  },
  EXAM_TOO_COSTLY: {
    status: 'INVALID_ARGUMENT',
    meaning: 'Reading the exam, or one of its frames, takes more processor time than its size explains.',
  },
  EXAM_READER_DIED: {
    status: 'INTERNAL',
    meaning: 'The processes that read the exam ended before it was read; the daemon goes on.',
  },
  EXAM_PATH_REFUSED: {
    status: 'PERMISSION_DENIED',
    meaning: 'An exam is named on the server and no root is configured, or the path leads out of its root.',
  },
  EXAM_NOT_FOUND: {
    status: 'NOT_FOUND',
    meaning: 'There is no readable exam of that name; on the server: below the root.',
  },
  REPORT_NOT_WRITTEN: {
    status: 'FAILED_PRECONDITION',
    meaning: 'A report or a map cannot be written where the command was told to; the exam is not done.',
  },
  CLINICAL_MISSING: {
    status: 'INVALID_ARGUMENT',
    meaning: 'A clinical variable is missing that the model does not do without.',
  },
  CLINICAL_INVALID: {
    status: 'INVALID_ARGUMENT',
    meaning: 'A clinical value has the wrong type, unit, code or range; the message says what to send.',
  },
  REGION_INVALID: {
    status: 'INVALID_ARGUMENT',
    meaning: 'The region of interest is missing, of a kind that the model does not take, or cannot be read.',
  },
  REGION_OUTSIDE_EXAM: {
    status: 'INVALID_ARGUMENT',
    meaning: 'Too much of the region that the model needs lies outside the imaged volume.',
  },
  PHASES_UNSUITABLE: {
    status: 'FAILED_PRECONDITION',
    meaning: "The exam has no phases at the times that the model's contract asks for.",
  },
  EXAM_NOT_FINITE: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The exam holds intensities that are not finite numbers.',
  },
  EXAM_CONSTANT: {
    status: 'FAILED_PRECONDITION',
    meaning: 'Intensities do not vary where the statistics of the normalisation are taken.',
  },
  SCREENING_OUTPUT_INVALID: {
    status: 'INTERNAL',
    meaning: 'The network gave outputs that its contract does not describe, or that are no probabilities.',
  },
  EXPLANATION_TOO_LARGE: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The crop of the model is too large to be run once for every patch that is hidden.',
  },
  REPORT_INCOMPLETE: {
    status: 'FAILED_PRECONDITION',
    meaning: 'A DICOM report cannot be filed because the exam lacks what identifies its study.',
  },
  // exams, in the order of precedence
  NOT_DICOM: {
    status: 'INVALID_ARGUMENT',
    meaning: 'No file of the exam is DICOM or NIfTI, or the DICOM files are broken.',
  },
  INVALID_NIFTI: {
    status: 'INVALID_ARGUMENT',
    meaning: 'A NIfTI file has a broken header, or files of one exam do not fit together.',
  },
  EXAM_TOO_LARGE: {
    status: 'INVALID_ARGUMENT',
    meaning: 'The exam exceeds the bounds on files, frames or pixel bytes.',
  },
  MULTIPLE_PATIENTS: { status: 'INVALID_ARGUMENT', meaning: 'The files belong to more than one patient.' },
  NO_DYNAMIC_SERIES: {
    status: 'FAILED_PRECONDITION',
    meaning: 'No series can be a dynamic one: all are localizers, derived, T2-weighted or no MR images.',
  },
  AMBIGUOUS_SERIES: {
    status: 'FAILED_PRECONDITION',
    meaning: 'More than one series, or set of series, could be the dynamic one.',
  },
  UNSUPPORTED_TRANSFER_SYNTAX: {
    status: 'INVALID_ARGUMENT',
    meaning: 'The pixel data are compressed in a way that is not read; the message names it.',
  },
  UNSUPPORTED_PIXEL_FORMAT: {
    status: 'INVALID_ARGUMENT',
    meaning: 'The samples have a type or a rescale that is not read.',
  },
  INCONSISTENT_MATRIX: {
    status: 'FAILED_PRECONDITION',
    meaning: 'Slices differ in rows, columns or pixel spacing.',
  },
  MIXED_ORIENTATION: {
    status: 'FAILED_PRECONDITION',
    meaning: 'Slices of the dynamic series differ in orientation.',
  },
  INCONSISTENT_GEOMETRY: {
    status: 'FAILED_PRECONDITION',
    meaning: 'Slice positions do not form one straight, even stack that is the same in all phases.',
  },
  TRUNCATED_PIXEL_DATA: {
    status: 'INVALID_ARGUMENT',
    meaning: 'A file holds less pixel data than its header says.',
  },
  TOO_FEW_PHASES: { status: 'FAILED_PRECONDITION', meaning: 'The series has fewer phases than are needed.' },
  DUPLICATE_SLICE: {
    status: 'FAILED_PRECONDITION',
    meaning: 'A phase has more than one frame at one position.',
  },
  INCOMPLETE_PHASE: {
    status: 'FAILED_PRECONDITION',
    meaning: 'A slice position is absent from some of the phases.',
  },
  AMBIGUOUS_PHASES: { status: 'FAILED_PRECONDITION', meaning: 'No attribute tells the phases apart.' },
  MISSING_SLICE: { status: 'FAILED_PRECONDITION', meaning: 'The stack of slices has a gap in all phases.' },
  AMBIGUOUS_TIMES: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The order of the phases is known and their times are not.',
  },
  CORRUPT_PIXEL_DATA: {
    status: 'INVALID_ARGUMENT',
    meaning: 'Pixel data are present and cannot be decoded.',
  },
})

export type ErrorCode = keyof typeof ERRORS

/** Whether the same call may succeed later. False for what is no code of ours. */
export function isRetryable(code: string): boolean {
  return Object.hasOwn(ERRORS, code) && kindOf(code as ErrorCode).retryable === true
}

function kindOf(code: ErrorCode): ErrorKind {
  return ERRORS[code]
}

/** Metadata key that carries the code on the wire. */
export const CODE_KEY = 'sentinode-code'
/** Metadata key by which gRPC clients with a retry policy know how long to stay away, in milliseconds. */
export const PUSHBACK_KEY = 'grpc-retry-pushback-ms'

/** An error with a stable code. The message may reach a client: no patient data, no paths of the host. */
export class SentinodeError extends Error {
  override readonly name = 'SentinodeError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }

  get status(): GrpcStatus {
    return ERRORS[this.code].status
  }
}

export function isSentinodeError(error: unknown): error is SentinodeError {
  return error instanceof SentinodeError
}
