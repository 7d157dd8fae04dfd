/** The room's door: exams on their way in, held within a byte budget and read off the main thread. */

export { ExamBudget, type Claim, type ClaimOptions, type ClaimState } from './budget.js'
export { releaseMemory } from './release.js'
export { openRoots, placeOf, type ExamPlace, type Roots } from './roots.js'
export { Slots } from './slots.js'
export { Spool } from './spool.js'
export type { ExamLocation, ExamOrigin, MaskFile, ReadExam, ReadJob, ReportJob } from './threads/messages.js'
export { ExamThreads } from './threads/pool.js'
export { ExamUpload, HELD_PER_BYTE, type UploadedExam } from './upload.js'
