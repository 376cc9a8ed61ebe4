// Taxes that cannot be posted, as rows that ClickHouse reads beside its tables. The books keep them in the bucket `weir_taxes`.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { type TaxTrouble, taxesBucket, taxTroubleKeys, taxTroubleSchema } from '../../schemas/tax-trouble.js'
import { bucketKeys } from '../broker/bucket-keys.js'
import type { QueryParameters } from './query-parameters.js'

/** More than these are not shown at once. */
const maxRows = 1_000
const readAtOnce = 64

export async function readTaxTroubles(kv: KV, jsm: JetStreamManager): Promise<readonly TaxTrouble[]> {
  const keys = (await bucketKeys(jsm, taxesBucket, taxTroubleKeys)).slice(0, maxRows)
  const rows: TaxTrouble[] = []
  for (let from = 0; from < keys.length; from += readAtOnce) {
    const entries = await Promise.all(keys.slice(from, from + readAtOnce).map(key => kv.get(key)))
    for (const entry of entries)
      if (entry?.operation === 'PUT') rows.push(taxTroubleSchema.parse(entry.json()))
  }
  return rows
}

const structure =
  "tax_id String, customer_id String, code String, detail String, since DateTime64(3, ''UTC''), sequence UInt64," +
  ' amount Nullable(Decimal(38, 12)), currency String'

/** A table expression with these rows. */
export function taxTroublesTable(rows: readonly TaxTrouble[], parameters: QueryParameters): string {
  const lines = rows.map(row => JSON.stringify(row)).join('\n')
  return `format(JSONEachRow, '${structure}', ${parameters.add('String', lines)})`
}
