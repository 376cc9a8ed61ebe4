// Answers on the real broker, made into rows as the sink makes them.

import { jetstream } from '@nats-io/jetstream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { insertsOfResolutions } from '../../sinks/clickhouse/records.js'
import { type Broker, startBroker } from '../testing/engine-harness.js'
import { type Answered, resolveExceptions } from './resolve.js'

let broker: Broker

beforeAll(async () => {
  broker = await startBroker(4)
})

afterAll(async () => {
  await broker?.stop()
})

const exceptions = Array.from({ length: 450 }, (_, index): Answered => {
  const eventId = `event ${index}`
  const exceptionId = `exc_${String(index).padStart(24, '0')}`
  return {
    exceptionId,
    kind: 'dead_letter',
    code: 'invalid_value',
    eventSource: 's',
    eventId,
    customerId: 'c',
    revision: index,
  }
})

test('an answer to many exceptions is a few messages, each of which makes its rows, and is kept once', async () => {
  const js = jetstream(broker.nc)
  const request = {
    resolution: 'discarded',
    reason: 'a test',
    atMs: 1_000,
    key: { id: 'k', name: 'me' },
    id: 'one',
  } as const
  const last = await resolveExceptions(js, exceptions, request)
  expect(last).toBe(3)
  expect(await resolveExceptions(js, exceptions, request)).toBe(3)
  expect((await broker.jsm.streams.info('RESOLUTIONS')).state.messages).toBe(3)
  const messages = await Promise.all(
    [1, 2, 3].map(seq => broker.jsm.streams.getMessage('RESOLUTIONS', { seq })),
  )
  const read = insertsOfResolutions(
    messages.map((message, index) => ({
      natsSubject: message!.subject,
      sequence: index + 1,
      bytes: message!.data,
    })),
  )
  expect(read).toMatchObject({ kind: 'ok', refused: [], inserts: [{ table: 'exception_resolutions' }] })
  const text = Buffer.concat(read.kind === 'ok' ? (read.inserts[0]?.parts ?? []) : []).toString('latin1')
  for (const { eventId } of exceptions) expect(text).toContain(eventId)
})
