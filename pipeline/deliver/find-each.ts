// Looks records up at the receiver, several at the same time, and gives the answers in the order of the records. How many
// requests that makes at once is up to the connector's limiter.

import type { Connector, FindOutcome } from '../../sinks/connector.js'
import { Deadline } from '../../sinks/deadline.js'
import type { OpenDelivery } from './delivery-book.js'
import { sentRecord } from './put-page.js'

const atOnce = 8

interface Answer {
  readonly open: OpenDelivery
  readonly found: FindOutcome
}

export async function* findEach(
  connector: Connector,
  due: readonly OpenDelivery[],
  aborting: AbortSignal,
  isStopping: () => boolean,
): AsyncGenerator<Answer> {
  for (let from = 0; from < due.length && !isStopping(); from += atOnce)
    yield* await Promise.all(due.slice(from, from + atOnce).map(open => find(connector, open, aborting)))
}

async function find(connector: Connector, open: OpenDelivery, aborting: AbortSignal): Promise<Answer> {
  const deadline = new Deadline(connector.attemptMs, aborting)
  try {
    return { open, found: await connector.find(sentRecord(open), deadline.signal) }
  } finally {
    deadline.end()
  }
}
