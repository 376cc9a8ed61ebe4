// The job that runs a mapping again over a stretch of arrivals, some at a time.
// Invariant: the revision is raised once at the beginning, and is on record in the job before anything is sent, so that a step
// that is made again sends the same events.

import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import { recordedPosition } from '../deliver/delivered.js'
import type { FeatureParts } from '../feature/feature.js'
import { JobFailure, type JobKind } from '../jobs/job-kind.js'
import type { JobRecord } from '../jobs/job-record.js'
import { type RerunExample, rerunArrivals, rerunCounts } from './rerun.js'
import { record } from './settle.js'
import type { RunningSource, SourceDesk } from './source-desk.js'

export const rerunKind = 'source_rerun'
export const arrivalsFeed = 'clickhouse.arrivals'
const stepMost = 100
const mostExamples = 20
const waitMs = 300

export const rerunRequest = z.object({
  source: z.string(),
  from_ms: z.number(),
  until_ms: z.number(),
  dry_run: z.boolean(),
})
const positionSchema = z.object({
  sequence: z.int(),
  revision: z.int(),
  examples: z.array(z.custom<RerunExample>()),
})
type Position = z.infer<typeof positionSchema>

export function rerunJob(
  desk: SourceDesk,
  parts: Pick<FeatureParts, 'queries' | 'jsm' | 'buckets'>,
): JobKind {
  return {
    kind: rerunKind,
    async step(job) {
      const request = rerunRequest.parse(job.request)
      const running = desk.named(request.source)
      if (running === undefined)
        throw new JobFailure('source_missing', `There is no source ${request.source}.`)
      const { done } = job.progress
      if (!(await isTold(parts))) return { kind: 'goes_on', position: job.position, done, waitMs }
      if (job.position === null) {
        const position = await begin(running, request.dry_run)
        return { kind: 'goes_on', position, done }
      }
      return advance(desk, running, parts.queries, job, request)
    },
    report: async job => {
      const position = positionSchema.safeParse(job.position)
      return { counts: job.counts, examples: position.success ? position.data.examples : [] }
    },
  }
}

/** Raises the revision, unless nothing is to be sent. */
async function begin({ mapper, settling }: RunningSource, isDry: boolean): Promise<Position> {
  let revision = 0
  await mapper.alone(async checkpoint => {
    revision = checkpoint.revision + 1
    if (isDry) return checkpoint
    const raised = { ...checkpoint, revision }
    await record(settling, raised, [])
    return raised
  })
  return { sequence: 0, revision, examples: [] }
}

async function advance(
  desk: SourceDesk,
  running: RunningSource,
  clickhouse: ClickHouseClient,
  job: JobRecord,
  { source, from_ms, until_ms, dry_run }: z.infer<typeof rerunRequest>,
) {
  const before = positionSchema.parse(job.position)
  const start = before.sequence === 0 ? { timeMs: from_ms } : { sequence: before.sequence + 1 }
  const read = await desk.arrivals.some(source, start, stepMost)
  const upTo = running.mapper.status().position
  const arrivals = read.filter(one => one.receivedAtMs < until_ms && one.sequence <= upTo)
  const counts: Record<string, number> = Object.fromEntries(
    rerunCounts.map(name => [name, job.counts[name] ?? 0]),
  )
  const examples = [...before.examples]
  if (arrivals.length > 0)
    await running.mapper.alone(async (checkpoint, inForce) => {
      const raised = { ...checkpoint, revision: dry_run ? before.revision : checkpoint.revision }
      const rerun = await rerunArrivals(running.settling, clickhouse, arrivals, inForce, raised, dry_run)
      for (const name of rerunCounts) counts[name] = (counts[name] ?? 0) + rerun.counts[name]
      examples.push(...rerun.examples.slice(0, mostExamples - examples.length))
      return checkpoint
    })
  const isEnd = arrivals.length < read.length || read.length < stepMost
  const position: Position = { ...before, sequence: arrivals.at(-1)?.sequence ?? before.sequence, examples }
  const done = job.progress.done + arrivals.length
  return { kind: isEnd ? ('done' as const) : ('goes_on' as const), position, done, counts }
}

/** Whether ClickHouse has every outcome that is on record. */
async function isTold({ jsm, buckets }: Pick<FeatureParts, 'jsm' | 'buckets'>): Promise<boolean> {
  const { state } = await jsm.streams.info('ARRIVAL_OUTCOMES')
  return (await recordedPosition(buckets.sinks, arrivalsFeed)) >= state.last_seq
}
