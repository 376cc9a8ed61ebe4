// The durable consumers of the streams: of their receivers, and of the part that places messages.

import {
  AckPolicy,
  type ConsumerConfig,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
} from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'

/** The durable consumer of `BILLING` and of `POSTINGS` that belongs to their receiver. */
export const readerName = 'reader'
/** The durable consumer of `UNPLACED`, which every process shares. */
export const placerName = 'placer'
/** How long a process has to place a message, before another one is given it too. */
const placeWithinMs = 30_000

/** Makes the consumers of the receivers of batches and journals, unless they are there. */
export async function ensureReaders(jsm: JetStreamManager): Promise<void> {
  const reader = { durable_name: readerName, ack_policy: AckPolicy.Explicit }
  await ensureConsumer(jsm, 'BILLING', reader)
  await ensureConsumer(jsm, 'POSTINGS', { ...reader, filter_subjects: ['postings.>'] })
}

/** Makes the consumer that places messages, unless it is there. */
export function ensurePlacer(jsm: JetStreamManager): Promise<void> {
  return ensureConsumer(jsm, 'UNPLACED', {
    durable_name: placerName,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(placeWithinMs),
  })
}

/** Receivers of billing batches or journals find theirs, and so need no right to make one. */
async function ensureConsumer(
  jsm: JetStreamManager,
  stream: 'UNPLACED' | 'BILLING' | 'POSTINGS',
  wanted: Partial<ConsumerConfig> & { readonly durable_name: string },
): Promise<void> {
  try {
    await jsm.consumers.info(stream, wanted.durable_name) // keeps the settings that an operator changed
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.ConsumerNotFound)
      throw error
    await jsm.consumers.add(stream, wanted)
  }
}
