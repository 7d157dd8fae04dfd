/** The form of `screening.yaml`: everything about a screening model that is not in its network. */

import { z } from 'zod'
import { standards } from '../clinical/standards.js'

const positive = z.number().positive()
const count = z.number().int().min(1).max(4096)
const name = z.string().min(1).max(200)
const fraction = z.number().min(0).max(1)

/** Voxels and millimetres are always [z, y, x], as the network's axes. */
const triple = <T extends z.ZodType>(item: T) => z.tuple([item, item, item])

const grid = z.strictObject({
  /** null: as many voxels as cover the region, for a network with dynamic sizes. */
  size: triple(count).nullable(),
  spacing_mm: triple(positive),
  /** patient: axes to the left, back and head of the patient; acquisition: along the exam's own axes. */
  orientation: z.enum(['patient', 'acquisition']).default('patient'),
})

const region = z.strictObject({
  /** What a request may give. volume: nothing is needed, the grid lies on the middle of the exam. */
  accept: z.array(z.enum(['centre', 'box', 'mask', 'volume'])).min(1),
  /** When the box is larger than a grid of fixed size, so that some of it is cut off. */
  larger_than_grid: z.enum(['refuse', 'warn']).default('warn'),
  /** What voxels outside the exam hold: its nearest voxel, or an intensity (before normalisation). */
  outside: z.union([z.literal('nearest'), z.number()]).default(0),
  max_outside_fraction: fraction.default(0.5),
})

const times = z.array(z.number().min(0)).min(1).max(256)
const phases = z.discriminatedUnion('by', [
  /** By place in time, from 0; the times need not be known. */
  z.strictObject({ by: z.literal('order'), indices: z.array(z.number().int().min(0)).min(1).max(256) }),
  /** The phase next to each time, in seconds after the first phase. */
  z.strictObject({ by: z.literal('nearest_time'), times_s: times, tolerance_s: positive }),
  /** Between the phases around each time; beyond the first or last phase by at most the tolerance. */
  z.strictObject({ by: z.literal('interpolated_time'), times_s: times, tolerance_s: z.number().min(0) }),
])

const statistics = {
  over: z.enum(['crop', 'volume']),
  /** each: every phase by itself, which removes the enhancement between phases. */
  phases: z.enum(['all', 'first', 'each']),
}
const intensity = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('none') }),
  z.strictObject({ method: z.literal('zscore'), ...statistics }),
  z.strictObject({
    method: z.literal('percentile'),
    ...statistics,
    lower: z.number().min(0).max(100),
    upper: z.number().min(0).max(100),
    clip: z.boolean().default(false),
  }),
])

const image = z.strictObject({
  input: name,
  /** NCTDHW: one channel, time its own axis; NTDHW: phases as channels. */
  layout: z.enum(['NCTDHW', 'NTDHW']).default('NCTDHW'),
  grid,
  region,
  phases,
  intensity,
})

const missing = z.discriminatedUnion('policy', [
  z.strictObject({ policy: z.literal('refuse') }),
  z.strictObject({ policy: z.literal('impute'), value: z.union([z.number(), z.string()]) }),
  z.strictObject({ policy: z.literal('other_model'), model: name }),
])

const variable = z.strictObject({
  name,
  /** Brings type, unit, range, names and synonyms of a variable that breast care knows. */
  standard: z
    .enum(Object.keys(standards) as [keyof typeof standards, ...(keyof typeof standards)[]])
    .optional(),
  aliases: z.array(name).default([]),
  type: z.enum(['number', 'category']).optional(),
  unit: z.string().max(40).optional(),
  range: z.tuple([z.number(), z.number()]).optional(),
  integer: z.boolean().optional(),
  /** Category to the number that the network is given. */
  values: z.record(z.string(), z.number()).optional(),
  synonyms: z.record(z.string(), z.array(z.union([z.string(), z.number()]))).optional(),
  missing,
  /** The network's input is (value - subtract) / divide. */
  encode: z
    .strictObject({
      subtract: z.number().default(0),
      divide: z
        .number()
        .refine((divisor) => divisor !== 0, 'expected a number other than 0')
        .default(1),
    })
    .default({ subtract: 0, divide: 1 }),
})

const clinical = z.strictObject({
  input: name,
  /** In the order of the network's input. */
  variables: z.array(variable).min(1).max(1000),
})

const outputElement = { output: name, index: z.number().int().min(0).default(0) }
const calibration = z.discriminatedUnion('method', [
  /** The network's probability is used as it is and not called calibrated. */
  z.strictObject({ method: z.literal('none') }),
  /** The network calibrates; `raw` is where it gives the probability before. */
  z.strictObject({ method: z.literal('in_graph'), raw: z.strictObject(outputElement).optional() }),
  /** 1 / (1 + exp(-(a * logit + b))). */
  z.strictObject({ method: z.literal('platt'), a: z.number(), b: z.number() }),
  /** Through the points (x, y), straight lines between them, constant beyond. */
  z.strictObject({
    method: z.literal('isotonic'),
    x: z.array(fraction).min(1).max(10_000),
    y: z.array(fraction).min(1).max(10_000),
  }),
])

const interval = z.tuple([fraction, fraction])
const operatingPoint = z.strictObject({
  name,
  /** Positive at or above it, on the calibrated probability where there is one. */
  threshold: fraction,
  sensitivity: fraction,
  specificity: fraction,
  sensitivity_interval: interval.optional(),
  specificity_interval: interval.optional(),
})

/** [value, scheme, meaning] of a code for the DICOM report; a code value has at most 16 characters. */
const codeText = (length: number) =>
  z
    .string()
    .min(1)
    .max(length)
    .regex(/^[^\\]*$/, 'expected no backslash')
const code = z.tuple([codeText(16), codeText(16), codeText(64)])

const finding = z.strictObject({
  name,
  title: z.string().min(1).max(200).optional(),
  ...outputElement,
  scale: z.enum(['probability', 'logit']).default('probability'),
  calibration,
  /** Standard deviation over an ensemble, where the network gives one. */
  spread: z.strictObject(outputElement).optional(),
  operating_points: z.array(operatingPoint).min(1).max(20),
  /** What the DICOM report calls it; by default metastasis, of an axillary lymph node. */
  codes: z
    .strictObject({
      finding: code.default(['128462008', 'SCT', 'Metastasis']),
      site: code.default(['68171009', 'SCT', 'Axillary lymph node']),
    })
    .prefault({}),
})

const text = z.string().min(1).max(2000)
const provenance = z.strictObject({
  /** Travels with every answer and report, e.g. NOT FOR CLINICAL USE. */
  notice: text.optional(),
  developer: text.optional(),
  trained_on: text.optional(),
  evaluated_on: text.optional(),
  date: text.optional(),
  citation: text.optional(),
  licence: text.optional(),
  training_sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits')
    .optional(),
})

export const contractSchema = z.strictObject({
  format: z.literal(1),
  title: z.string().min(1).max(200),
  image,
  clinical: clinical.optional(),
  findings: z.array(finding).min(1).max(100),
  default_operating_point: name,
  provenance: provenance.default({}),
})

export type ContractDocument = z.infer<typeof contractSchema>
export type GridRule = z.infer<typeof grid>
export type RegionRule = z.infer<typeof region>
export type PhaseRule = z.infer<typeof phases>
export type IntensityRule = z.infer<typeof intensity>
export type VariableRule = z.infer<typeof variable>
export type FindingRule = z.infer<typeof finding>
export type OperatingPoint = z.infer<typeof operatingPoint>
export type Calibration = z.infer<typeof calibration>
export type Provenance = z.infer<typeof provenance>
