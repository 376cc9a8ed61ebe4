// What a running Weir owes for the service periods that begin in a period, partition by partition.

import { type Charge, chargeFromWire } from '../../../schemas/billing/charge.js'
import { formatInstant } from '../../../schemas/time.js'
import { type Gateway, readGateway } from '../../terminal/gateway-client.js'
import type { Period } from '../imported.js'
import { chargesByKey } from './our-side.js'

const mostPartitions = 65_536

export async function liveCharges(
  gateway: Gateway,
  { fromNs, untilNs }: Period,
): Promise<ReadonlyMap<string, readonly Charge[]>> {
  const charges: Charge[] = []
  const stretch = { from: formatInstant(fromNs), until: formatInstant(untilNs) }
  for (let partition = 0; partition < mostPartitions; partition += 1) {
    const query = new URLSearchParams({ partition: String(partition), ...stretch })
    const page = await pageOf(gateway, `/v1/owed-charges?${query}`)
    if (page === undefined) break
    charges.push(...page)
  }
  return chargesByKey(charges)
}

/** Undefined: there is no such partition. The first line says as of when it is. */
async function pageOf(gateway: Gateway, path: string): Promise<readonly Charge[] | undefined> {
  let bytes: Uint8Array
  try {
    bytes = await readGateway(gateway, path)
  } catch (error) {
    if (/^404 /.test((error as Error).message)) return undefined
    throw error
  }
  const [, ...lines] = Buffer.from(bytes).toString('utf8').split('\n')
  return lines
    .filter(line => line !== '')
    .map(line => {
      const parsed = chargeFromWire(JSON.parse(line))
      if (parsed.kind === 'rejected') throw new Error(`${line} is no charge: ${parsed.rejection.detail}`)
      return parsed.value
    })
}
