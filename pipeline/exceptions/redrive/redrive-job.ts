// Redrives exceptions, a page at a step: mends each event, publishes the amendments, puts the answer on record.
// Invariants:
// 1. The exceptions of a step are named in the position before anything of it is published. So a step that was killed in
//    the middle is made again for the same events, with the same bytes, which the pipeline knows as duplicates.
// 2. The answer `redriven` is published after the amendments: an exception is never closed by what was not sent.
// 3. On the average no more events are published per second than the rate that was asked for.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JobKind, StepOutcome } from '../../jobs/job-kind.js'
import type { JobRecord } from '../../jobs/job-record.js'
import type { ExceptionDesk } from '../exception-desk.js'
import type { ExceptionFilter } from '../exception-filter.js'
import { type Exception, type Position, positionOf } from '../read-exceptions.js'
import { resolveExceptions } from '../resolve.js'
import { keepSealed } from './keep-sealed.js'
import { type LeftAlone, type Mender, mendEvent, type Redriven } from './mend-event.js'
import { type AmendmentTarget, publishAmendments } from './publish-amendments.js'
import { positionSchema, type RedrivePosition, redriveKind, workOf } from './redrive-request.js'

export interface RedriveParts extends AmendmentTarget {
  readonly queries: ClickHouseClient
  readonly desk: ExceptionDesk
}

/** Exceptions of one step. */
export const mostOfPage = 200

export interface RedriveKindOptions {
  /** Of a job whose request says so. */
  readonly dryRunStep: JobKind['step']
  readonly report: NonNullable<JobKind['report']>
}

export function redriveJob(parts: RedriveParts, { dryRunStep, report }: RedriveKindOptions): JobKind {
  return {
    kind: redriveKind,
    async step(job, signal) {
      const work = workOf(job.request, parts.desk.rules.groups)
      if (work.isDryRun) return dryRunStep(job, signal)
      const startedMs = performance.now()
      const position = positionSchema.parse(job.position)
      const page = position?.page ?? []
      const exceptions = await exceptionsOfPage(parts.desk, page)
      const { redriven, left } = await mendAll(parts.desk, exceptions, work.transform, menderOf(job))
      await publishAmendments(parts, redriven)
      await answer(parts, job, 'redriven', redriven)
      const size = Math.min(mostOfPage, work.rate)
      const next = await nextPage(parts.desk, work.filter, position?.after ?? null, size)
      const waitMs = (page.length / work.rate) * 1_000 - (performance.now() - startedMs) // invariant 3
      return outcomeOf(job, { page, next, redriven, left, waitMs })
    },
    report,
  }
}

export function menderOf(job: JobRecord): Mender {
  return { jobId: job.job_id, at: job.created_at, reason: job.reason ?? '' }
}

/** In whatever state they are: a step that is made again finds what the first attempt has answered. */
export async function exceptionsOfPage(
  desk: ExceptionDesk,
  ids: readonly string[],
): Promise<readonly Exception[]> {
  if (ids.length === 0) return []
  return desk.page({ filter: { id: [...ids] }, limit: ids.length, withPayload: true })
}

export async function nextPage(
  desk: ExceptionDesk,
  filter: ExceptionFilter,
  after: Position | null,
  limit: number,
): Promise<RedrivePosition> {
  const page = await desk.page({ filter, after: after ?? undefined, limit })
  const last = page.at(-1)
  if (last === undefined) return null
  return { page: page.map(({ exceptionId }) => exceptionId), after: positionOf(last) }
}

export interface MendedPage {
  readonly redriven: readonly Redriven[]
  readonly left: readonly LeftAlone[]
}

export async function mendAll(
  desk: ExceptionDesk,
  exceptions: readonly Exception[],
  transform: Parameters<typeof mendEvent>[2],
  mender: Mender,
): Promise<MendedPage> {
  const originals = await desk.originals(exceptions)
  const redriven: Redriven[] = []
  const left: LeftAlone[] = []
  for (const [index, exception] of exceptions.entries()) {
    const mended = answeredByOther(exception, mender.jobId)
      ? ({
          kind: 'left',
          exception,
          code: 'answered_meanwhile',
          detail: 'Somebody has answered it meanwhile.',
        } as const)
      : keepSealed(mendEvent(exception, originals[index]!, transform, mender), desk.personal)
    if (mended.kind === 'left') left.push(mended)
    else redriven.push(mended)
  }
  return { redriven, left }
}

function answeredByOther({ state, answer: given }: Exception, jobId: string): boolean {
  return (state === 'redriven' || state === 'discarded') && given?.jobId !== jobId
}

export async function answer(
  { js }: Pick<RedriveParts, 'js'>,
  job: JobRecord,
  resolution: 'redriven' | 'undone',
  redriven: readonly Redriven[],
): Promise<void> {
  const [first] = redriven
  if (first === undefined) return
  const { key_id: id, key_name: name } = job.requested_by
  await resolveExceptions(
    js,
    redriven.map(({ exception }) => exception),
    {
      resolution,
      reason: job.reason ?? '',
      atMs: Date.parse(job.created_at),
      key: id === null ? undefined : { id, name: name ?? '' },
      jobId: job.job_id,
      id: `${job.job_id}:${first.exception.exceptionId}`,
    },
  )
}

export interface StepDone extends MendedPage {
  readonly page: readonly string[]
  /** Null: there is no more. */
  readonly next: RedrivePosition
  readonly waitMs: number
}

export function outcomeOf(
  job: JobRecord,
  { page, next, redriven, left, waitMs }: StepDone,
  counted: 'redriven' | 'undone' = 'redriven',
): StepOutcome {
  const counts = { ...job.counts }
  const add = (name: string, count: number): void => {
    if (count > 0) counts[name] = (counts[name] ?? 0) + count
  }
  add(counted, redriven.length)
  for (const { code } of left) add(`left_${code}`, 1)
  add('left_not_found', page.length - redriven.length - left.length)
  const done = job.progress.done + page.length
  const gone = next === null ? (job.progress.total ?? done) - done : 0
  add('no_longer_open', gone)
  return {
    kind: next === null ? 'done' : 'goes_on',
    position: next,
    done,
    ...(gone > 0 ? { total: done } : {}),
    counts,
    ...(next === null ? {} : { waitMs: Math.max(0, waitMs) }),
  }
}
