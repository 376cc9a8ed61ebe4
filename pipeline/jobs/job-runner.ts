// Takes the jobs that are to run and works on them in this process, a few at a time.
// Invariants:
// 1. It takes a job that nobody owns, or whose owner has not written for `leaseMs` by this machine's clock. A process that
//    has just started takes at once what others own: the newest claim wins, and the fence keeps the older one out.
// 2. It takes no job of a kind that it does not know.
// 3. What the watch has missed is found by reading all records again.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { within } from '../broker/back-off.js'
import type { JobBook, KeptJob } from './job-book.js'
import type { JobKind } from './job-kind.js'
import { decodeJob, everyJobKey } from './job-record.js'
import { JobRun } from './job-run.js'

export interface JobRunnerOptions {
  readonly book: JobBook
  readonly log: Logger
  /** Unique to this process. */
  readonly owner: string
  readonly leaseMs?: number
  readonly mostAtOnce?: number
  /** How long a stop waits for the steps under way. */
  readonly drainMs?: number
}

interface Seen extends KeptJob {
  readonly sinceMs: number
}

const defaultLeaseMs = 10_000
const defaultMostAtOnce = 4
const rewatchMs = 1_000
const defaultDrainMs = 5_000

export class JobRunner {
  readonly #options: Required<JobRunnerOptions>
  readonly #kinds = new Map<string, JobKind>()
  /** Jobs that are to run, as the watch told them last. */
  readonly #toRun = new Map<string, Seen>()
  readonly #working = new Map<string, Promise<void>>()
  readonly #runs = new Map<string, JobRun>()
  #stopWatch: () => void = () => {}
  #sweep: NodeJS.Timeout | undefined
  /** The last revision that was there when this process started. */
  #foundUpTo: number | undefined
  #closed = false

  constructor(options: JobRunnerOptions) {
    this.#options = {
      leaseMs: defaultLeaseMs,
      mostAtOnce: defaultMostAtOnce,
      drainMs: defaultDrainMs,
      ...options,
    }
  }

  kind(kind: string): JobKind | undefined {
    return this.#kinds.get(kind)
  }

  start(kinds: readonly JobKind[]): void {
    for (const kind of kinds) this.#kinds.set(kind.kind, kind)
    void this.#watch()
    this.#sweep = setInterval(() => this.#takeAll(), this.#options.leaseMs / 4)
    this.#sweep.unref()
  }

  /** Ends the steps under way and frees the jobs for other processes. */
  async drain(): Promise<void> {
    this.#closed = true
    this.#stopWatch()
    clearInterval(this.#sweep)
    for (const run of this.#runs.values()) run.stop()
    await within(this.#options.drainMs, Promise.all(this.#working.values()))
  }

  async #watch(): Promise<void> {
    const { book, log } = this.#options
    while (!this.#closed) {
      try {
        if (this.#foundUpTo === undefined) this.#foundUpTo = await book.lastRevision()
        const changes = await book.kv.watch({ key: everyJobKey })
        this.#stopWatch = () => changes.stop()
        if (this.#closed) changes.stop()
        for await (const { value, revision } of changes) {
          const record = decodeJob(value)
          if (record !== undefined) this.#noticed({ record, revision })
        }
      } catch (error) {
        if (!this.#closed) log.warn({ err: error }, 'the watch on the jobs was interrupted')
      }
      if (!this.#closed) await sleep(rewatchMs, undefined, { ref: false }) // invariant 3: the watch begins with all records
    }
  }

  #noticed(kept: KeptJob): void {
    const { job_id: jobId, state } = kept.record
    this.#runs.get(jobId)?.noticed(kept)
    const isFound = kept.revision <= (this.#foundUpTo ?? 0)
    const sinceMs = isFound ? Number.NEGATIVE_INFINITY : performance.now() // invariant 1
    if (state !== 'running') this.#toRun.delete(jobId)
    else this.#toRun.set(jobId, { ...kept, sinceMs })
    this.#takeAll()
  }

  #takeAll(): void {
    for (const seen of this.#toRun.values()) {
      if (this.#closed || this.#working.size >= this.#options.mostAtOnce) return
      if (this.#mayTake(seen)) this.#take(seen)
    }
  }

  #mayTake({ record, sinceMs }: Seen): boolean {
    if (this.#working.has(record.job_id) || !this.#kinds.has(record.kind)) return false // invariant 2
    const { owner, leaseMs } = this.#options
    if (record.lease === null || record.lease.owner === owner) return true
    return performance.now() - sinceMs >= leaseMs // invariant 1
  }

  #take(seen: Seen): void {
    const { job_id: jobId } = seen.record
    const work = this.#work(seen).finally(() => {
      this.#working.delete(jobId)
      this.#takeAll()
    })
    this.#working.set(jobId, work)
  }

  async #work(seen: Seen): Promise<void> {
    const { book, log, owner, leaseMs } = this.#options
    const { job_id: jobId, kind } = seen.record
    try {
      const run = await JobRun.claim({ book, log, owner, leaseMs, kind: this.#kinds.get(kind)! }, seen)
      if (run === undefined) {
        // Somebody has written: the watch brings the newer record, or has brought it.
        if (this.#toRun.get(jobId)?.revision === seen.revision) this.#toRun.delete(jobId)
        return
      }
      this.#runs.set(jobId, run)
      if (this.#closed) run.stop()
      await run.run()
    } catch (error) {
      log.warn({ job: jobId, err: error }, 'the job cannot be taken now')
      await sleep(rewatchMs, undefined, { ref: false })
    } finally {
      this.#runs.delete(jobId)
    }
  }
}
