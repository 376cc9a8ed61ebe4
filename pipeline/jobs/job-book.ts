// Reads and writes the records of jobs in the bucket `weir_jobs`.
// Invariants:
// 1. Every write names the revision that it replaces: the fence. Of two writers that know the same record one is refused.
// 2. Keys are never deleted: the list of jobs is read from the subjects of the bucket's stream.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { bucketKeys } from '../broker/bucket-keys.js'
import { isWrongRevision } from '../broker/wrong-revision.js'
import { decodeJob, encodeJob, everyJobKey, type JobRecord, jobKey, jobsBucket } from './job-record.js'

export interface KeptJob {
  readonly record: JobRecord
  readonly revision: number
}

export interface JobBookOptions {
  /** The bucket `weir_jobs`. */
  readonly kv: KV
  readonly jsm: JetStreamManager
  readonly nowMs?: () => number
}

export class JobBook {
  readonly kv: KV
  readonly #jsm: JetStreamManager
  readonly #nowMs: () => number

  constructor({ kv, jsm, nowMs = Date.now }: JobBookOptions) {
    this.kv = kv
    this.#jsm = jsm
    this.#nowMs = nowMs
  }

  now(): string {
    return new Date(this.#nowMs()).toISOString()
  }

  /** Of the newest write to any job. */
  async lastRevision(): Promise<number> {
    return (await this.#jsm.streams.info(`KV_${jobsBucket}`)).state.last_seq
  }

  async read(jobId: string): Promise<KeptJob | undefined> {
    const entry = /^[\w-]{1,64}$/.test(jobId) ? await this.kv.get(jobKey(jobId)) : null
    if (entry === null) return undefined
    const record = decodeJob(entry.value)
    if (record === undefined) throw new Error(`the record of the job ${jobId} cannot be read`)
    return { record, revision: entry.revision }
  }

  /** All jobs, the newest first. */
  async list(): Promise<readonly JobRecord[]> {
    const keys = await bucketKeys(this.#jsm, jobsBucket, everyJobKey)
    const jobs: JobRecord[] = []
    for (let from = 0; from < keys.length; from += readAtOnce) {
      const read = keys.slice(from, from + readAtOnce).map(key => this.read(key.slice('job.'.length)))
      for (const job of await Promise.all(read)) if (job !== undefined) jobs.push(job.record)
    }
    return jobs.sort((a, b) => (a.created_at < b.created_at ? 1 : -1))
  }

  /** False: there is a job of this id already. */
  async create(record: JobRecord): Promise<boolean> {
    try {
      await this.kv.put(jobKey(record.job_id), encodeJob(record), { previousSeq: 0 })
      return true
    } catch (error) {
      if (isWrongRevision(error)) return false
      throw error
    }
  }

  /** Replaces exactly the given revision. Undefined: somebody else has written meanwhile. */
  async replace(record: JobRecord, revision: number): Promise<KeptJob | undefined> {
    const next = { ...record, updated_at: this.now() }
    try {
      const written = await this.kv.update(jobKey(record.job_id), encodeJob(next), revision)
      return { record: next, revision: written }
    } catch (error) {
      if (isWrongRevision(error)) return undefined
      throw error
    }
  }

  /** Applies `change` to the newest record until it is stored; undefined from `change` leaves it as it is. */
  async change(
    jobId: string,
    change: (record: JobRecord) => JobRecord | undefined,
  ): Promise<JobRecord | undefined> {
    for (;;) {
      const kept = await this.read(jobId)
      if (kept === undefined) return undefined
      const next = change(kept.record)
      if (next === undefined) return kept.record
      const written = await this.replace(next, kept.revision)
      if (written !== undefined) return written.record
    }
  }
}

const readAtOnce = 32
