// Customers' ids in other systems, from rows of the ledger to the port, over a real bucket; and refresh tokens in theirs.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { encodeRows } from '../../schemas/arrow/arrow-rows.js'
import { type CustomerRow, customersTable } from '../../schemas/tables.js'
import type { SecretRead } from '../../sinks/connector-kind.js'
import { KvTokenStore } from '../connections/token-store.js'
import { IdentitiesSink } from './identities-sink.js'
import { IdentityStore } from './identity-store.js'

let folder: string
let broker: NatsServer
let nc: NatsConnection
let identities: KV
let tokens: KV
const { signal } = new AbortController()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-identities-'))
  broker = await startNatsServer({ storeDir: folder })
  nc = await connect({ ...broker.login() })
  const kvm = new Kvm(jetstream(nc))
  identities = await kvm.create('weir_identities')
  tokens = await kvm.create('weir_tokens')
})

afterAll(async () => {
  await nc?.close()
  await broker?.stop()
  await rm(folder, { recursive: true, force: true })
})

function row(customerId: string, erpId: string, eventTimeNs: bigint, ledgerSequence: number): CustomerRow {
  return {
    customerId,
    name: '',
    entityId: '',
    currency: 'EUR',
    crmId: erpId === '' ? '' : `crm-${erpId}`,
    billingId: '',
    erpId,
    ...{ billToCustomerId: '', setsBillTo: 0, parentCustomerId: '', setsParent: 0 },
    metadata: '',
    eventTimeNs,
    eventSource: 'crm',
    eventId: `e${ledgerSequence}`,
    correlationId: '',
    partition: 0,
    ledgerSequence,
  }
}

async function apply(sink: IdentitiesSink, ...rows: readonly CustomerRow[]): Promise<void> {
  const messages = [
    { sequence: 1, natsSubject: 'ledger.0.customers', bytes: encodeRows(customersTable, rows) },
  ]
  const outcome = await sink.apply({ stream: 'LEDGER', from: 1, to: 1, token: 't', messages }, signal)
  expect(outcome).toEqual({ kind: 'ok', rows: rows.length })
}

test('the ids of the latest event count, in whatever order rows come, and also after a range is applied again', async () => {
  let nowMs = 0
  const store = new IdentityStore(identities, undefined, () => nowMs)
  const sink = new IdentitiesSink(store)
  const base = 1_790_000_000_000_000_000n
  await apply(
    sink,
    row('ünï/1', '42', base + 2n, 2),
    row('ünï/1', '41', base + 1n, 1),
    row('none', '', base, 3),
  )
  expect(await store.of('ünï/1')).toEqual({ erp: '42', crm: 'crm-42' })
  expect(await store.of('none')).toEqual({})
  await apply(sink, row('ünï/1', '40', base, 9))
  await apply(sink, row('none', '7', base + 1n, 10))
  expect(await store.of('none')).toEqual({ erp: '7', crm: 'crm-7' })
  await apply(sink, row('ünï/1', '', base + 3n, 11))
  expect(await store.of('ünï/1')).toEqual({ erp: '42', crm: 'crm-42' }) // for a minute
  nowMs = 61_000
  expect(await store.of('ünï/1')).toEqual({})
})

test('a refresh token is kept encrypted, for one connection and under one key; of two writers one wins', async () => {
  const given = (secret: string) => (): SecretRead => ({ kind: 'ok', secret })
  const store = new KvTokenStore({ kv: tokens, connection: 'books', key: given('first key') })
  const kept = { refreshToken: 'rt-secret-1', descendsFrom: 'h' }
  expect(await store.read()).toEqual({ kept: undefined, revision: 0 })
  expect(await store.write(kept, 0)).toBe(true)
  expect(await store.write(kept, 0)).toBe(false)
  expect((await store.read()).kept).toEqual(kept)
  const raw = (await tokens.get('books'))!.value
  expect(Buffer.from(raw).toString('latin1')).not.toContain('rt-secret')
  const other = new KvTokenStore({ kv: tokens, connection: 'books', key: given('second key') })
  await expect(other.read()).rejects.toThrow('another token_key')
  await tokens.put('moved', raw)
  const moved = new KvTokenStore({ kv: tokens, connection: 'moved', key: given('first key') })
  await expect(moved.read()).rejects.toThrow('another token_key')
})
