// Follows a job of a running Weir to its end, with a progress bar on a terminal.

import { setTimeout as sleep } from 'node:timers/promises'
import { callGateway, type Gateway } from '../terminal/gateway-client.js'
import type { CliIo } from '../terminal/io.js'
import { showProgress } from '../terminal/progress.js'
import type { JobView } from './job-record.js'

/** Short jobs are told at once; of long ones nobody sees half a second. */
const firstPollMs = 50
const pollMs = 500
/** How long a Weir may be away before the wait is given up. */
const awayMs = 60_000

export function readJob(gateway: Gateway, jobId: string): Promise<JobView> {
  return callGateway<JobView>(gateway, `/v1/jobs/${encodeURIComponent(jobId)}`)
}

/** Waits for a Weir that is away for a while: the job goes on when it is there again. */
async function readPatiently(
  gateway: Gateway,
  jobId: string,
  notice: (line: string) => void,
): Promise<JobView> {
  const deadlineMs = performance.now() + awayMs
  for (let failures = 0; ; failures += 1) {
    try {
      return await readJob(gateway, jobId)
    } catch (error) {
      const { message } = error as Error
      if (/^4\d\d /.test(message) || performance.now() > deadlineMs) throw error
      if (failures === 0) notice(message)
      await sleep(pollMs)
    }
  }
}

/**
 * Resolves when the job no longer runs: done, failed, cancelled, paused, or waiting for somebody. Trouble of its steps is
 * told as it comes.
 */
export async function watchJob(
  gateway: Gateway,
  jobId: string,
  io: CliIo,
  isQuiet: boolean,
): Promise<JobView> {
  let job = await readJob(gateway, jobId)
  const progress = showProgress(io, isQuiet)
  const bar = progress.step(`${job.kind} ${job.progress.unit}`, job.progress.total ?? 0)
  let shown = 0
  let trouble: string | undefined
  let approval: string | null = null
  for (let waitMs = firstPollMs; ; waitMs = Math.min(pollMs, waitMs * 1.5)) {
    bar.advance(job.progress.done - shown)
    shown = job.progress.done
    if (job.trouble !== null && job.trouble.detail !== trouble) progress.notice(job.trouble.detail)
    trouble = job.trouble?.detail
    if (job.approval_id !== null && job.approval_id !== approval)
      progress.notice(`It waits for a second person: weir approvals show ${job.approval_id}`)
    approval = job.approval_id
    if (job.state !== 'running') break
    await sleep(waitMs)
    job = await readPatiently(gateway, jobId, progress.notice)
  }
  bar.done()
  return job
}
