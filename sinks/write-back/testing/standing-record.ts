// How a customer stands and a support case, as connectors get them, for tests.

import type { ConnectorRecord } from '../../connector.js'
import { type CaseDocument, caseSchema } from '../case-record.js'
import { type CurrencyStanding, type StandingDocument, standingSchema } from '../standing-record.js'

const recordedAt = '2026-11-01T00:00:00Z'

export function currencyStanding(changes: Partial<CurrencyStanding> = {}): CurrencyStanding {
  return {
    currency: 'EUR',
    invoiced: '100',
    paid: '40.5',
    outstanding: '59.5',
    overdue: '9.5',
    open_invoices: 2,
    overdue_invoices: 1,
    dunning: 'retrying',
    failed_since: '2026-10-20T08:00:00Z',
    failed_attempts: 3,
    last_reason: 'card_declined',
    at_stake: '1.25',
    ...changes,
  }
}

export function standingRecord(n: number, changes: Partial<StandingDocument> = {}): ConnectorRecord {
  const id = changes.standing_id ?? `cs_${String(n).padStart(4, '0')}`
  const document: StandingDocument = {
    standing_id: id,
    customer_id: `cus_${n}`,
    entity_id: '',
    as_of: '2026-11-01T00:00:00.000Z',
    correlation_id: `deal_${n}`,
    dunning: 'retrying',
    open_exceptions: n,
    exceptions_not_known: 0,
    currencies: [currencyStanding()],
    ...changes,
  }
  standingSchema.parse(document)
  return { kind: 'customer_standing', id, key: id, recordedAt, document }
}

export function exceptionIdOf(n: number): string {
  return `exc_${String(n).padStart(24, '0')}`
}

export function caseRecord(n: number, changes: Partial<CaseDocument> = {}): ConnectorRecord {
  const exception = exceptionIdOf(n)
  const { number = 1 } = changes
  const document: CaseDocument = {
    exception_id: exception,
    state: 'open',
    number,
    code: 'invalid_value',
    owner: 'data-team',
    customer_id: `cus_${n}`,
    correlation_id: '',
    as_of: '2026-11-01T00:00:00.000Z',
    subject: `invalid_value for cus_${n}: The value is not a number.`,
    description: 'The value is not a number.\n\nOwner: data-team',
    comment: number === 1 ? '' : 'It was redriven. ann: mended',
    ...changes,
  }
  caseSchema.parse(document)
  const id = `${exception}-${number}`
  return { kind: 'support_case', id, key: id, recordedAt, document }
}
