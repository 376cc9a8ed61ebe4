// Makes the document of how each customer stands, from ClickHouse's rows and the open exceptions. Pure.
// Invariant: a customer of which nothing was ever known has none; two documents are the same to a receiver when their fingerprints are.

import { hash } from 'node:crypto'
import { stableId } from '../../../schemas/identifiers.js'
import { canonicalJson } from '../../../schemas/json/canonical-json.js'
import { formatInstantMs } from '../../../schemas/time.js'
import type { StandingRow } from '../../../sinks/clickhouse/customer-standings.js'
import type { CurrencyStanding, StandingDocument } from '../../../sinks/write-back/standing-record.js'
import type { OpenOfCustomer } from '../../feature/open-exceptions.js'

/** The worst first. */
const dunningStates = ['exhausted', 'retrying', 'overdue', 'none']

export function standingsOf(
  rows: readonly StandingRow[],
  open: ReadonlyMap<string, OpenOfCustomer>,
  /** Customers that were told of earlier: what nothing is known of any more is told, too. */
  toldEarlier: readonly string[],
  nowMs: number,
): readonly StandingDocument[] {
  const byCustomer = new Map<string, StandingRow[]>()
  for (const row of rows) byCustomer.set(row.customer_id, [...(byCustomer.get(row.customer_id) ?? []), row])
  const customers = [...new Set([...byCustomer.keys(), ...open.keys(), ...toldEarlier])]
    .filter(id => id !== '')
    .sort()
  return customers.map(id => standingOf(id, byCustomer.get(id) ?? [], open.get(id), nowMs))
}

function standingOf(
  customerId: string,
  rows: readonly StandingRow[],
  open: OpenOfCustomer | undefined,
  nowMs: number,
): StandingDocument {
  const atStake = new Map((open?.atStake ?? []).map(one => [one.currency, one.amount]))
  const currencies = [...new Set([...rows.map(one => one.currency), ...atStake.keys()])].sort()
  const asOf = formatInstantMs(nowMs)
  return {
    standing_id: stableId('cs', customerId, asOf),
    customer_id: customerId,
    entity_id: rows.find(one => one.entity_id !== '')?.entity_id ?? '',
    as_of: asOf,
    correlation_id: rows.find(one => one.correlation_id !== '')?.correlation_id ?? open?.correlationId ?? '',
    dunning: dunningStates.find(state => rows.some(one => one.dunning === state)) ?? 'none',
    open_exceptions: open?.count ?? 0,
    exceptions_not_known: open?.notKnown ?? 0,
    currencies: currencies.map(currency =>
      inCurrency(
        currency,
        rows.find(one => one.currency === currency),
        atStake.get(currency) ?? '0',
      ),
    ),
  }
}

function inCurrency(currency: string, row: StandingRow | undefined, atStake: string): CurrencyStanding {
  return {
    currency,
    invoiced: row?.invoiced ?? '0',
    paid: row?.paid ?? '0',
    outstanding: row?.outstanding ?? '0',
    overdue: row?.overdue ?? '0',
    open_invoices: row?.open_invoices ?? 0,
    overdue_invoices: row?.overdue_invoices ?? 0,
    dunning: row?.dunning ?? 'none',
    failed_since: row === undefined || row.failed_since === '' ? null : row.failed_since,
    failed_attempts: row?.failed_attempts ?? 0,
    last_reason: row?.last_reason ?? '',
    at_stake: atStake,
  }
}

/** Of what a receiver is told, without when and why. */
export function fingerprintOf(standing: StandingDocument): string {
  const { standing_id: _, as_of: __, correlation_id: ___, ...told } = standing
  return hash('sha256', canonicalJson(told), 'hex').slice(0, 32)
}
