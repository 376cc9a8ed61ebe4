// What a run publishes as Weir itself would: journals or their summaries on POSTINGS, or billing batches on BILLING. Every
// twentieth record corrects an earlier one and has to come after it.

import { batchToWire, sealBatch } from '../../../schemas/billing/billing-batch.js'
import type { BillingRunRecord } from '../../../schemas/billing/billing-run.js'
import { chargeOf, chargeSchema } from '../../../schemas/billing/charge.js'
import { stableId } from '../../../schemas/identifiers.js'
import type { RecordsChoice } from '../../../sinks/connector-kind.js'
import { batchLineRecord } from '../../../sinks/testing/batch-line-record.js'
import { journalRecord } from '../../../sinks/testing/journal-record.js'
import {
  caseRecord,
  currencyStanding,
  exceptionIdOf,
  standingRecord,
} from '../../../sinks/write-back/testing/standing-record.js'

export interface Sending {
  readonly feed: RecordsChoice
  readonly records: number
  readonly customers: readonly string[]
  readonly currencies: readonly string[]
  readonly nowMs: number
}

export const runId = 'run_1'

/** The run that the batches are of; Weir posts their journals as of any other. */
export function billingRun(nowMs: number): BillingRunRecord {
  const now = new Date(nowMs).toISOString()
  return {
    billing_run_id: runId,
    ...{ cutoff: now, requested_at: now, entity_id: null, preview: false, requested_by: null },
    ...{ customer_id: null, held: [] },
    ...{ partitions: 1, ledger_after: 0, ordered: true, after: { METERING: [0], LIFECYCLE: [0] } },
  }
}

export interface SentMessage {
  readonly natsSubject: string
  readonly body: string
}

const linesOfBatch = 50
const correctsEach = 20
const correctsBack = 9
const days = 28
const dayMs = 86_400_000

export function messagesOf(sending: Sending): SentMessage[] {
  const { feed, records } = sending
  if (feed === 'batch_lines') return batchesOf(sending)
  if (feed === 'customer_standings' || feed === 'support_cases')
    return Array.from({ length: records }, (_, n) => writtenBack(n, sending))
  return Array.from({ length: records }, (_, n) => ({
    natsSubject: feed === 'summaries' ? `summaries.default.${runId}` : 'postings.default',
    body: JSON.stringify(journal(n, sending)),
  }))
}

function journal(n: number, sending: Sending): object {
  const { feed, currencies, nowMs } = sending
  const date = dayOf(n, nowMs)
  const { document } = journalRecord(n, {
    amount: amountOf(n),
    currency: currencies[n % currencies.length]!,
    date,
    customer: 'acme',
  })
  const id = stableId('je', 'faults', String(n))
  const named = { ...document, journal_id: id, idempotency_key: id }
  if (feed === 'journals') return { ...named, corrects: corrects(n) ?? '' }
  const ofNoCharge = { charge_id: '', customer_id: '', subscription_id: '', plan: '', price: '', meter: '' }
  return { ...named, ...ofNoCharge, kind: 'summary', covers: { from: n + 1, to: n + 1 } }
}

/** Each of a customer or an exception of its own. */
function writtenBack(n: number, { feed, customers }: Sending): SentMessage {
  if (feed === 'support_cases') {
    const { document } = caseRecord(n)
    return { natsSubject: `write_back.case.${exceptionIdOf(n)}`, body: JSON.stringify(document) }
  }
  const currencies = [currencyStanding({ outstanding: amountOf(n) })]
  const customer = customers[n] ?? ''
  const { document } = standingRecord(n, { customer_id: customer, currencies })
  return { natsSubject: `write_back.standing.default.${customer}`, body: JSON.stringify(document) }
}

function batchesOf({ records, customers, nowMs }: Sending): SentMessage[] {
  const lines = Array.from({ length: records }, (_, n) => {
    const day = Date.parse(dayOf(n, nowMs))
    const { document } = batchLineRecord(n, {
      customer_id: customers[n % customers.length]!,
      service_period: { from: new Date(day).toISOString(), until: new Date(day + dayMs).toISOString() },
      quantity: String(1 + ((n * 7_919) % 100_003)),
      amount_rounded: amountOf(n),
      billing_run_id: runId,
    })
    const corrected = corrects(n)
    return chargeOf(
      chargeSchema.parse(corrected === undefined ? document : { ...document, corrects: corrected }),
    )
  })
  const of = Math.ceil(records / linesOfBatch)
  return Array.from({ length: of }, (_, at) => {
    const some = lines.slice(at * linesOfBatch, (at + 1) * linesOfBatch)
    const batch = { billingRunId: runId, entityId: '', currency: 'USD', number: at + 1, of, lines: some }
    return { natsSubject: 'billing.default', body: JSON.stringify(batchToWire(sealBatch(batch))) }
  })
}

/** The charge of an earlier record. */
function corrects(n: number): string | undefined {
  return n >= correctsEach && n % correctsEach === 0 ? `ch_${n - correctsBack}` : undefined
}

/** Up to ten million, with cents; no two neighbours alike. */
function amountOf(n: number): string {
  const cents = 1 + ((n * 104_729) % 999_999_937)
  return `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`
}

function dayOf(n: number, nowMs: number): string {
  return new Date(nowMs - (1 + (n % days)) * dayMs).toISOString().slice(0, 10)
}
