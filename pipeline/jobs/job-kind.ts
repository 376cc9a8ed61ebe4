// The port of a kind of job: how a feature does one step of it. The room `jobs` does the rest: the record, the lease,
// progress, pause, resume and cancel.
// Invariant: a step may be made again from the same position, by this process or by another one after a kill, and changes
// nothing that the first attempt has done already.

import type { JobRecord } from './job-record.js'

export interface JobKind {
  /** Its name in the record, such as `redrive`. */
  readonly kind: string
  /**
   * One step from `job.position` on: short, since a pause waits for its end. `signal` fires when the job is cancelled or
   * the process stops; a step may then end early by throwing. An error is trouble: the step is made again after a pause.
   * A `JobFailure` ends the job.
   */
  step(job: JobRecord, signal: AbortSignal): Promise<StepOutcome>
  /** What became of it as of now. Absent: the record says it all. */
  report?(job: JobRecord): Promise<unknown>
}

export interface StepOutcome {
  readonly kind: 'goes_on' | 'done'
  /** Where the next step begins. */
  readonly position: unknown
  /** In all, not of this step. */
  readonly done: number
  /** Absent: as before. */
  readonly total?: number
  /** In all, by name. Absent: as before. */
  readonly counts?: Readonly<Record<string, number>>
  /** How long to wait before the next step; a pause or a cancel ends the wait. */
  readonly waitMs?: number
  /** What it waits for, until a step says otherwise. */
  readonly approvalId?: string
}

/** The job cannot go on, and waiting does not help. `code` is stable. */
export class JobFailure extends Error {
  override readonly name = 'JobFailure'
  readonly code: string
  constructor(code: string, detail: string) {
    super(detail)
    this.code = code
  }
}
