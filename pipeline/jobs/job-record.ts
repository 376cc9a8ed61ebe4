// The record of one job in the bucket `weir_jobs`: who asked for what, how far it is, and who works on it.
// It owns the shape, the states and what people see of it. It does not own who may change it (job-book.ts).
// Invariant: the position says all that a process needs to go on after the one that worked on the job was killed.

import { z } from 'zod'
import { decodeUtf8, parseJson, stringifyJson } from '../../schemas/json/json-text.js'

export const jobsBucket = 'weir_jobs'

/**
 * `previewed`: it was looked at, and nobody has started it. One that is `running` and has an `approval_id` waits until somebody releases it.
 * `running`: a process works on it, or the next free one will.
 */
export const jobStates = ['previewed', 'running', 'paused', 'cancelled', 'done', 'failed'] as const
export type JobState = (typeof jobStates)[number]

const instant = z.string()
const count = z.int().nonnegative()

export const jobRecordSchema = z.object({
  job_id: z.string(),
  kind: z.string(),
  state: z.enum(jobStates),
  requested_by: z.object({ key_id: z.string().nullable(), key_name: z.string().nullable() }),
  reason: z.string().nullable(),
  created_at: instant,
  /** When it ran first. */
  started_at: instant.nullable(),
  ended_at: instant.nullable(),
  updated_at: instant,
  /** What was asked for; its kind reads it. */
  request: z.unknown(),
  /** Where the next step begins, as its kind wrote it; null: at the beginning. */
  position: z.unknown(),
  progress: z.object({
    done: count,
    /** Null: not known. */
    total: count.nullable(),
    /** What is counted, such as `events`. */
    unit: z.string(),
    /** Of the last steps; null until it has made one. */
    rate_per_second: z.number().nonnegative().nullable(),
  }),
  /** What became of what it has done so far, by name. */
  counts: z.record(z.string(), count),
  /** The process that works on it. */
  lease: z.object({ owner: z.string() }).nullable(),
  /** Why the last step did not get through; the step is tried again. */
  trouble: z.object({ detail: z.string(), since: instant }).nullable(),
  /** Why it ended as `failed`. */
  failure: z.object({ code: z.string(), detail: z.string() }).nullable(),
  approval_id: z.string().nullable(),
})

export type JobRecord = z.infer<typeof jobRecordSchema>

export const hasEnded = ({ state }: JobRecord): boolean => state === 'done' || state === 'cancelled'

export const jobKey = (jobId: string): string => `job.${jobId}`
export const everyJobKey = 'job.*'

export function encodeJob(record: JobRecord): Uint8Array {
  return new TextEncoder().encode(stringifyJson(record))
}

/** Undefined when the bytes are not the record of a job. Numbers of `request` keep their digits. */
export function decodeJob(bytes: Uint8Array): JobRecord | undefined {
  const text = decodeUtf8(bytes)
  const json = text === undefined ? undefined : parseJson(text)
  if (json?.kind !== 'ok') return undefined
  const parsed = jobRecordSchema.safeParse(json.value)
  return parsed.success ? parsed.data : undefined
}

/** What people see: the record, without who holds the lease, and with an estimate. */
export interface JobView extends Omit<JobRecord, 'lease' | 'position'> {
  /** A process works on it at this moment. */
  readonly is_worked_on: boolean
  /** Null: not known. */
  readonly estimated_seconds_left: number | null
}

export function viewOfJob({ lease, position: _position, ...record }: JobRecord): JobView {
  return { ...record, is_worked_on: lease !== null, estimated_seconds_left: secondsLeft(record) }
}

function secondsLeft({ state, progress }: Pick<JobRecord, 'state' | 'progress'>): number | null {
  const { done, total, rate_per_second: rate } = progress
  if (state !== 'running' || total === null || rate === null || rate === 0) return null
  return Math.ceil(Math.max(0, total - done) / rate)
}
