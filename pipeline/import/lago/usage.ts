// Usage of Lago, with the identity that the producer of Lago gives it: the transaction id.

import { formatInstant, nsOf } from '../../../schemas/time.js'
import { digitsIn, type ForeignObject, instantIn, objectIn, shown, textIn } from '../fields.js'
import type { Findings } from '../findings.js'
import type { ImportedEvent, ImportOptions, SeenEvent } from '../imported.js'

export interface LagoUsage {
  readonly events: readonly ImportedEvent[]
  readonly seen: readonly SeenEvent[]
}

/** `owners`: the customer of each subscription. */
export function usageOf(
  objects: readonly ForeignObject[],
  owners: ReadonlyMap<string, string>,
  { usageSource: source }: ImportOptions,
  findings: Findings,
): LagoUsage {
  const events: ImportedEvent[] = []
  const seen: SeenEvent[] = []
  const records = new Set<string>()
  for (const event of objects) {
    const record = textIn(event['lago_id'])
    if (record !== '' && records.has(record)) continue
    records.add(record)
    const id = textIn(event['transaction_id'])
    const leave = (field: string, code: string, detail: string) =>
      findings.leftOut('event', id, field, code, detail)
    const subscription = textIn(event['external_subscription_id'])
    const customer = owners.get(subscription)
    const timeNs = timeOf(event['timestamp'])
    if (id === '') leave('transaction_id', 'missing_value', 'It is missing.')
    else if (timeNs === undefined)
      leave('timestamp', 'invalid_time', `${shown(event['timestamp'])} is no time.`)
    else if (customer === undefined)
      leave(
        'external_subscription_id',
        'subscription_not_imported',
        `The subscription ${subscription} is not there, or could not be taken.`,
      )
    else {
      const properties = objectIn(event['properties'])
      const amount = event['precise_total_amount_cents']
      const isOwn =
        amount === undefined || amount === null || Object.hasOwn(properties, 'precise_total_amount_cents')
      events.push({
        ...{ specversion: '1.0', id, source, type: textIn(event['code']), subject: customer },
        ...{ time: formatInstant(timeNs), subscriptionid: subscription },
        data: isOwn ? properties : { ...properties, precise_total_amount_cents: amount },
      })
      const seenNs = instantIn(event['created_at'])
      if (seenNs !== undefined) seen.push({ source, id, seen_at: formatInstant(seenNs) })
    }
  }
  return { events, seen }
}

/** A text in RFC 3339, or Unix seconds with decimals. */
function timeOf(value: unknown): bigint | undefined {
  const text = instantIn(value)
  if (text !== undefined) return text
  const seconds = /^(\d{1,10})(?:\.(\d{1,9}))?$/.exec(digitsIn(value) ?? '')
  if (seconds === null) return undefined
  return nsOf(Number(seconds[1]) * 1000) + BigInt((seconds[2] ?? '').padEnd(9, '0'))
}
