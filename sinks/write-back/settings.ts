// Settings that the kinds of write-back share. Each is a function of zod, so that it is loaded only when a configuration is read.

import type { z as Zod } from 'zod'
import { nearestHint } from '../../schemas/nearest-name.js'
import type { RecordsChoice, SettingsProblem } from '../connector-kind.js'
import { factNames, isFact } from './fact-names.js'

/** Their fields by the facts of ours that are written to them. */
export function mappedFields(z: typeof Zod, fieldName: RegExp): Zod.ZodType<Record<string, string>> {
  const fact = z.string().refine(isFact, {
    error: ({ input }) =>
      `${String(input)} is none of ${factNames.join(', ')}${nearestHint(String(input), factNames)}`,
  })
  return z.record(z.string().regex(fieldName, 'is a name of a field there'), fact)
}

/** Values that every case has, by field. */
export function constants(z: typeof Zod, fieldName: RegExp) {
  const value = z.string().min(1).max(1_000)
  return z.record(z.string().regex(fieldName, 'is a name of a field there'), value).default({})
}

/** What of the settings is needed for these records, and is not there. */
export function lacking({
  records,
  fields,
}: {
  readonly records: RecordsChoice
  readonly fields?: object | undefined
}): SettingsProblem | undefined {
  if (records !== 'customer_standings' || Object.keys(fields ?? {}).length > 0) return undefined
  return { path: ['fields'], message: 'names the fields there, each with what is written to it' }
}
