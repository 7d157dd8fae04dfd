import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { readTable } from '../../src/cli/screen/table.js'
import { planTasks, type TaskOptions } from '../../src/cli/screen/tasks.js'
import { temporaryFolder } from '../process/sentinode.js'

function folderWith(t: ExecutionContext, files: Readonly<Record<string, string | null>>): string {
  const folder = temporaryFolder()
  t.teardown(folder.remove)
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder.path, name)
    if (text === null) mkdirSync(path, { recursive: true })
    else writeFileSync(path, text)
  }
  return folder.path
}

const NONE: Omit<TaskOptions, 'exams'> = {
  clinical: null,
  examTable: null,
  ignored: [],
  set: {},
  region: null,
  timesS: null,
}

const FORMS: [string, string][] = [
  ['commas', 'exam,age,er\nA1,61,positive\nB 2,47,"neg, weak"\n'],
  ['a byte order mark, semicolons and CRLF', '\ufeffexam;age;er\r\nA1;61;positive\r\nB 2;47;neg, weak\r\n'],
  ['tabs', 'exam\tage\ter\nA1\t61\tpositive\nB 2\t47\tneg, weak'],
  [
    'quotes, spaces and empty lines',
    '"exam" , "age","er"\n\n "A1", 61 ,positive\n\n"B 2",47,"neg, weak"\n\n',
  ],
  ['old line ends', 'exam;age;er\rA1;61;positive\rB 2;47;neg, weak\r'],
]

for (const [name, text] of FORMS) {
  test(`a table with ${name} is read`, (t) => {
    const path = join(folderWith(t, { 't.csv': text }), 't.csv')
    const { names, rows } = readTable('clinical', path)
    t.deepEqual(names, ['exam', 'age', 'er'])
    t.deepEqual(rows, [
      { exam: 'A1', age: '61', er: 'positive' },
      { exam: 'B 2', age: '47', er: 'neg, weak' },
    ])
  })
}

test('what is no table is refused without repeating what is in it', (t) => {
  const folder = folderWith(t, {
    'twice.csv': 'exam,Age,age\nSECRET,1,2\n',
    'wide.csv': 'exam,age\nSECRET,1,2\n',
    'quotes.csv': 'exam,age\n"SECRET,1\n',
    'nameless.csv': 'exam,,age\nSECRET,1,2\n',
  })
  for (const name of ['twice', 'wide', 'quotes', 'nameless', 'absent']) {
    const error = t.throws(() => readTable('clinical', join(folder, `${name}.csv`)), {
      code: 'INVALID_OPTION',
    })
    t.notRegex(error.message, /SECRET/)
  }
})

test('a folder with its tables is a cohort', async (t) => {
  const folder = folderWith(t, {
    'exams/a': null,
    'exams/b.nii.gz': '',
    'clinical.csv':
      'exam,age,note,centre_x_mm,centre_y_mm,centre_z_mm\na,61,x,1,-2.5,3\nb,,y,,,\nlost,50,z,,,\n',
    'exams.csv': 'exam,times_s\nb,0;90;180\n',
  })
  const tasks = await planTasks({ ...NONE, exams: [folder], ignored: ['note'], set: { grade: '2' } })
  t.deepEqual(tasks, [
    {
      name: 'a',
      path: join(folder, 'exams/a'),
      clinical: { age: '61', grade: '2' },
      region: { kind: 'centre', centre: [1, -2.5, 3] },
      timesS: null,
    },
    {
      name: 'b',
      path: join(folder, 'exams/b.nii.gz'),
      clinical: { grade: '2' },
      region: null,
      timesS: [0, 90, 180],
    },
    { name: 'lost', path: null, clinical: { age: '50', grade: '2' }, region: null, timesS: null },
  ])
})

test('masks are found by the names of their exams, where the table says no place or masks are asked for', async (t) => {
  const folder = folderWith(t, {
    'exams/a': null,
    'exams/b.nii.gz': '',
    'exams/c': null,
    masks: null,
    'masks/a.dcm': '',
    'masks/b.nii.gz': '',
    'clinical.csv': 'exam,centre_x_mm,centre_y_mm,centre_z_mm\na,,,\nb,1,2,3\nc,,,\n',
  })
  const masks = join(folder, 'masks')
  const regions = async (region: TaskOptions['region'], exams = [folder]) =>
    (await planTasks({ ...NONE, exams, region })).map((task) => task.region)
  const mask = (name: string, segment = 0) => ({ kind: 'mask', path: join(masks, name), segment }) as const
  t.deepEqual(await regions(null), [mask('a.dcm'), { kind: 'centre', centre: [1, 2, 3] }, null])
  // An exam without one is not screened without one.
  const asked = { kind: 'mask', path: masks, segment: 2 } as const
  t.deepEqual(await regions(asked), [mask('a.dcm', 2), mask('b.nii.gz', 2), mask('c', 2)])
  t.deepEqual(await regions(asked, [join(folder, 'exams/a')]), [mask('a.dcm', 2)])
  t.deepEqual(await regions(asked, [join(folder, 'exams/c')]), [asked])
})

test('times are found beside the table as well', async (t) => {
  const folder = folderWith(t, {
    'exams/b.nii.gz': null,
    'clinical.csv': 'exam,age\nb,50\n',
    'exams.csv': 'exam,path,times_s\nb,exams/b.nii.gz,0;90\n',
  })
  const exams = [join(folder, 'exams/b.nii.gz')]
  const [task] = await planTasks({ ...NONE, exams, clinical: join(folder, 'clinical.csv') })
  t.deepEqual(task?.timesS, [0, 90])
})

test('exams on the command line find their lines, and one line without a name is for the one exam', async (t) => {
  const folder = folderWith(t, {
    a: null,
    'b.nii': '',
    'table.csv': 'exam;age;mask;centre_x_mm;centre_y_mm;centre_z_mm\nb;61;m.nii;;;\na;47;;0,5;1;2\n',
    'one.csv': 'age,er\n61,positive\n',
    'two.csv': 'age\n61\n62\n',
  })
  const [a, b] = [join(folder, 'a'), join(folder, 'b.nii')]
  const listed = await planTasks({ ...NONE, exams: [a, b], clinical: join(folder, 'table.csv') })
  t.deepEqual(
    listed.map(({ name, path, clinical, region }) => ({ name, path, clinical, kind: region?.kind })),
    [
      { name: 'a', path: a, clinical: { age: '47' }, kind: 'centre' },
      { name: 'b', path: b, clinical: { age: '61' }, kind: 'mask' },
    ],
  )
  t.deepEqual(listed[0]?.region, { kind: 'centre', centre: [0.5, 1, 2] })
  const [one] = await planTasks({ ...NONE, exams: [a], clinical: join(folder, 'one.csv') })
  t.deepEqual(one?.clinical, { age: '61', er: 'positive' })
  for (const options of [
    { exams: [a, b], clinical: join(folder, 'one.csv') },
    { exams: [a], clinical: join(folder, 'two.csv') },
    { exams: [folder], clinical: join(folder, 'one.csv').replace('one', 'absent') },
    { exams: [join(folder, 'nowhere')] },
    { exams: [a, a] },
  ]) {
    await t.throwsAsync(planTasks({ ...NONE, ...options }), { code: 'INVALID_OPTION' })
  }
})

test('a table does not lead out of its cohort, and names each exam once', async (t) => {
  const folder = folderWith(t, {
    'cohort/a': null,
    secret: null,
    'cohort/clinical.csv': 'exam,age\na,1\n../secret,2\n',
    'twice.csv': 'exam,age\na,1\na,2\n',
  })
  const cohort = join(folder, 'cohort')
  const tasks = await planTasks({ ...NONE, exams: [cohort] })
  t.deepEqual(
    tasks.map(({ path }) => path),
    [join(cohort, 'a'), null],
  )
  await t.throwsAsync(planTasks({ ...NONE, exams: [cohort], clinical: join(folder, 'twice.csv') }), {
    code: 'INVALID_OPTION',
  })
})
