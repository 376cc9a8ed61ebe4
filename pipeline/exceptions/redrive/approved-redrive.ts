// A redrive begins when no rule of approvals holds it, or a second person has released it.
// Invariants: nothing is published before; what is held is asked for again from the same position, so a killed process
// needs no memory of the answer.

import type { ApprovalAnswer, ApprovalGate } from '../../gateway/approval-gate.js'
import { JobFailure, type JobKind, type StepOutcome } from '../../jobs/job-kind.js'
import type { JobRecord } from '../../jobs/job-record.js'
import type { ExceptionDesk } from '../exception-desk.js'
import { type RedriveWork, workOf } from './redrive-request.js'

const askAgainMs = 2_000
/** The currency of money that is not known: rules of every currency hold it. */
const anyCurrency = ''

export function approvedRedrive(redrive: JobKind, approvals: ApprovalGate, desk: ExceptionDesk): JobKind {
  return {
    ...redrive,
    async step(job, signal) {
      const work = workOf(job.request, desk.rules.groups)
      if (job.position !== null || work.isDryRun) return redrive.step(job, signal)
      const answer = await answerFor(job, work, approvals, desk)
      switch (answer.kind) {
        case 'free':
          return redrive.step(job, signal)
        case 'held':
          return waitsFor(answer.approvalId)
        case 'rejected':
          throw new JobFailure('approval_rejected', `${answer.approvalId} was rejected: ${answer.reason}`)
        default:
          return answer satisfies never
      }
    },
  }
}

async function answerFor(
  job: JobRecord,
  { filter }: RedriveWork,
  approvals: ApprovalGate,
  desk: ExceptionDesk,
): Promise<ApprovalAnswer> {
  const before = await approvals.answerOf('redrive', job.job_id)
  if (before !== undefined) return before
  if (!approvals.concerns('redrive')) return { kind: 'free' }
  const money = await desk.money(filter)
  const isKnown = money.not_known === 0 && money.not_counted === 0
  const amounts = isKnown ? money.at_stake : [...money.at_stake, { currency: anyCurrency, amount: null }]
  const { key_id, key_name } = job.requested_by
  return approvals.ask({
    kind: 'redrive',
    id: job.job_id,
    facts: { amounts },
    evidence: { request: job.request, exceptions: job.progress.total, money },
    requestedBy: { keyId: key_id ?? undefined, ...(key_name === null ? {} : { keyName: key_name }) },
  })
}

function waitsFor(approvalId: string): StepOutcome {
  return { kind: 'goes_on', position: null, done: 0, waitMs: askAgainMs, approvalId }
}
