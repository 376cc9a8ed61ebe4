// What features and routes do with jobs: create, start, pause, resume, cancel, look at, report.
// Invariants:
// 1. The same idempotency key and kind give the same job.
// 2. What may follow which state is decided here alone (`moves`).

import { randomBytes } from 'node:crypto'
import { stableId } from '../../schemas/identifiers.js'
import type { Caller } from '../gateway/scopes.js'
import type { JobBook } from './job-book.js'
import type { JobRecord, JobState } from './job-record.js'
import type { JobRunner } from './job-runner.js'

export interface NewJob {
  readonly kind: string
  readonly requestedBy: Caller
  readonly request: unknown
  /** `previewed`: it begins with `start`. */
  readonly state: 'previewed' | 'running'
  readonly unit: string
  /** Absent: not known. */
  readonly total?: number
  readonly reason?: string
  /** Of `newJobId`. Absent: a new one. */
  readonly jobId?: string
}

export type JobAct = 'start' | 'pause' | 'resume' | 'cancel'

export type JobAnswer =
  | { readonly kind: 'ok'; readonly job: JobRecord }
  | { readonly kind: 'not_found' }
  | { readonly kind: 'not_now'; readonly detail: string }

const moves: Readonly<Record<JobAct, { readonly from: readonly JobState[]; readonly to: JobState }>> = {
  start: { from: ['previewed'], to: 'running' },
  pause: { from: ['running'], to: 'paused' },
  resume: { from: ['paused', 'failed'], to: 'running' },
  cancel: { from: ['previewed', 'running', 'paused', 'failed'], to: 'cancelled' },
}

export class JobDesk {
  readonly #book: JobBook
  readonly #runner: JobRunner

  constructor(book: JobBook, runner: JobRunner) {
    this.#book = book
    this.#runner = runner
  }

  async create(job: NewJob): Promise<{ readonly job: JobRecord; readonly created: boolean }> {
    const record = newRecord(job, this.#book.now())
    if (await this.#book.create(record)) return { job: record, created: true }
    const found = await this.#book.read(record.job_id) // invariant 1
    if (found === undefined) throw new Error(`the job ${record.job_id} was there and is gone`)
    return { job: found.record, created: false }
  }

  async get(jobId: string): Promise<JobRecord | undefined> {
    return (await this.#book.read(jobId))?.record
  }

  /** The newest first. */
  list(): Promise<readonly JobRecord[]> {
    return this.#book.list()
  }

  /** Doing what is done already changes nothing. `beforehand` is called before the job changes, if it is to. */
  async act(
    act: JobAct,
    jobId: string,
    beforehand: (job: JobRecord) => Promise<void> = async () => {},
  ): Promise<JobAnswer> {
    const { from, to } = moves[act]
    const found = await this.get(jobId)
    if (found !== undefined && from.includes(found.state)) await beforehand(found)
    let isMoved = false
    const job = await this.#book.change(jobId, record => {
      isMoved = from.includes(record.state)
      return isMoved ? movedTo(record, to, this.#book.now()) : undefined
    })
    if (job === undefined) return { kind: 'not_found' }
    if (isMoved || job.state === to) return { kind: 'ok', job }
    return {
      kind: 'not_now',
      detail: `The job is ${job.state}; ${act} is for one that is ${from.join(' or ')}.`,
    }
  }

  /** What became of it as of now; its counts where the kind has no report of its own. */
  async report(job: JobRecord): Promise<unknown> {
    const kind = this.#runner.kind(job.kind)
    return kind?.report === undefined ? { counts: job.counts } : kind.report(job)
  }
}

/** The same kind and idempotency key give the same id (invariant 1). */
export function newJobId(kind: string, idempotencyKey?: string): string {
  if (idempotencyKey !== undefined) return stableId('job', kind, idempotencyKey)
  return `job_${randomBytes(12).toString('hex')}`
}

function movedTo(record: JobRecord, state: JobState, now: string): JobRecord {
  const endedAt = state === 'cancelled' ? now : null
  const progress = { ...record.progress, rate_per_second: null }
  return { ...record, state, progress, ended_at: endedAt, failure: null, trouble: null }
}

function newRecord(job: NewJob, now: string): JobRecord {
  const { kind, jobId, requestedBy } = job
  return {
    job_id: jobId ?? newJobId(kind),
    kind,
    state: job.state,
    requested_by: { key_id: requestedBy.keyId ?? null, key_name: requestedBy.keyName ?? null },
    reason: job.reason ?? null,
    created_at: now,
    started_at: null,
    ended_at: null,
    updated_at: now,
    request: job.request,
    position: null,
    progress: { done: 0, total: job.total ?? null, unit: job.unit, rate_per_second: null },
    counts: {},
    lease: null,
    trouble: null,
    failure: null,
    approval_id: null,
  }
}
