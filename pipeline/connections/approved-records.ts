// The gate of a connection's records: the flow control, behind it the gates of customers, and behind those the rules of
// approvals, which hold a record until a second person releases it.
// Invariants:
// 1. What was held once is free only by a decision, also when the rules change: what is known of it goes before the rules.
// 2. While facts that a rule looks at cannot be read the record waits, and is asked for again by itself.
// 3. No rule of deliveries: nothing is asked, and nothing is read.

import type { Attempt } from '../../schemas/billing/delivery.js'
import { deliveryIdOf } from '../../schemas/billing/delivery.js'
import type { ConnectorRecord } from '../../sinks/connector.js'
import {
  type FlowGate,
  type Hold,
  type RecordGate,
  type Refusal,
  rejectedByApproval,
} from '../deliver/flow-gate.js'
import type { StatusGates } from '../deliver/status-gates.js'
import type { ApprovalAnswer, ApprovalGate } from '../gateway/approval-gate.js'
import { type RecordFacts, subjectOf } from './record-facts.js'

export interface ApprovedRecordsOptions {
  readonly flow: Pick<FlowGate, 'record' | 'onChange'>
  readonly gates: Pick<StatusGates, 'record' | 'onChange'>
  readonly approvals: ApprovalGate
  readonly facts: RecordFacts
  readonly nowMs: () => number
}

/** How long until facts that could not be read are asked for again. */
const askAgainMs = 2_000

export class ApprovedRecords implements RecordGate {
  readonly #options: ApprovedRecordsOptions

  constructor(options: ApprovedRecordsOptions) {
    this.#options = options
  }

  async record(
    connection: string,
    record: ConnectorRecord,
    attempts: readonly Attempt[],
  ): Promise<Hold | Refusal | undefined> {
    const { flow, gates, approvals, facts, nowMs } = this.#options
    const hold = (await flow.record(connection, record)) ?? gates.record(connection, record)
    if (hold !== undefined) return hold
    const id = deliveryIdOf(connection, record)
    const known = approvals.known('delivery', id) // invariant 1
    if (known !== undefined) return holdOf(known)
    if (!approvals.concerns('delivery', subjectOf(connection, record))) return undefined // invariant 3
    try {
      return holdOf(await approvals.ask({ id, ...(await facts.of(connection, record, attempts)) }))
    } catch (error) {
      const detail = `what its rules look at cannot be read now: ${String(error).slice(0, 200)}`
      return { code: 'waiting_approval', detail, untilMs: nowMs() + askAgainMs } // invariant 2
    }
  }

  onChange(listener: () => void): () => void {
    const { flow, gates, approvals } = this.#options
    const forget = [
      flow.onChange(listener),
      gates.onChange(listener),
      approvals.onDecision(({ kind }) => {
        if (kind === 'delivery') listener()
      }),
    ]
    return () => {
      for (const end of forget) end()
    }
  }
}

function holdOf(answer: ApprovalAnswer): Hold | Refusal | undefined {
  switch (answer.kind) {
    case 'free':
      return undefined
    case 'held':
      return { code: 'waiting_approval', detail: `${answer.approvalId} waits for a second person` }
    case 'rejected': {
      const detail = `${answer.approvalId} was rejected: ${answer.reason}`
      return { isFinal: true, code: rejectedByApproval, detail }
    }
    default:
      return answer satisfies never
  }
}
