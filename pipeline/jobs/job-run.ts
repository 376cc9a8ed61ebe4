// Works on one job in this process: step after step, until it ends, is paused or cancelled, or another process has it.
// Invariants:
// 1. A step's outcome is written before the next step begins, so that after a kill at most one step is made again.
// 2. The record names this process as the owner for as long as it works; a write that finds another owner ends the run.
// 3. A state that somebody else has set (paused, cancelled) is adopted, never overwritten; what the step did is kept.
// 4. The owner writes at least every `leaseMs / 3`, also during a long step: whoever sees no write for `leaseMs` may take
//    the job.

import type { Logger } from 'pino'
import { backOffMs, pauseFor } from '../broker/back-off.js'
import type { JobBook, KeptJob } from './job-book.js'
import { JobFailure, type JobKind, type StepOutcome } from './job-kind.js'
import type { JobRecord } from './job-record.js'

export interface JobRunOptions {
  readonly book: JobBook
  readonly kind: JobKind
  /** Unique to this process. */
  readonly owner: string
  readonly leaseMs: number
  readonly log: Logger
}

/** Another process works on the job now. */
class FencedError extends Error {
  override readonly name = 'FencedError'
}

const retry = { retryMinMs: 500, retryMaxMs: 30_000 }
/** Weight of the last step in the rate that is shown. */
const newestWeight = 0.3

export class JobRun {
  readonly #options: JobRunOptions
  readonly #stop = new AbortController()
  /** Ends a wait between steps. */
  #wake = new AbortController()
  #kept: KeptJob
  /** Somebody has set another state, which our next write adopts. */
  #isHalted = false
  #writes: Promise<unknown> = Promise.resolve()
  #lastStepMs = performance.now()

  private constructor(options: JobRunOptions, kept: KeptJob) {
    this.#options = options
    this.#kept = kept
  }

  /** Undefined: somebody else has written meanwhile. */
  static async claim(options: JobRunOptions, { record, revision }: KeptJob): Promise<JobRun | undefined> {
    const startedAt = record.started_at ?? options.book.now()
    const claimed = { ...record, started_at: startedAt, lease: { owner: options.owner } }
    const kept = await options.book.replace(claimed, revision)
    return kept === undefined ? undefined : new JobRun(options, kept)
  }

  /** Resolves when this process no longer works on the job. Never rejects. */
  async run(): Promise<void> {
    const { log } = this.#options
    const { job_id: job, kind } = this.#kept.record
    const beat = setInterval(() => void this.#beat(), this.#options.leaseMs / 3) // invariant 4
    try {
      for (let failures = 0; this.#mayGoOn(); ) failures = await this.#step(failures)
    } catch (error) {
      if (error instanceof FencedError) log.warn({ job, kind }, 'another process works on the job now')
      else log.error({ job, kind, err: error }, 'the job is left to be taken again')
      return
    } finally {
      clearInterval(beat)
    }
    await this.#write(record => ({ ...record, lease: null })).catch(() => undefined)
  }

  /** Somebody has written the record: a pause is seen at once, a cancel ends the step. */
  noticed(kept: KeptJob): void {
    if (kept.revision <= this.#kept.revision) return
    const { state, lease } = kept.record
    this.#isHalted = state !== 'running'
    if (state === 'cancelled' || lease?.owner !== this.#options.owner) this.stop()
    if (this.#isHalted) this.#wake.abort()
  }

  /** Ends the run after the step under way; its position is written, and the job is free for another process. */
  stop(): void {
    this.#stop.abort()
    this.#wake.abort()
  }

  #mayGoOn(): boolean {
    return !this.#stop.signal.aborted && !this.#isHalted && this.#kept.record.state === 'running'
  }

  /** Answers how many steps have failed one after the other. */
  async #step(failures: number): Promise<number> {
    this.#wake = new AbortController()
    let outcome: StepOutcome
    try {
      outcome = await this.#options.kind.step(this.#kept.record, this.#stop.signal)
    } catch (error) {
      if (!this.#stop.signal.aborted) return this.#failed(error, failures + 1)
      await this.#write(record => record) // adopts what made it stop
      return failures
    }
    const rate = this.#rateAfter(outcome)
    await this.#write(record => withOutcome(record, outcome, rate, this.#options.book.now())) // invariant 1
    const { kind, waitMs = 0 } = outcome
    if (kind === 'goes_on' && waitMs > 0 && this.#mayGoOn()) await pauseFor(waitMs, this.#wake.signal)
    return 0
  }

  /** Per second, waits included, smoothed over the last steps. */
  #rateAfter({ done }: StepOutcome): number | null {
    const nowMs = performance.now()
    const { rate_per_second: before } = this.#kept.record.progress
    const seconds = (nowMs - this.#lastStepMs) / 1000
    if (seconds <= 0) return before
    const newest = Math.max(0, done - this.#kept.record.progress.done) / seconds
    this.#lastStepMs = nowMs
    const rate = before === null ? newest : before * (1 - newestWeight) + newest * newestWeight
    return Number(rate.toFixed(3))
  }

  async #failed(error: unknown, failures: number): Promise<number> {
    const { log, book } = this.#options
    const { job_id: job, kind } = this.#kept.record
    const detail = error instanceof Error ? error.message : String(error)
    if (error instanceof JobFailure) {
      const failure = { code: error.code, detail }
      await this.#write(record => ({ ...record, state: 'failed', failure, ended_at: book.now() }))
      log.error({ job, kind, ...failure }, 'job failed')
      return failures
    }
    log.warn({ job, kind, err: error }, 'a step of the job did not get through')
    await this.#write(record => ({
      ...record,
      trouble: { detail, since: record.trouble?.since ?? book.now() },
    }))
    if (this.#mayGoOn()) await pauseFor(backOffMs(failures, retry, Math.random()), this.#wake.signal)
    return failures
  }

  #beat(): Promise<void> {
    return this.#write(record => record).catch(error => {
      if (error instanceof FencedError) this.stop()
    })
  }

  /** Writes one at a time, each on top of what is stored (invariants 2 and 3). */
  #write(change: (record: JobRecord) => JobRecord): Promise<void> {
    const done = this.#writes.then(() => this.#writeNow(change))
    this.#writes = done.catch(() => undefined)
    return done
  }

  async #writeNow(change: (record: JobRecord) => JobRecord): Promise<void> {
    const { book, owner } = this.#options
    for (;;) {
      const written = await book.replace(change(this.#kept.record), this.#kept.revision)
      if (written !== undefined) {
        this.#kept = written
        return
      }
      const found = await book.read(this.#kept.record.job_id)
      if (found === undefined || found.record.lease?.owner !== owner) throw new FencedError('fenced')
      this.#kept = found
    }
  }
}

/** The record after a step. What was cancelled meanwhile stays cancelled; what is done is done. */
function withOutcome(record: JobRecord, outcome: StepOutcome, rate: number | null, now: string): JobRecord {
  const { progress } = record
  const { position, done, total = progress.total, counts = record.counts } = outcome
  const next: JobRecord = {
    ...record,
    position,
    counts: { ...counts },
    trouble: null,
    approval_id: outcome.approvalId ?? null,
    progress: { ...progress, done, total, rate_per_second: rate },
  }
  const isDone = outcome.kind === 'done' && record.state !== 'cancelled'
  return isDone ? { ...next, state: 'done', ended_at: now } : next
}
