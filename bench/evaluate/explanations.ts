import { readExam } from '../../src/exam/read.js'
import { folderSource } from '../../src/exam/source.js'

/** Whether a place (LPS, mm) lies in what a mask marks. */
export async function isMarked(mask: string, place: readonly [number, number, number]): Promise<boolean> {
  const { affineLps, shape, samples } = await readExam(folderSource(mask), {
    minPhases: 1,
    requireTimes: false,
  })
  const [, depth, height, width] = shape
  const rows = affineLps.slice(0, 3)
  const fromOrigin = place.map((at, i) => at - (rows[i]?.[3] ?? 0))
  /** Axes of a scanner's grid are at right angles. */
  const along = (axis: number): number => {
    const column = rows.map((row) => row[axis] ?? 0)
    const dot = column.reduce((sum, value, i) => sum + value * (fromOrigin[i] ?? 0), 0)
    return Math.round(dot / column.reduce((sum, value) => sum + value * value, 0))
  }
  const [x, y, z] = [along(0), along(1), along(2)]
  if (x < 0 || y < 0 || z < 0 || x >= width || y >= height || z >= depth) return false
  return (samples[(z * height + y) * width + x] ?? 0) > 0
}
