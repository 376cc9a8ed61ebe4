// A connection that was given another name does not send everything again; one that was taken out and comes back goes on.

import { jetstream } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDeliveryLog } from '../deliver/delivery-log.js'
import { encodeRecord } from '../deliver/delivery-record.js'
import { type Broker, startBroker } from '../testing/gateway-fixture.js'
import { mayBegin } from './known-receivers.js'
import type { ConnectionSettings } from './settings.js'

let broker: Broker
let kv: KV

beforeAll(async () => {
  broker = await startBroker(1)
  kv = await new Kvm(jetstream(broker.nc)).open('weir_sinks')
})

afterAll(() => broker?.close())

function connection(name: string, more: object = {}): ConnectionSettings {
  const shared = { kind: 'webhook', records: 'journals', url: 'https://books.example/weir' } as const
  return { name, ...shared, ...more } as unknown as ConnectionSettings
}

/** As its feed begins, in a configuration with these connections. */
async function begin(one: ConnectionSettings, ...others: readonly string[]): Promise<string> {
  const { jsm, bulk, nc } = broker
  try {
    const configured = [one.name, ...others]
    await mayBegin({ connection: one, configured, key: `connection.${one.name}`, kv, jsm })
    const log = openDeliveryLog({ bulk, js: jetstream(nc), jsm, connection: one.name, timeoutMs: 5_000 })
    await log.open(AbortSignal.timeout(5_000))
    return 'begun'
  } catch (error) {
    return (error as { readonly code?: string }).code ?? String(error)
  }
}

test('another name for the receiver of a log that nobody has any more is refused, and begins once somebody says that it is new', async () => {
  expect(await begin(connection('books'))).toBe('begun')
  expect(await begin(connection('ledger'))).toBe('connection_renamed')
  expect(await begin(connection('ledger', { entity: 'de' }))).toBe('connection_renamed')
  expect(await begin(connection('books'))).toBe('begun') // its name again
  expect(await begin(connection('ledger', { begins_anew: true }))).toBe('begun')
  expect(await begin(connection('ledger'))).toBe('begun') // it has a log of its own now
})

test('a second connection to a receiver, another account, other records or another entity are new', async () => {
  expect(await begin(connection('second'), 'books', 'ledger')).toBe('begun')
  expect(await begin(connection('elsewhere', { url: 'https://other.example/' }))).toBe('begun')
  expect(await begin(connection('lines', { records: 'batch_lines' }))).toBe('begun')
  expect(await begin(connection('us', { entity: 'us', url: 'https://us.example/' }))).toBe('begun')
  expect(await begin(connection('eu', { entity: 'eu', url: 'https://us.example/' }))).toBe('begun')
})

test('a connection whose log is lost does not go on as if nothing had been sent', async () => {
  const record = { position: 7, intent: null, owner: '', streamCreated: 'x' }
  await kv.put('connection.lost', encodeRecord(record))
  const lost = { url: 'https://lost.example/' }
  expect(await begin(connection('lost', lost))).toBe('delivery_log_lost')
  expect(await begin(connection('lost', { ...lost, begins_anew: true }))).toBe('begun')
})
