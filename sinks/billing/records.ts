// From the ledger's sealed lines to billing batches: grouped by entity and currency, sorted by charge, cut by count.

import { type BillingBatch, sealBatch } from '../../schemas/billing-batch.js'
import { type BillingRunRecord, type SealedEnd, sealedEndSchema } from '../../schemas/billing-run.js'
import { type Charge, chargeFromWire } from '../../schemas/charge.js'

export interface SealedLine {
  readonly partition: number
  readonly runId: string
  readonly charge: Charge
}

export type SealedMessageLine =
  | { readonly kind: 'line'; readonly runId: string; readonly charge: Charge }
  | { readonly kind: 'end'; readonly end: SealedEnd }

/** Trouble with what the ledger holds, which no retry heals. */
export class SealedLinesError extends Error {
  override readonly name = 'SealedLinesError'
}

/** The lines of one `ledger.<p>.sealed` message (NDJSON). Throws on anything else: only the core writes there. */
export function sealedMessageLines(bytes: Uint8Array): SealedMessageLine[] {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const value: unknown = JSON.parse(line)
      const end = sealedEndSchema.safeParse(value)
      if (end.success) return { kind: 'end', end: end.data }
      const charge = chargeFromWire(value)
      if (charge.kind === 'rejected') throw new SealedLinesError(`a sealed line: ${charge.rejection.detail}`)
      return { kind: 'line', runId: charge.value.billingRunId ?? '', charge: charge.value }
    })
}

/** By entity, in the order in which they are published. The same lines in any order give the same batches. */
export function batchesOf(
  run: BillingRunRecord,
  lines: readonly SealedLine[],
  linesPerBatch: number,
): Map<string, BillingBatch[]> {
  const groups = new Map<string, { entityId: string; currency: string; charges: Charge[] }>()
  for (const { charge } of lines) {
    const key = JSON.stringify([charge.entityId, charge.currency])
    const group = groups.get(key) ?? { entityId: charge.entityId, currency: charge.currency, charges: [] }
    groups.set(key, group)
    group.charges.push(charge)
  }
  const byEntity = new Map<string, BillingBatch[]>()
  for (const key of [...groups.keys()].sort()) {
    const group = groups.get(key)
    if (group === undefined) continue
    const charges = group.charges.toSorted((a, b) => (a.chargeId < b.chargeId ? -1 : 1))
    const of = Math.ceil(charges.length / linesPerBatch)
    const batches = byEntity.get(group.entityId) ?? []
    byEntity.set(group.entityId, batches)
    for (let number = 1; number <= of; number += 1) {
      const slice = charges.slice((number - 1) * linesPerBatch, number * linesPerBatch)
      batches.push(
        sealBatch({
          billingRunId: run.billing_run_id,
          entityId: group.entityId,
          currency: group.currency,
          number,
          of,
          lines: slice,
        }),
      )
    }
  }
  return byEntity
}
