// The producers: a process of its own, so that neither their memory nor their work is the pipeline's. Makes
// the traffic before the clock runs, then publishes it to JetStream, each message acknowledged when it is on
// disk.

import { setTimeout as sleep } from 'node:timers/promises'
import { type JetStreamClient, jetstream } from '@nats-io/jetstream'
import { connect, headers } from '@nats-io/transport-node'
import type { NatsLogin } from '../../deploy/embedded/nats-server.js'
import { ndjsonType } from '../../schemas/event/media-types.js'
import type { ProducerOrder, ProducerReply, Published } from './producer.js'
import { makeTraffic, type TrafficMessage } from './traffic.js'

/** Publishers, each with a connection of its own, and messages under way in each. */
const connections = 2
const inFlight = 8
const acknowledgeMs = 120_000

let messages: readonly TrafficMessage[] = []

async function obey(order: ProducerOrder): Promise<ProducerReply> {
  switch (order.kind) {
    case 'prepare': {
      const traffic = makeTraffic(order.traffic)
      messages = traffic.messages
      return { kind: 'prepared', expected: traffic.expected }
    }
    case 'publish':
      return { kind: 'published', ...(await publishAll(order.nats, order.eventsPerSecond)) }
    default:
      return order satisfies never
  }
}

async function publishAll(nats: NatsLogin, eventsPerSecond: number | undefined): Promise<Published> {
  const links = await Promise.all(Array.from({ length: connections }, () => connect(nats)))
  const startedAtMs = Date.now()
  try {
    let next = 0
    let events = 0
    const publisher = async (js: JetStreamClient): Promise<void> => {
      while (next < messages.length) {
        const message = messages[next]!
        next += 1
        const dueMs = eventsPerSecond === undefined ? 0 : (events / eventsPerSecond) * 1_000
        events += message.events
        const waitMs = startedAtMs + dueMs - Date.now()
        if (waitMs > 0) await sleep(waitMs)
        await publish(js, message)
      }
    }
    await Promise.all(links.flatMap(nc => Array.from({ length: inFlight }, () => publisher(jetstream(nc)))))
    return { startedAtMs, seconds: (Date.now() - startedAtMs) / 1_000 }
  } finally {
    await Promise.all(links.map(nc => nc.close()))
  }
}

/** Publishes once, without a retry: a repeated message would be duplicates that the expectation lacks. */
async function publish(js: JetStreamClient, { partition, bytes }: TrafficMessage): Promise<void> {
  const contentType = headers()
  contentType.set('content-type', ndjsonType)
  await js.publish(`metering.${partition}.bench`, bytes, { headers: contentType, timeout: acknowledgeMs })
}

process.on('message', (order: ProducerOrder) => {
  obey(order)
    .catch(
      (error: unknown): ProducerReply => ({
        kind: 'failed',
        detail: String((error as Error).stack ?? error),
      }),
    )
    .then(reply => process.send?.(reply))
})
process.on('disconnect', () => process.exit(0))
