// Posts events to a gateway as a producer would: many per request, several requests at once, every one checked.

import { cloudEventsType } from '../../schemas/event/media-types.js'
import type { CloudEventJson } from './traffic.js'

export interface SendTarget {
  readonly url: string
  readonly apiKey: string
}

export interface SendResult {
  readonly accepted: number
  readonly rejected: number
}

const eventsPerRequest = 1_000
/** How often a request is sent again, when the gateway asks to retry later, before the demo gives up. */
const attempts = 60

/** Sends in order of the list; with `inFlight` above 1 neighbouring requests may overtake each other. */
export async function sendEvents(
  target: SendTarget,
  events: readonly CloudEventJson[],
  inFlight: number,
  onSent: (count: number) => void,
): Promise<SendResult> {
  let next = 0
  let accepted = 0
  let rejected = 0
  const sender = async (): Promise<void> => {
    while (next < events.length) {
      const batch = events.slice(next, next + eventsPerRequest)
      next += batch.length
      const verdict = await post(target, batch)
      accepted += verdict.accepted
      rejected += verdict.rejected.length
      onSent(batch.length)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, sender))
  return { accepted, rejected }
}

interface Verdict {
  readonly accepted: number
  readonly rejected: readonly unknown[]
}

async function post(target: SendTarget, events: readonly CloudEventJson[]): Promise<Verdict> {
  const body = JSON.stringify(events)
  for (let attempt = 1; ; attempt += 1) {
    const response = await fetch(`${target.url}/v1/events`, {
      method: 'POST',
      headers: {
        'content-type': cloudEventsType,
        authorization: `Bearer ${target.apiKey}`,
      },
      body,
    })
    const text = await response.text()
    if (response.status === 202) return JSON.parse(text) as Verdict
    const busy = response.status === 429 || response.status === 503
    if (!busy || attempt === attempts) throw new Error(`POST /v1/events answered ${response.status}: ${text}`)
    await new Promise(resolve =>
      setTimeout(resolve, Number(response.headers.get('retry-after') ?? '1') * 1_000),
    )
  }
}
