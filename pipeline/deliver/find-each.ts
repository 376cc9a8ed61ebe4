// Looks records up at the receiver, several at the same time, and gives the answers in the order of the records. How many
// requests that makes at once is up to the connector's limiter.

import type { Connector, FindOutcome } from '../../sinks/connector.js'
import { Deadline } from '../../sinks/deadline.js'
import type { OpenDelivery } from './delivery-book.js'
import { sentRecord } from './put-page.js'

const atOnce = 8

type Sent = Pick<OpenDelivery, 'record' | 'delivery'>

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
    yield* await Promise.all(
      due
        .slice(from, from + atOnce)
        .map(async open => ({ open, found: await findOne(connector, open, aborting) })),
    )
}

export async function findOne(connector: Connector, sent: Sent, aborting: AbortSignal): Promise<FindOutcome> {
  const deadline = new Deadline(connector.attemptMs, aborting)
  try {
    return await connector.find(sentRecord(sent), deadline.signal)
  } finally {
    deadline.end()
  }
}
