// Reads one object from Stripe's API, for an event that only names it. What comes is kept as an event of type `fetched`,
// with the time at which Stripe answered.
// Invariant: the key stands in no error and no arrival; an answer that is none of Stripe's is trouble, never an object.

import { isRecord, parseJson, stringifyJson } from '../../../schemas/json/json-text.js'
import type { SecretSource } from '../../../sinks/connector-kind.js'
import {
  type Fetched,
  type FetchWhat,
  type ReachParts,
  type SourceReach,
  SourceTrouble,
} from '../source-kind.js'
import type { Readable } from './told.js'

const paths: Readonly<Record<Readable, string>> = {
  subscription: 'subscriptions',
  invoice: 'invoices',
  payment_intent: 'payment_intents',
  charge: 'charges',
  customer: 'customers',
}

export function stripeReach({ settings, secret, nowMs }: ReachParts): SourceReach {
  const key = settings['api_key'] as SecretSource | undefined
  const url = String(settings['api_url'])
  return { fetch: (what, signal) => read({ what, url, key: () => keyOf(key, secret), nowMs }, signal) }
}

function keyOf(key: SecretSource | undefined, secret: ReachParts['secret']): string {
  if (key === undefined)
    throw new SourceTrouble(
      'api_key_missing',
      'The event names an object that must be read: the source needs api_key.',
    )
  return secret(key)
}

interface Asked {
  readonly what: FetchWhat
  readonly url: string
  readonly key: () => string
  readonly nowMs: () => number
}

async function read({ what, url, key, nowMs }: Asked, signal: AbortSignal): Promise<Fetched> {
  const path = paths[what.object as Readable]
  if (path === undefined) return { kind: 'gone', detail: `Objects of type ${what.object} are not read.` }
  const headers = { authorization: `Bearer ${key()}` }
  let response: Response
  try {
    response = await fetch(`${url}/v1/${path}/${encodeURIComponent(what.id)}`, {
      headers,
      signal,
      redirect: 'error',
    })
  } catch (cause) {
    throw new SourceTrouble('source_unreachable', `Stripe does not answer: ${(cause as Error).message}`)
  }
  if (response.status === 404) return { kind: 'gone', detail: `Stripe has no ${what.object} ${what.id}.` }
  if (response.status === 401 || response.status === 403)
    throw new SourceTrouble('credentials_refused', `Stripe refuses the key (${response.status}).`)
  if (!response.ok) {
    const after = Number(response.headers.get('retry-after') ?? 'NaN') * 1000
    const retryAfterMs = after > 0 && after < 3_600_000 ? after : undefined
    throw new SourceTrouble('source_unavailable', `Stripe answers ${response.status}.`, retryAfterMs)
  }
  const json = parseJson(await response.text())
  if (json.kind !== 'ok' || !isRecord(json.value) || json.value['id'] !== what.id)
    throw new SourceTrouble(
      'answer_not_understood',
      `Stripe answers with something that is not the ${what.object}.`,
    )
  return { kind: 'found', arrival: arrivalOf(what, json.value, secondsNow(response, nowMs)) }
}

/** By Stripe's clock, where it says. */
function secondsNow(response: Response, nowMs: () => number): number {
  const ms = Date.parse(response.headers.get('date') ?? '')
  return Math.floor((Number.isNaN(ms) ? nowMs() : ms) / 1000)
}

function arrivalOf({ object, id }: FetchWhat, value: unknown, created: number) {
  const event = { object: 'event', type: 'fetched', created, data: { object: value } }
  return {
    id: `${object}/${id}@${created}`,
    type: `fetched.${object}`,
    occurredAtMs: created * 1000,
    bytes: Buffer.from(stringifyJson(event)),
  }
}
