import test from 'ava'
import fc from 'fast-check'
import { isSentinodeError } from '../../src/errors.js'
import type { ModelConfig } from '../../src/generated/model_config.js'
import { ConfigSource } from '../../src/models/config/source.js'
import { referenceParse } from './helpers/protoc.js'

const FULL = `# a comment, and one at the end of a line
name: "dce" 'net'   # two strings make one
platform: 'onnxruntime_onnx'; backend: "onnxruntime",
max_batch_size: 0x10
version_policy: { specific: { versions: [1, 010, 3] } }
input [
  { name: "image" data_type: TYPE_FP32 dims: [ 1, -1 , 48,48,48 ] },
  < name: "clinical", data_type: 11, dims: 5 dims: - 1; reshape { shape: [] } optional: true >
]
output { name: "tab\\there \\"quoted\\" \\x41\\101\\u00e9\\U0001F600 \\' \\?" label_filename: "l.txt" }
dynamic_batching {
  preferred_batch_size: [2, 4]
  max_queue_delay_microseconds: 18446744073709551615
  preserve_ordering: t
  priority_queue_policy { key: 1 value { max_queue_size: 3 timeout_action: DELAY } }
  priority_queue_policy: { value: { allow_timeout_override: True }, key: 2; }
}
parameters { key: "target" value { string_value: "cpu" } }
parameters [ { key: "a" value: { string_value: "1" } }, { value { string_value: "no key" } }, { key: "no value" } ]
metric_tags { key: "site" value: "x" }
model_metrics { metric_control { histogram_options { buckets: [1, 2.5, .5, 1e3, 1.5e-3f, inf, -inf, 3.] } } }
optimization { graph { level: -1 } cuda { graph_spec { input { key: "x" value { dim: [2] } } } } }
model_warmup: [{ name: "w", inputs { key: "image" value { zero_data: true dims: 1 } } }]
instance_group []
`

test('Every form of the text format reads as protoc reads it', (t) => {
  const reference = referenceParse(FULL)
  t.not(reference, null, 'protoc reads the example')
  t.deepEqual(ConfigSource.parse('m/config.pbtxt', FULL).config, reference as ModelConfig)
})

const BAD: readonly [title: string, text: string, place: string, expected: RegExp, found: RegExp][] = [
  [
    'an unknown field',
    'name: "a"\n  max_batchsize: 4',
    '2:3',
    /a field of ModelConfig .*"max_batch_size"/,
    /"max_batchsize"/,
  ],
  ['an unknown field of a message', 'input { nam: "a" }', '1:9', /a field of ModelInput/, /"nam"/],
  [
    'a string for a number',
    'max_batch_size: "4"',
    '1:17',
    /int32 number for "max_batch_size"/,
    /the string "4"/,
  ],
  ['a fraction for a whole number', 'max_batch_size: 4.5', '1:17', /int32 number/, /"4.5"/],
  [
    'a number beyond its type',
    'max_batch_size: 2147483648',
    '1:17',
    /from -2147483648 to 2147483647/,
    /2147483648/,
  ],
  [
    'a negative number without a sign',
    'input { dims: [1, 2]\n}\nmodel_warmup { batch_size: -1 }',
    '3:28',
    /uint32/,
    /"-" and "1"/,
  ],
  [
    'an unknown enum value',
    'input {\n\tdata_type: TYPE_FLOAT32 }',
    '2:13',
    /one of TYPE_INVALID, TYPE_BOOL/,
    /"TYPE_FLOAT32"/,
  ],
  ['a quoted enum value', 'input { data_type: "TYPE_FP32" }', '1:20', /one of TYPE_INVALID/, /the string/],
  ['an enum number that does not exist', 'input { data_type: 99 }', '1:20', /one of TYPE_INVALID/, /"99"/],
  [
    'a field twice',
    'name: "a"\nmax_batch_size: 2\nmax_batch_size: 4',
    '3:1',
    /"max_batch_size" at most once/,
    /second time/,
  ],
  ['a message twice', 'dynamic_batching {}\ndynamic_batching {}', '2:1', /at most once/, /second time/],
  [
    'two members of a choice',
    'dynamic_batching {} sequence_batching {}',
    '1:21',
    /no other choice beside "dynamic_batching"/,
    /sequence/,
  ],
  [
    'a map key twice',
    'metric_tags { key: "a" value: "1" }\nmetric_tags { key: "a" value: "2" }',
    '2:20',
    /each key once/,
    /"a"/,
  ],
  ['a string that is not closed', 'name: "abc\nbackend: "x"', '1:7', /a closing "/, /end of the line/],
  ['a string that is not closed at the end', "name: 'abc", '1:7', /a closing '/, /end of the file/],
  ['an unknown escape', 'name: "a\\qb"', '1:9', /an escape sequence/, /q/],
  ['an octal escape beyond a byte', 'name: "\\777"', '1:8', /octal/, /777/],
  ['a string that is not UTF-8', 'name: "\\xff"', '1:7', /UTF-8/, /bytes/],
  ['a missing colon', 'name "a"', '1:6', /":" after "name"/, /the string "a"/],
  ['a missing brace', 'input { name: "a"', '1:18', /a field of ModelInput or "}"/, /end of the file/],
  ['a brace too many', 'input { name: "a" } }', '1:21', /a field of ModelConfig or the end/, /"}"/],
  ['a bracket that closes another', 'input { name: "a" >', '1:19', /"}"/, />/],
  ['a list for a single value', 'max_batch_size: [4]', '1:17', /int32 number/, /"\["/],
  ['a list without commas', 'input { dims: [1 2] }', '1:18', /"," or "\]"/, /"2"/],
  ['a comma at the end of a list', 'input { dims: [1, ] }', '1:19', /int64 number/, /"\]"/],
  ['a scalar for a message', 'input: 3', '1:8', /"{" of "input"/, /"3"/],
  ['a number that runs into letters', 'max_batch_size: 4x', '1:17', /int32 number/, /"4x"/],
  ['an octal number with a nine', 'max_batch_size: 09', '1:17', /int32 number/, /"09"/],
  [
    'a boolean by another name',
    'dynamic_batching { preserve_ordering: yes }',
    '1:39',
    /true or false/,
    /"yes"/,
  ],
  ['a character that means nothing', 'name: "a" $', '1:11', /a field, a value or a bracket/, /\$/],
  ['an extension', '[foo.bar]: 1', '1:1', /a field of ModelConfig/, /\[/],
  ['something else in a map', 'metric_tags { kay: "a" }', '1:15', /"key", "value"/, /"kay"/],
  ['a key twice in one entry', 'metric_tags { key: "a" key: "b" }', '1:24', /one "key"/, /second time/],
  ['a column after characters of two units', 'name: "\u{1F600}é" x', '1:12', /a field of ModelConfig/, /"x"/],
]

/** protoc lets these pass: the last of two keys wins, other bits are cut off, or any number is an enum. */
const STRICTER = [
  'a map key twice',
  'an enum number that does not exist',
  'an octal escape beyond a byte',
  'a string that is not UTF-8',
]

for (const [title, text, place, expected, found] of BAD) {
  test(`The place of ${title} is named`, (t) => {
    const error = t.throws(() => ConfigSource.parse('m/config.pbtxt', text), { name: 'SentinodeError' })
    t.true(isSentinodeError(error) && error.code === 'MODEL_CONFIG_INVALID')
    const parts = /^m\/config\.pbtxt:(\d+:\d+): expected (.*), found (.*)$/s.exec(error.message)
    t.is(parts?.[1], place, error.message)
    t.regex(parts?.[2] ?? '', expected)
    t.regex(parts?.[3] ?? '', found)
    t.is(referenceParse(text) === null, !STRICTER.includes(title), 'protoc refuses it too')
  })
}

test('Texts with random damage are read, or refused, as protoc does it', (t) => {
  const glyphs = fc.constantFrom(
    ...Array.from('{}<>[]:;,-."\'\\#09ax \n'),
    'name',
    '0x',
    '1e5',
    'inf',
    'dims: 1',
    '\\x41',
  )
  const edit = fc.record({
    at: fc.nat(FULL.length),
    remove: fc.nat(3),
    insert: fc.option(glyphs, { nil: '' }),
  })
  let accepted = 0
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 2 }), (edits) => {
      const text = edits.reduce((s, e) => s.slice(0, e.at) + e.insert + s.slice(e.at + e.remove), FULL)
      const reference = referenceParse(text)
      let own: ModelConfig | null = null
      let message = ''
      try {
        own = ConfigSource.parse('m', text).config
        accepted += 1
      } catch (error) {
        message = String(error)
      }
      if (/each key once|one "(key|value)"|octal escape|UTF-8 text/.test(message)) return
      t.deepEqual(own, reference, `${message}\n${text}`)
    }),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 40), seed: 7 },
  )
  t.true(accepted > 2, 'some of the damage is harmless')
})

test('The place of any field can be asked for later', (t) => {
  const source = ConfigSource.parse('m/config.pbtxt', FULL)
  t.is(source.where('max_batch_size'), 'm/config.pbtxt:4:1')
  t.is(source.where('input[1].dims[1]'), 'm/config.pbtxt:8:52')
  t.is(source.where('parameters["a"].string_value'), 'm/config.pbtxt:19:34')
  t.is(
    source.where('dynamic_batching.priority_queue_policy["2"].allow_timeout_override'),
    'm/config.pbtxt:16:37',
  )
  t.is(source.where('dynamic_batching.default_queue_policy.max_queue_size'), 'm/config.pbtxt:11:1')
  t.is(source.where('response_cache'), 'm/config.pbtxt')
  t.true(source.has('input[1].optional'))
  t.false(source.has('input[0].optional'))
})

test('A file that is empty, or begins with a byte order mark, is read', (t) => {
  t.is(ConfigSource.parse('m', '').config.name, '')
  t.is(ConfigSource.parse('m', '\uFEFFname: "x"').config.name, 'x')
  t.is(ConfigSource.absent('m').where('name'), 'm (no config.pbtxt)')
})
