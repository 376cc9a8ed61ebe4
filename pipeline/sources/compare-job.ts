// The job that compares every subscription and customer of a source with ours, a part at a time: what is missing, extra or different.
// Invariant: what the source has is remembered in this process alone; one that goes on from the position of another begins anew.

import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import { JobFailure, type JobKind, type StepOutcome } from '../jobs/job-kind.js'
import type { JobRecord } from '../jobs/job-record.js'
import { compareObjects, type Difference, extra, ourSubscriptions } from './compare.js'
import type { RunningSource, SourceDesk } from './source-desk.js'
import { SourceTrouble } from './source-kind.js'

export const compareKind = 'source_compare'
const stages = ['subscriptions', 'rest'] as const
const oursMost = 5_000
/** Those that are told one by one; all are counted. */
const mostDifferences = 500
const mostSubscriptions = 2_000_000

export const compareRequest = z.object({ source: z.string() })
const positionSchema = z.object({
  stage: z.int(),
  position: z.unknown().optional(),
  /** Of ours, the last that was looked at. */
  after: z.string(),
  differences: z.array(z.custom<Difference>()),
})
type Position = z.infer<typeof positionSchema>

export interface CompareParts {
  readonly desk: SourceDesk
  readonly queries: ClickHouseClient
  readonly nowMs: () => number
}

export function compareJob(parts: CompareParts): JobKind {
  const seen = new Map<string, Set<string>>()
  return {
    kind: compareKind,
    async step(job, signal) {
      const { source } = compareRequest.parse(job.request)
      const running = parts.desk.named(source)
      if (running?.reach?.objects === undefined)
        throw new JobFailure(
          'compare_not_possible',
          `The source ${source} is not there, or has no list of objects.`,
        )
      try {
        const outcome = await advance(parts, running, job, seen, signal)
        if (outcome.kind === 'done') seen.delete(job.job_id)
        return outcome
      } catch (error) {
        if (!(error instanceof SourceTrouble)) throw error
        if (/^(?:api_key|site|credentials)_/.test(error.code)) throw new JobFailure(error.code, error.message)
        if (error.retryAfterMs === undefined) throw error
        const { done } = job.progress
        return { kind: 'goes_on', position: job.position, done, waitMs: error.retryAfterMs }
      }
    },
    report: async job => {
      const position = positionSchema.safeParse(job.position)
      return { counts: job.counts, differences: position.success ? position.data.differences : [] }
    },
  }
}

async function advance(
  parts: CompareParts,
  running: RunningSource,
  job: JobRecord,
  seenBy: Map<string, Set<string>>,
  signal: AbortSignal,
): Promise<StepOutcome> {
  const isNew = job.position === null || !seenBy.has(job.job_id)
  const seen = isNew ? new Set<string>() : (seenBy.get(job.job_id) ?? new Set<string>())
  seenBy.set(job.job_id, seen)
  const at: Position = isNew
    ? { stage: 0, position: undefined, after: '', differences: [] }
    : positionSchema.parse(job.position)
  const before = isNew ? { done: 0, counts: {} } : { done: job.progress.done, counts: job.counts }
  const stage = stages[at.stage]
  if (stage === undefined) return compareOurs(parts, running, at, before, seen)
  const objects = await running.reach!.objects!({ stage, position: at.position }, signal)
  const inForce = running.mapper.rulesInForce()
  if (inForce === undefined)
    throw new JobFailure('mapping_invalid', 'The source has no mapping that can be read.')
  const found = await compareObjects(running, parts.queries, objects.objects, inForce, parts.nowMs(), signal)
  for (const id of found.subscriptions) seen.add(id)
  if (seen.size > mostSubscriptions)
    throw new JobFailure('too_many_objects', `The source has more than ${mostSubscriptions} subscriptions.`)
  const isEnd = objects.position === undefined
  const next = { ...at, stage: isEnd ? at.stage + 1 : at.stage, position: objects.position }
  return goesOn(next, before, objects.objects.length, found.differences)
}

/** Of ours that this source has told of, those that it does not have any more. */
async function compareOurs(
  { queries }: CompareParts,
  running: RunningSource,
  at: Position,
  before: Before,
  seen: ReadonlySet<string>,
): Promise<StepOutcome> {
  const ours = await ourSubscriptions(queries, running, at.after, oursMost)
  const differences = ours.filter(id => !seen.has(id)).map(extra)
  const outcome = goesOn({ ...at, after: ours.at(-1) ?? at.after }, before, 0, differences)
  return ours.length < oursMost ? { ...outcome, kind: 'done' } : outcome
}

interface Before {
  readonly done: number
  readonly counts: Readonly<Record<string, number>>
}

function goesOn(next: Position, before: Before, more: number, found: readonly Difference[]): StepOutcome {
  const counts: Record<string, number> = {
    missing: 0,
    extra: 0,
    different: 0,
    not_mapped: 0,
    ...before.counts,
  }
  for (const { what } of found) counts[what] = (counts[what] ?? 0) + 1
  const differences = [...next.differences, ...found].slice(0, mostDifferences)
  return { kind: 'goes_on', position: { ...next, differences }, done: before.done + more, counts }
}
