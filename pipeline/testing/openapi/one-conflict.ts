// A conflict of two systems of record: a source says another name than the API did, and somebody decides it.

import { setTimeout as sleep } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import type { Call } from './one-month-of-others.js'

/** The rules of the mapping file for the body that is sent here. */
export const renamingMapping = `rules:
  - type: customer.renamed
    event: weir.customer.upserted
    data: { customer_id: { from: $.data.customer }, name: { from: $.data.name } }
  - ignore: nothing
`

interface Conflict {
  readonly field: string
  readonly system: string
  readonly revision: number
}

const path = '/v1/systems-of-record'
const pollMs = 100
const patienceMs = 30_000

export async function decideConflict(call: Call, url: string, secret: string): Promise<void> {
  const [id, at] = ['msg_renamed', new Date()]
  const data = { customer: 'acme', name: 'Acme as billing has it' }
  const body = JSON.stringify({ type: 'customer.renamed', timestamp: at.toISOString(), data })
  const headers = {
    'content-type': 'application/json',
    ...{ 'webhook-id': id, 'webhook-timestamp': String(Math.floor(at.getTime() / 1000)) },
    'webhook-signature': new Webhook(secret).sign(id, at, body),
  }
  await fetch(`${url}/v1/webhooks/billing`, { method: 'POST', headers, body })
  await call('listOwnerRules', 'GET', path)
  for (const untilMs = Date.now() + patienceMs; Date.now() < untilMs; await sleep(pollMs)) {
    type Page = { readonly conflicts: readonly Conflict[] }
    const { conflicts } = await call<Page>('listOwnerConflicts', 'GET', `${path}/conflicts?system=billing`)
    const [first] = conflicts
    if (first === undefined) continue
    const { field, system, revision } = first
    const decision = { field, system, revision, resolution: 'take', reason: 'a drill' }
    await call('resolveOwnerConflict', 'POST', `${path}/customer/acme/resolve`, decision)
    return
  }
  throw new Error('no conflict came')
}
