// The bucket `weir_taxes`: of each tax the latest state that puts tax into the books or takes it out, and why it cannot be posted.
// Invariant: the highest sequence holds, then the later event, whatever the order of arrival; applying a range again changes nothing.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import { formatScaled, parseDecimal } from '../../schemas/money/decimal.js'
import {
  type TaxTrouble,
  taxesBucket,
  taxStateKey,
  taxTroubleKey,
  taxTroubleKeys,
  taxTroubleSchema,
} from '../../schemas/tax-trouble.js'
import { bucketKeys } from '../broker/bucket-keys.js'
import { writeOver } from '../broker/wrong-revision.js'

export const keptTaxSchema = z.object({
  tax_id: z.string(),
  customer_id: z.string(),
  sequence: z.int(),
  /** Source and id. */
  event: z.string(),
  event_source: z.string().default(''),
  event_id: z.string().default(''),
  /** Nanoseconds since 1970. */
  event_time: z.string().default('0'),
  status: z.enum(['committed', 'adjusted', 'voided']),
  currency: z.string(),
  document: z.string(),
  document_status: z.string(),
  lines: z.array(
    z.object({
      line: z.string(),
      charge_id: z.string(),
      amount: z.string(),
      tax_code: z.string(),
      jurisdiction: z.string(),
      rate: z.string(),
      taxable: z.string(),
      exempt: z.string(),
      tax: z.string(),
    }),
  ),
})
export type KeptTax = z.infer<typeof keptTaxSchema>

export class TaxStore {
  readonly #kv: KV
  readonly #jsm: JetStreamManager

  constructor(kv: KV, jsm: JetStreamManager) {
    this.#kv = kv
    this.#jsm = jsm
  }

  async get(taxId: string): Promise<KeptTax | undefined> {
    const entry = await this.#kv.get(taxStateKey(taxId))
    return entry === null || entry.operation !== 'PUT' ? undefined : keptTaxSchema.parse(entry.json())
  }

  async keep(tax: KeptTax): Promise<void> {
    for (;;) {
      const entry = await this.#kv.get(taxStateKey(tax.tax_id))
      const before = entry?.operation === 'PUT' ? keptTaxSchema.parse(entry.json()) : undefined
      if (before !== undefined && !isLater(tax, before)) return
      if (await writeOver(this.#kv, taxStateKey(tax.tax_id), JSON.stringify(tax), entry?.revision ?? 0))
        return
    }
  }

  /** Why the tax cannot be posted; undefined: it can, or nothing is to be posted. */
  async tell(
    tax: KeptTax,
    trouble: Pick<TaxTrouble, 'code' | 'detail'> | undefined,
    nowMs: number,
  ): Promise<void> {
    const entry = await this.#kv.get(taxTroubleKey(tax.tax_id))
    const before = entry?.operation === 'PUT' ? taxTroubleSchema.parse(entry.json()) : undefined
    if (trouble === undefined) {
      if (before !== undefined) await this.#kv.delete(taxTroubleKey(tax.tax_id))
      return
    }
    const isSame =
      before?.code === trouble.code && before.detail === trouble.detail && before.sequence === tax.sequence
    if (isSame) return
    const now: TaxTrouble = {
      ...{ tax_id: tax.tax_id, customer_id: tax.customer_id, code: trouble.code, detail: trouble.detail },
      since: before?.since ?? new Date(nowMs).toISOString(),
      ...{ sequence: tax.sequence, amount: totalOf(tax), currency: tax.currency },
    }
    await this.#kv.put(taxTroubleKey(tax.tax_id), JSON.stringify(now))
  }

  /** The taxes that cannot be posted. */
  async troubled(): Promise<readonly string[]> {
    const keys = await bucketKeys(this.#jsm, taxesBucket, taxTroubleKeys)
    const entries = await Promise.all(keys.map(key => this.#kv.get(key)))
    return entries.flatMap(entry =>
      entry?.operation === 'PUT' ? [taxTroubleSchema.parse(entry.json()).tax_id] : [],
    )
  }
}

/** In the order of the views `tax_states` and `tax_lines`. */
function isLater(one: KeptTax, other: KeptTax): boolean {
  if (one.sequence !== other.sequence) return one.sequence > other.sequence
  const [time, otherTime] = [BigInt(one.event_time), BigInt(other.event_time)]
  if (time !== otherTime) return time > otherTime
  const bytesOf = ({ event_source, event_id }: KeptTax) => Buffer.from(`${event_source}\0${event_id}`)
  return Buffer.compare(bytesOf(one), bytesOf(other)) > 0
}

function totalOf({ lines }: KeptTax): string {
  const amounts = lines.map(line => parseDecimal(line.tax))
  return formatScaled(amounts.reduce((sum, one) => (one.kind === 'ok' ? sum + one.value : sum), 0n))
}
