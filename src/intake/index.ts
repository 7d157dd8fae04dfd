/** The room's door: exams on their way in, held within a byte budget and read in processes apart. */

export { ExamBudget, type Claim, type ClaimOptions, type ClaimState } from './budget.js'
export { openRoots, placeOf, type ExamPlace, type Roots } from './roots.js'
export { Slots } from './slots.js'
export { Spool } from './spool.js'
export type { ExamLocation, ExamOrigin, MaskFile, ReadExam, ReadJob } from './readers/messages.js'
export { ExamReaders, type ReaderEvents } from './readers/pool.js'
export type { Ending } from './readers/process.js'
export type { ReportJob } from './reports/report.js'
export { ReportWriter } from './reports/writer.js'
export { ExamUpload, HELD_PER_BYTE, type UploadedExam } from './upload.js'
