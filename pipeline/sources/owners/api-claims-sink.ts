// What the API says of customers, for the rules of systems of record: rows of `customers` in LEDGER that no source made.

import { tableFromIPC } from 'apache-arrow'
import { formatInstantMs } from '../../../schemas/time.js'
import type { FeedRange, Sink, SinkOutcome } from '../../../sinks/sink.js'
import { brokerUnavailable } from '../../broker/broker-outcome.js'
import type { ObjectClaim } from './object-claim.js'
import type { ObjectClaims } from './object-claims.js'
import { apiSystem } from './owner-rules.js'

export class ApiClaimsSink implements Sink {
  readonly name = 'owners'
  readonly #claims: Pick<ObjectClaims, 'keep'>

  constructor(claims: Pick<ObjectClaims, 'keep'>) {
    this.#claims = claims
  }

  async apply({ messages }: FeedRange, signal: AbortSignal): Promise<SinkOutcome> {
    let rows = 0
    try {
      for (const { bytes, natsSubject, storedAtMs = 0 } of messages) {
        if (!natsSubject.endsWith('.customers') || bytes.byteLength === 0) continue
        for (const claim of claimsIn(bytes)) {
          signal.throwIfAborted()
          rows += 1
          await this.#claims.keep(claim, apiSystem, formatInstantMs(storedAtMs))
        }
      }
      return { kind: 'ok', rows }
    } catch (error) {
      return brokerUnavailable(error)
    }
  }
}

const columns = {
  name: 'name',
  entity_id: 'entity_id',
  currency: 'currency',
  crm_id: 'external_ids.crm',
  billing_id: 'external_ids.billing',
  erp_id: 'external_ids.erp',
}

function claimsIn(bytes: Uint8Array): ObjectClaim[] {
  return tableFromIPC(bytes).batches.flatMap(batch => {
    const text = (name: string, row: number): string => String(batch.getChild(name)?.get(row) ?? '')
    const times = batch.getChild('event_time')?.data[0]?.values as BigInt64Array | undefined
    return Array.from({ length: batch.numRows }, (_, row): ObjectClaim[] => {
      if (text('event_source', row).startsWith('weir:')) return []
      const id = text('customer_id', row)
      const said = Object.entries(columns).map(([column, field]) => [field, text(column, row)] as const)
      const metadata = text('metadata', row)
      const fields: Record<string, unknown> = Object.fromEntries(said.filter(([, value]) => value !== ''))
      if (metadata !== '') fields['metadata'] = JSON.parse(metadata)
      const at = String(times?.[row] ?? 0n)
      return [{ object: 'customer', id, customerId: id, fields, at, event: text('event_id', row) }]
    }).flat()
  })
}
