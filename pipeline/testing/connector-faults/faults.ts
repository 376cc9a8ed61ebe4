// How often the fake of a kind fails, and how Weir speaks to it. Chances are of a request that writes.

import type { RecordsChoice } from '../../../sinks/connector-kind.js'
import type { Rate } from '../../../sinks/http/limiter.js'
import type { Fault } from '../../../sinks/testing/fault.js'
import { kindNamed } from '../../connections/kinds.js'
import type { Terms } from './expected-documents.js'
import type { Chances } from './processes.js'

const everywhere: Chances = {
  '500_then_ok': 0.004,
  '500_after_commit': 0.003,
  '429_without': 0.004,
  '429_with_retry_after': 0.001,
  timeout_after_commit: 0.005,
  timeout_before_commit: 0.003,
  hang: 0.0005,
  closed_period: 0.001,
}

const withTokens: ReadonlySet<string> = new Set([
  ...[
    'netsuite',
    'business_central',
    'dynamics_finance',
    'oracle_fusion',
    'quickbooks',
    'xero',
    'zuora',
    'salesforce',
  ],
])
const withEuros: ReadonlySet<string> = new Set([
  ...['netsuite', 'sap_s4', 'intacct', 'dynamics_finance', 'quickbooks'],
])
/** Receivers that take many records in one request meet as many faults in fewer requests. By kind and variant: cases go alone. */
const timesMore: Readonly<Record<string, number>> = {
  xero: 10,
  oracle_fusion: 20,
  hubspot: 20,
  salesforce: 20,
}

export function chancesOf(kind: string, faultsTimes: number): Chances {
  const times = faultsTimes * (timesMore[kind] ?? 1)
  const chances: Chances = withTokens.has(nameOf(kind)) ? { ...everywhere, token_expired: 0.002 } : everywhere
  const all = Object.entries(chances).map(([fault, chance]) => [fault as Fault, chance * times] as const)
  return Object.fromEntries(all)
}

export function feedsOf(kind: string): readonly [RecordsChoice, ...RecordsChoice[]] {
  return kind === 'salesforce:cases' ? ['support_cases'] : kindNamed(nameOf(kind)).records
}

export function currenciesOf(kind: string): readonly string[] {
  return withEuros.has(nameOf(kind)) ? ['USD', 'EUR'] : ['USD']
}

export function measureOf(kind: string): Pick<Terms, 'measure' | 'billed' | 'toDebtors'> {
  const measure = kind === 'stripe' || kind === 'stripe:invoice_items' ? 'amount' : 'quantity'
  const billed = ['stripe', 'zuora'].includes(nameOf(kind)) ? 'customer' : 'subscription'
  return { measure, billed, toDebtors: nameOf(kind) === 'sap_s4' }
}

/** Of the vendor's limits those on requests at the same time; a run at one record a second would take hours. */
export function rateOf(kind: string): Rate | undefined {
  const { defaultRate } = kindNamed(nameOf(kind))
  if (defaultRate === undefined) return undefined
  const { per_minute: perMinute, per_second: perSecond, ...others } = defaultRate
  return {
    ...others,
    ...(perMinute === undefined ? {} : { per_minute: 100_000 }),
    ...(perSecond === undefined ? {} : { per_second: 2_000 }),
  }
}

export function nameOf(kind: string): string {
  return kind.split(':')[0] ?? kind
}
