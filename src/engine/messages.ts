/** ONNX Runtime's error texts for people: which node, which operator, what is wrong and what to do about it. */

/** A file of its source with the line. */
const FILE = String.raw`(?:[\w./-]*\/)?[\w-]+\.(?:cc|cpp|cu|h|hpp|cuh|inl):\d+`
/** A function with its parameters and template arguments, or its bare name. */
const SIGNATURE = String.raw`(?:(?:[\w~<>*&]+ )*[\w:~<>*&]+\((?:[^()]|\([^()]*\))*\)(?: const)?(?: \[with [^\]]*\])?|[A-Za-z_]\w*)`
const PLACE = new RegExp(`${FILE} ${SIGNATURE}\\s*`, 'g')
const CODE =
  /(?:\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : )|(?:Exception during initialization: )|\[ShapeInferenceError\] /g
/** The condition of an assertion, which names variables of the source. */
const CONDITION = /(^|Status Message: ?)[^.'"]*? was false\.\s*/
/** What tells a text of ONNX Runtime from one of ours. */
const THEIRS = new RegExp(
  `${FILE}|ONNXRuntimeError|^Non-zero status code|^Could not find an impl|In Node, \\(|^Node \\(|^Type Error: Type parameter`,
)

interface Form {
  readonly pattern: RegExp
  readonly says: (groups: readonly string[]) => string
}

const FORMS: readonly Form[] = [
  {
    pattern:
      /^Non-zero status code returned while running (\S+) node\. Name:'([^']*)' Status Message: ?(.*)$/s,
    says: ([op = '', name = '', reason = '']) =>
      `${node(op, name)} failed: ${reason === 'stod' ? 'it was given text that is no number' : sentence(reason)}. ${onRun(reason)}`,
  },
  {
    pattern: /Could not find an implementation for (\w+)\((\d+)\) node with name '([^']*)'/,
    says: ([op = '', version = '', name = '']) =>
      `${node(op, name)}: ONNX Runtime has no kernel of ${op} (operator set ${version}) for the types that it is given; ` +
      'export the network in float32, or cast before this node',
  },
  {
    pattern: /In Node, \("([^"]*)", (\w+), [^)]*\).*?Error (.*)$/s,
    says: ([name = '', op = '', reason = '']) =>
      `${node(op, name)} is not valid: ${sentence(reason)}. ${EXPORT}`,
  },
  {
    pattern: /Node \(([^)]*)\) Op \((\w+)\) (.*)$/s,
    says: ([name = '', op = '', reason = '']) =>
      `${node(op, name)} is not valid: ${sentence(reason)}. ${EXPORT}`,
  },
  {
    pattern:
      /Type parameter \(\w+\) of Optype \((\w+)\) bound to different types \((.*) in node \(([^)]*)\)/s,
    says: ([op = '', types = '', name = '']) =>
      `${node(op, name)} is not valid: its inputs have types ${types}, which must be one. ${EXPORT}`,
  },
]

const EXPORT = 'Export the network again, and check the file with onnx.checker'

/** What somebody can do about a run that failed. */
function onRun(reason: string): string {
  return /shape|dimension|reshape|broadcast|size/i.test(reason)
    ? 'Send inputs of the sizes that the network was exported for, or export it with these sizes left open (dynamic axes)'
    : 'Send values that the network was made for, or give model_warmup a sample that it takes'
}

function node(op: string, name: string): string {
  return name === '' ? op : `${op} ${JSON.stringify(name)}`
}

/** One line without a full stop at its end. */
function sentence(text: string): string {
  return text.replace(/\s+/g, ' ').trim().replace(/\.$/, '')
}

/** The text without places in ONNX Runtime's source; texts of ours pass through as they are. */
export function readable(message: string): string {
  if (!THEIRS.test(message)) return message
  const bare = message.replace(CODE, '').replace(PLACE, '').replace(CODE, '').replace(CONDITION, '$1')
  for (const { pattern, says } of FORMS) {
    const match = pattern.exec(bare)
    if (match !== null) return says(match.slice(1))
  }
  return sentence(bare)
}
