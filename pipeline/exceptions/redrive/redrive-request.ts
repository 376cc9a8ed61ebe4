// What a redrive was asked for, as it is kept in the job: which exceptions, how they are mended, how fast. And where the
// job stands between two steps.

import { z } from 'zod'
import { Problem, type ProblemError } from '../../gateway/problem.js'
import type { FilterWire } from '../exception-filter.js'
import { type ExceptionFilter, filterSchema, parseFilter } from '../exception-filter.js'
import type { GroupRule } from '../group-rules.js'
import { parseTransform, type Transform } from './transform.js'

export const redriveKind = 'redrive'
export const undoKind = 'redrive_undo'

/** Events per second, unless the request says otherwise. */
export const defaultRate = 200

export const redriveBody = z
  .strictObject({
    filter: filterSchema.describe('Which exceptions; a filter without keys means every open one'),
    transform: z.array(z.unknown()).default([]).describe('Steps that mend each event, in order'),
    rate: z.int().min(1).max(100_000).default(defaultRate).describe('Events per second, at most'),
    dry_run: z.boolean().default(false).describe('Try it on a copy of the state; nothing is published'),
    start: z.boolean().default(true).describe('False: the job waits as `previewed` until it is started'),
    reason: z.string().max(1024).default(''),
  })
  .meta({ id: 'RedriveRequest' })

/** As the job keeps it. */
const keptSchema = z.object({
  filter: z.unknown(),
  transform: z.array(z.unknown()),
  rate: z.int(),
  dry_run: z.boolean(),
})

export interface RedriveWork {
  readonly filter: ExceptionFilter
  readonly transform: Transform
  readonly rate: number
  readonly isDryRun: boolean
}

/** Throws a `Problem` that names each fault of the filter and of the transform. */
export function readRequest(
  body: { readonly filter: unknown; readonly transform: unknown },
  rules: readonly GroupRule[],
): Pick<RedriveWork, 'filter' | 'transform'> {
  const filter = parseFilter(body.filter, rules)
  const transform = parseTransform(body.transform, '/transform')
  const errors: ProblemError[] = [
    ...(filter.kind === 'ok'
      ? []
      : filter.errors.map(error => ({ ...error, pointer: `/filter${error.pointer}` }))),
    ...(transform.kind === 'ok' ? [] : transform.errors),
  ]
  if (filter.kind === 'ok' && transform.kind === 'ok')
    return { filter: filter.filter, transform: transform.transform }
  throw new Problem('invalid_request', errors[0]?.detail ?? 'The request is not valid.', { errors })
}

/** What came after the job was asked for is another failure, and not of this job. */
export function untilNow(filter: FilterWire, now: string): FilterWire {
  return filter.until === undefined ? { ...filter, until: now } : filter
}

export function workOf(request: unknown, rules: readonly GroupRule[]): RedriveWork {
  const kept = keptSchema.parse(request)
  return { ...readRequest(kept, rules), rate: kept.rate, isDryRun: kept.dry_run }
}

const cursor = z.object({ firstAtMs: z.number(), exceptionId: z.string() })

/** The exceptions that the next step redrives, and where the list goes on behind them. */
export const positionSchema = z.object({ page: z.array(z.string()), after: cursor.nullable() }).nullable()
export type RedrivePosition = z.infer<typeof positionSchema>
