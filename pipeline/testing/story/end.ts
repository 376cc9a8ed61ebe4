// What is there in the end, at every station, without the ids and moments that differ from run to run.

import type { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import type { Api } from './api.js'
import { customer, quoteId } from './deal.js'
import type { Systems } from './systems.js'

export interface End {
  readonly versions: readonly object[]
  readonly charges: readonly string[]
  readonly lines: readonly string[]
  readonly batches: readonly object[]
  readonly mrr: readonly string[]
  readonly stripe: readonly string[]
  readonly netsuite: readonly string[]
  readonly payments: readonly string[]
  readonly collections: readonly object[]
  readonly account: object
  /** Stations with rows that do not carry the quote's id, and how many they have. */
  readonly withoutCorrelation: Readonly<Record<string, number>>
  /** Of the customer or of anybody else. */
  readonly exceptions: number
  readonly reconciled: readonly string[]
}

export async function readEnd(systems: Systems, api: Api): Promise<End> {
  const texts = async (sql: string): Promise<readonly string[]> =>
    (await api.rows<{ text: string }>(sql)).map(one => one.text)
  return {
    versions: await api.rows(versionsSql),
    charges: await texts(chargesSql),
    lines: await texts(linesSql),
    batches: await api.rows(batchesSql),
    mrr: await texts(mrrSql),
    stripe: stripeItems(systems),
    netsuite: netsuiteEntries(systems),
    payments: await texts(paymentsSql),
    collections: await api.rows(collectionsSql),
    account: accountNow(systems),
    withoutCorrelation: await withoutCorrelation(systems, api),
    exceptions: (await api.get<{ exceptions: readonly object[] }>('/v1/exceptions')).exceptions.length,
    reconciled: await reconciled(systems.weir),
  }
}

/** Of the changes that take effect at one instant the highest sequence holds. */
const versionsSql = `SELECT toString(toDateTime(effective_from, 'UTC')) AS effective, argMax(plan, (sequence, revision)) AS plan,
  argMax(quantities['seats'], (sequence, revision)) AS seats, toString(argMax(mrr, (sequence, revision))) AS mrr
FROM subscription_versions GROUP BY effective_from ORDER BY effective_from`

const day = (column: string) => `toString(toDate(${column}, 'Europe/Berlin'))`
const chargesSql = `SELECT concat(plan, ' ', price, ' ', ${day('period_from')}, ' ', ${day('period_until')}, ' ', toString(quantity), ' ',
  toString(amount), ' ', toString(amount_rounded), ' ', status) AS text FROM charges ORDER BY text`
const linesSql = `SELECT concat(toString(billing_date), ' ', toString(amount), ' ', toString(amount_rounded)) AS text
FROM batch_lines ORDER BY text`
const batchesSql = `SELECT entity_id, currency, line_count, toString(amount_total) AS amount,
  toString(amount_rounded_total) AS rounded FROM billing_batches`
const mrrSql = `SELECT concat(toString(toDateTime(effective_at, 'UTC')), ' ', toString(sum(amount))) AS text
FROM mrr_movements GROUP BY effective_at HAVING sum(amount) != 0 ORDER BY text`
const paymentsSql = `SELECT concat(payment_id, ' ', status, ' ', toString(amount), ' ', invoice_id, ' ', reason) AS text
FROM payments ORDER BY event_time`
const collectionsSql = `SELECT entity_id, currency, toString(sum(invoiced)) AS invoiced, toString(sum(collected)) AS collected,
  toString(sum(failed)) AS failed, toString(argMax(outstanding, month)) AS outstanding, toString(argMax(overdue, month)) AS overdue,
  toString(argMax(unapplied, month)) AS unapplied FROM collections_by_month GROUP BY entity_id, currency`

function stripeItems({ stripe }: Systems): readonly string[] {
  return stripe.items
    .all()
    .map(({ document: { customer: of, amount, currency, metadata = {} } }) =>
      [of, metadata['weir_days'], amount, currency].join(' '),
    )
    .sort()
}

function netsuiteEntries({ netsuite }: Systems): readonly string[] {
  return netsuite.entries
    .all()
    .map(({ document: { tranDate, line } }) => {
      const sides = line.items.map(({ account, debit, credit }) =>
        debit === undefined ? `${account.id} -${credit}` : `${account.id} ${debit}`,
      )
      return `${tranDate}: ${sides.sort().join(', ')}`
    })
    .sort()
}

function accountNow({ account }: Systems): object {
  const { Weir_Standing__c: _, Weir_As_Of__c: __, ...told } = account.account(customer.crm.slice(0, 15))
  return told
}

const carried = [
  ...['subscription_versions', 'charges', 'journal_entries', 'mrr_movements', 'revenue_schedule', 'invoices'],
  'payments',
  // What the CRM is told before Weir knows of the invoice has none yet; at the end the field of the account has it.
  "deliveries WHERE connection != 'salesforce'",
]

async function withoutCorrelation(systems: Systems, api: Api): Promise<Readonly<Record<string, number>>> {
  const found: [string, number][] = []
  for (const table of carried) {
    const sql = `SELECT countIf(correlation_id != '${quoteId}') AS n, count() AS all FROM ${table}`
    const [row] = await api.rows<{ n: string; all: string }>(sql)
    found.push([table.split(' ')[0]!, Number(row?.all) === 0 ? -1 : Number(row?.n)])
  }
  const { stripe, netsuite } = systems
  const lacks = (texts: readonly unknown[]) =>
    texts.filter(one => !JSON.stringify(one).includes(quoteId)).length
  found.push([
    'stripe',
    lacks(stripe.items.all().map(one => one.document.metadata?.['weir_correlation'] ?? '')),
  ])
  found.push(['netsuite', lacks(netsuite.entries.all().map(one => one.document))])
  return Object.fromEntries(found.filter(([, count]) => count !== 0))
}

/** What `weir reconcile` finds wrong, of Weir and of what its receivers have. */
async function reconciled(weir: SupervisedWeir): Promise<readonly string[]> {
  const all = [[], ['--connection', 'stripe'], ['--connection', 'netsuite']]
  const ran = await Promise.all(all.map(one => weir.run('reconcile', ...one)))
  return ran.flatMap(({ code, stdout, stderr }, n) => (code === 0 ? [] : [`${all[n]}: ${stdout}${stderr}`]))
}
