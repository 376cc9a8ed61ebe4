// The job that fetches what a source could not send while Weir was away: it becomes arrivals, part by part, and is mapped like all
// others. What was delivered meanwhile is a duplicate.
//
//   money ─▶ subscriptions ─▶ the rest, each in the order of the source's own time
//
// Invariants:
// 1. A part is on disk before the position after it is written, so a step that is made again keeps duplicates alone.
// 2. What is older than the source keeps events is taken from the objects as they are now, before the events that are left; the job
//    says so in its request.

import { z } from 'zod'
import type { FeatureParts } from '../feature/feature.js'
import { JobFailure, type JobKind, type StepOutcome } from '../jobs/job-kind.js'
import type { JobRecord } from '../jobs/job-record.js'
import type { SourceDesk } from './source-desk.js'
import {
  type ArrivalDraft,
  type CatchUpStage,
  catchUpStages,
  type SourceReach,
  SourceTrouble,
} from './source-kind.js'

export const catchUpKind = 'source_catch_up'
const heldMs = 5_000
/** Waiting does not help: somebody has to mend the settings first. */
const settledBySomebody = new Set([
  'api_key_missing',
  'site_missing',
  'credentials_missing',
  'credentials_refused',
])

export const catchUpRequest = z.object({
  source: z.string(),
  from_ms: z.number(),
  until_ms: z.number(),
  which: z.enum(['undelivered', 'all']),
  /** Absent: all of the stretch is taken from events. */
  objects_because: z.string().optional(),
})
type Request = z.infer<typeof catchUpRequest>

const positionSchema = z.object({ pass: z.int(), stage: z.int(), position: z.unknown().optional() })
type Position = z.infer<typeof positionSchema>

export interface CatchUpParts {
  readonly desk: SourceDesk
  readonly flow: Pick<FeatureParts['flow'], 'summary'>
  readonly isFull: () => boolean
  readonly nowMs: () => number
}

export function catchUpJob(parts: CatchUpParts): JobKind {
  return {
    kind: catchUpKind,
    async step(job, signal) {
      const request = catchUpRequest.parse(job.request)
      const { done } = job.progress
      if (parts.flow.summary().mode !== 'normal' || parts.isFull())
        return { kind: 'goes_on', position: job.position, done, waitMs: heldMs }
      try {
        return await advance(parts, job, request, signal)
      } catch (error) {
        if (!(error instanceof SourceTrouble)) throw error
        if (settledBySomebody.has(error.code)) throw new JobFailure(error.code, error.message)
        if (error.retryAfterMs === undefined) throw error
        return { kind: 'goes_on', position: job.position, done, waitMs: error.retryAfterMs }
      }
    },
  }
}

async function advance(
  { desk, nowMs }: CatchUpParts,
  job: JobRecord,
  request: Request,
  signal: AbortSignal,
): Promise<StepOutcome> {
  const reach = desk.named(request.source)?.reach
  if (reach === undefined || (reach.catchUp === undefined && reach.objects === undefined))
    throw new JobFailure(
      'catch_up_not_possible',
      `The source ${request.source} is not there, or cannot be asked.`,
    )
  const passes = passesOf(reach, request)
  const at: Position =
    job.position === null ? { pass: 0, stage: 0, position: undefined } : positionSchema.parse(job.position)
  const stage = catchUpStages[at.stage] ?? 'rest'
  const part = await partOf(
    reach,
    passes[at.pass] ?? 'events',
    stage,
    { request, position: at.position, nowMs },
    signal,
  )
  const stored = await keep(desk, request.source, part.arrivals)
  const counts = countsAfter(job, stage, part.arrivals.length, stored)
  const done = job.progress.done + part.arrivals.length
  const next = after(at, part.position, passes.length)
  if (next === undefined) return { kind: 'done', position: at, done, counts }
  return { kind: 'goes_on', position: next, done, counts }
}

function passesOf(reach: SourceReach, { objects_because }: Request): readonly ('objects' | 'events')[] {
  const ofEvents = reach.catchUp === undefined ? [] : (['events'] as const)
  const ofObjects = objects_because === undefined || reach.objects === undefined ? [] : (['objects'] as const)
  return [...ofObjects, ...ofEvents]
}

interface Asked {
  readonly request: Request
  readonly position: unknown
  readonly nowMs: () => number
}

async function partOf(
  reach: SourceReach,
  pass: 'objects' | 'events',
  stage: CatchUpStage,
  { request, position, nowMs }: Asked,
  signal: AbortSignal,
): Promise<{ readonly arrivals: readonly ArrivalDraft[]; readonly position: unknown }> {
  const { from_ms, until_ms, which } = request
  if (pass === 'objects') {
    const found = await reach.objects?.({ stage, sinceMs: from_ms, position }, signal)
    return { arrivals: found?.objects.map(({ arrival }) => arrival) ?? [], position: found?.position }
  }
  const fromMs = Math.max(from_ms, reach.keepsMs === undefined ? 0 : nowMs() - reach.keepsMs)
  if (fromMs >= until_ms) return { arrivals: [], position: undefined }
  const asked = { fromMs, untilMs: until_ms, stage, which, position }
  return (await reach.catchUp?.(asked, signal)) ?? { arrivals: [], position: undefined }
}

/** Answers how many were not there before. They are sent in their order, and stored in it unless one has to be sent again. */
async function keep(desk: SourceDesk, source: string, drafts: readonly ArrivalDraft[]): Promise<number> {
  const kept = await Promise.all(drafts.map(draft => desk.arrivals.keep(source, draft, 'catch_up')))
  const failed = kept.find(one => one.kind === 'failed')
  if (failed?.kind === 'failed') throw new SourceTrouble('broker_unavailable', failed.detail)
  return kept.filter(({ kind }) => kind === 'stored').length
}

function countsAfter(
  job: JobRecord,
  stage: CatchUpStage,
  read: number,
  stored: number,
): Record<string, number> {
  const add = (name: string, more: number) => ({ [name]: (job.counts[name] ?? 0) + more })
  return { ...job.counts, ...add('stored', stored), ...add('duplicates', read - stored), ...add(stage, read) }
}

function after({ pass, stage }: Position, position: unknown, passes: number): Position | undefined {
  if (position !== undefined) return { pass, stage, position }
  if (stage + 1 < catchUpStages.length) return { pass, stage: stage + 1, position: undefined }
  return pass + 1 < passes ? { pass: pass + 1, stage: 0, position: undefined } : undefined
}
