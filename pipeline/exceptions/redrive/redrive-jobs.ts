// The kinds of jobs that redriving brings: the redrive, with its dry run, and its undoing.

import type { FeatureParts } from '../../feature/feature.js'
import type { JobKind } from '../../jobs/job-kind.js'
import type { ExceptionDesk } from '../exception-desk.js'
import { approvedRedrive } from './approved-redrive.js'
import { dryRunReport, dryRunStep } from './dry-run.js'
import { redriveJob } from './redrive-job.js'
import { reportOf } from './redrive-report.js'
import { workOf } from './redrive-request.js'
import { undoJob } from './undo-job.js'

/** Of the broker's largest message: room for headers and subject. */
const envelopeBytes = 4096

type Parts = Pick<FeatureParts, 'approvals' | 'config' | 'js' | 'nc' | 'queries' | 'shadows'>

export function redriveJobs(
  { approvals, config, js, nc, queries, shadows }: Parts,
  desk: ExceptionDesk,
): readonly JobKind[] {
  const maxBytes = (nc.info?.max_payload ?? 1 << 20) - envelopeBytes
  const parts = { js, queries, desk, shadows, partitions: config.partitions, maxBytes }
  const redrive = redriveJob(parts, {
    dryRunStep: dryRunStep(parts),
    report: async job =>
      workOf(job.request, desk.rules.groups).isDryRun ? dryRunReport(job) : reportOf(queries, job.job_id),
  })
  return [approvedRedrive(redrive, approvals, desk), undoJob(parts)]
}
