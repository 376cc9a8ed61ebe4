// Undoes a redrive: each of its events is amended back to what was received, and is an open exception again.
// Invariants:
// 1. It is refused while a charge with one of the events has been billed; the check is made again at the first step.
// 2. It takes back what the redrive did and nothing else: its amendments come right behind those of the redrive, before
//    whatever anybody amended since, and the latest amendment of an event holds.

import { z } from 'zod'
import { formatInstant, parseInstant } from '../../../schemas/time.js'
import { JobFailure, type JobKind } from '../../jobs/job-kind.js'
import { parseFilter } from '../exception-filter.js'
import { type LeftAlone, type Redriven, undoEvent } from './mend-event.js'
import { publishAmendments } from './publish-amendments.js'
import {
  answer,
  exceptionsOfPage,
  menderOf,
  mostOfPage,
  nextPage,
  outcomeOf,
  type RedriveParts,
} from './redrive-job.js'
import { billedCharges, reportOf } from './redrive-report.js'
import { positionSchema, undoKind } from './redrive-request.js'

const requestSchema = z.object({
  job_id: z.string(),
  rate: z.int().min(1),
  /** When the redrive was created, which is the time of its amendments. */
  redriven_at: z.string(),
})

/** The first instant behind the amendments of the redrive (invariant 2). */
export function rightBehind(redrivenAt: string): string {
  const redrivenNs = parseInstant(redrivenAt)
  if (redrivenNs === undefined) throw new Error(`a job was created at ${redrivenAt}`)
  return formatInstant(redrivenNs + 1n)
}

export function undoJob(parts: RedriveParts): JobKind {
  return {
    kind: undoKind,
    async step(job) {
      const startedMs = performance.now()
      const { job_id: redrive, rate, redriven_at } = requestSchema.parse(job.request)
      const position = positionSchema.parse(job.position)
      if (position === null) await refuseBilled(parts, redrive) // invariant 1
      const mender = { ...menderOf(job), at: rightBehind(redriven_at) }
      const page = position?.page ?? []
      const exceptions = await exceptionsOfPage(parts.desk, page)
      const originals = await parts.desk.originals(exceptions)
      const mended = exceptions.map((one, index) => undoEvent(one, originals[index]!, mender))
      const redriven = mended.filter((one): one is Redriven => one.kind === 'redriven')
      const left = mended.filter((one): one is LeftAlone => one.kind === 'left')
      await publishAmendments(parts, redriven)
      await answer(parts, job, 'undone', redriven)
      const next = await nextPage(
        parts.desk,
        filterOf(redrive),
        position?.after ?? null,
        Math.min(mostOfPage, rate),
      )
      const waitMs = (page.length / rate) * 1_000 - (performance.now() - startedMs)
      return outcomeOf(job, { page, next, redriven, left, waitMs }, 'undone')
    },
    report: job => reportOf(parts.queries, requestSchema.parse(job.request).job_id),
  }
}

/** What the job answered, also where it has failed again since. */
function filterOf(jobId: string) {
  const parsed = parseFilter({ job: jobId, state: ['redriven', 'open'] })
  if (parsed.kind !== 'ok') throw new Error('the filter of a job is always valid')
  return parsed.filter
}

async function refuseBilled({ queries }: RedriveParts, jobId: string): Promise<void> {
  const billed = await billedCharges(queries, jobId)
  if (billed.length === 0) return
  throw new JobFailure('charges_billed', `Billed already: ${billed.map(one => one.charge_id).join(', ')}.`)
}
