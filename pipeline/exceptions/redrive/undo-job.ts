// Undoes a redrive: each of its events is amended back to what was received, and is an open exception again.
// Invariant: it is refused while a charge with one of the events has been billed; the check is made again at the first step.

import { z } from 'zod'
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

const requestSchema = z.object({ job_id: z.string(), rate: z.int().min(1) })

export function undoJob(parts: RedriveParts): JobKind {
  return {
    kind: undoKind,
    async step(job) {
      const startedMs = performance.now()
      const { job_id: redrive, rate } = requestSchema.parse(job.request)
      const position = positionSchema.parse(job.position)
      if (position === null) await refuseBilled(parts, redrive)
      const page = position?.page ?? []
      const exceptions = await exceptionsOfPage(parts.desk, page)
      const originals = await parts.desk.originals(exceptions)
      const mended = exceptions.map((one, index) => undoEvent(one, originals[index]!, menderOf(job)))
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
      return outcomeOf(job, { page, next, redriven, left, waitMs })
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
