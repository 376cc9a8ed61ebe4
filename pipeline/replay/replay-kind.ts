// The job of a replay: a step is one partition, from the beginning; what it found is kept under the job's id.
// Invariant: a step that is made again finds the same commit's answer or a newer one, and replaces what the first attempt
// kept.

import { z } from 'zod'
import { partitionOf } from '../../schemas/identifiers.js'
import type { FeatureParts } from '../feature/feature.js'
import { JobFailure, type JobKind, type StepOutcome } from '../jobs/job-kind.js'
import type { JobRecord } from '../jobs/job-record.js'
import { ShadowRefusal } from '../shadow/shadow-refusal.js'
import { replayPartition } from './replay-partition.js'
import { reportOf } from './replay-report.js'
import { type KeptRequest, keptRequestSchema } from './replay-request.js'
import type { ReplayStore } from './replay-store.js'

export const replayKindName = 'replay'

/** How many of the partitions are done. */
const positionSchema = z.int().nonnegative().nullable()

export function replayKind(
  parts: Pick<FeatureParts, 'shadows' | 'queries' | 'config'>,
  store: ReplayStore,
): JobKind {
  const partitionsOf = (request: KeptRequest) => replayedPartitions(request, parts.config.partitions)
  return {
    kind: replayKindName,
    async step(job, signal): Promise<StepOutcome> {
      const request = requestOf(job)
      const partitions = partitionsOf(request)
      const done = positionSchema.parse(job.position) ?? 0
      const partition = partitions[done]
      if (partition === undefined) return { kind: 'done', position: done, done }
      const writer = store.begin(job.job_id, partition)
      try {
        const write = (lines: Uint8Array) => writer.write(lines)
        const answer = await replayPartition(parts, { request, partition, signal, write })
        await writer.end(answer)
      } catch (error) {
        const isLasting = error instanceof ShadowRefusal && error.code !== 'history_not_delivered'
        throw isLasting ? new JobFailure(error.code, error.message) : error
      }
      const next = done + 1
      const kind = next < partitions.length ? 'goes_on' : 'done'
      return { kind, position: next, done: next, total: partitions.length }
    },
    report: job => reportOf(store, job.job_id, job.request, partitionsOf(requestOf(job))),
  }
}

/** Those of the customers that are compared. */
export function replayedPartitions({ customer_id: customer }: KeptRequest, partitions: number): number[] {
  return customer === null
    ? Array.from({ length: partitions }, (_, partition) => partition)
    : [partitionOf(customer, partitions)]
}

export function requestOf(job: JobRecord): KeptRequest {
  return keptRequestSchema.parse(job.request)
}
