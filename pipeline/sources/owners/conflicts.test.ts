// Conflicts of systems of record: listed page by page, decided once, and a decision that ends with the words that it was made of.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { type NatsServer, startNatsServer } from '../../../deploy/embedded/nats-server.js'
import { parseInstant } from '../../../schemas/time.js'
import type { ApiCall } from '../../gateway/route.js'
import { Acts } from '../../testing/acts.js'
import { type ConflictView, conflictRoutes } from './conflict-routes.js'
import { ObjectClaims } from './object-claims.js'
import { systemsOfRecord } from './owner-rules.js'

let folder: string
let broker: NatsServer
let nc: NatsConnection
let kv: KV
let jsm: JetStreamManager

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-conflicts-'))
  broker = await startNatsServer({ storeDir: folder })
  nc = await connect({ ...broker.login() })
  kv = await new Kvm(jetstream(nc)).create('weir_arrivals', { markerTTL: 60_000 })
  jsm = await jetstreamManager(nc)
})
afterAll(async () => {
  await nc?.close()
  await broker?.stop()
  await rm(folder, { recursive: true, force: true })
})

const rules = systemsOfRecord.schema(z).parse([
  { object: 'customer', field: '*', owner: 'crm' },
  { object: 'subscription', field: '*', owner: 'billing' },
])
const since = '2026-01-01T00:00:00.000Z'

function open() {
  const claims = new ObjectClaims(kv, rules)
  const audit = new Acts()
  const published: Record<string, unknown>[] = []
  const events = {
    async take(given: readonly unknown[]) {
      published.push(...(given as Record<string, unknown>[]))
      return { accepted: given.length, rejected: [], receipts: [] }
    },
  }
  const [list, resolve] = conflictRoutes({ claims, rules, jsm, audit, events, nowMs: () => 0 })
  const call = (params: Record<string, string>, query: object, body: object = {}) =>
    ({
      ...{ params, query, headers: {}, body: Readable.from([Buffer.from(JSON.stringify(body))]) },
      caller: { keyId: undefined, scopes: new Set() },
    }) as unknown as ApiCall
  return {
    ...{ claims, audit, published },
    async say(id: string, system: string, name: string, at: number, object = 'customer') {
      const field = object === 'customer' ? 'name' : 'po_number'
      const claim = {
        id,
        customerId: id,
        fields: { [field]: name },
        at: String(at),
        event: `${system}-${at}`,
      }
      return claims.keep({ ...claim, object: object as 'customer' }, system, since)
    },
    async page(query: object) {
      const { body } = await list!.handle(call({}, query))
      return body as { readonly conflicts: readonly ConflictView[]; readonly next_after: string | null }
    },
    async decide(id: string, resolution: string, revision: number, object = 'customer', system = 'billing') {
      const field = object === 'customer' ? 'name' : 'po_number'
      const body = { field, system, resolution, revision, reason: 'the contract' }
      return (await resolve!.handle(call({ object, id }, {}, body))).body as { readonly holds: unknown }
    },
  }
}

test('conflicts are listed with both values and events, page by page, without gap or repetition', async () => {
  const { say, page } = open()
  const ids = Array.from({ length: 150 }, (_, index) => `page_${index}`)
  for (const id of ids) {
    await say(id, 'crm', 'Acme', 1)
    await say(id, 'billing', 'ACME Ltd', 2)
  }
  for (const id of ids.slice(0, 70)) await say(id, 'billing', 'Acme', 3)
  const found: ConflictView[] = []
  for (let after: string | null = ''; after !== null; ) {
    const one = await page({ limit: '7', ...(after === '' ? {} : { after }) })
    expect(one.conflicts.length).toBeLessThanOrEqual(7)
    found.push(...one.conflicts)
    after = one.next_after
  }
  expect(found.map(({ id }) => id).toSorted()).toEqual(ids.slice(70).toSorted())
  expect(found[0]).toMatchObject({
    ...{ code: 'conflicting_owner', field: 'name', owner: 'crm', owner_value: 'Acme', owner_event: 'crm-1' },
    ...{ system: 'billing', value: 'ACME Ltd', event: 'billing-2', since },
  })
  expect((await page({ system: 'erp' })).conflicts).toEqual([])
})

test('the value of another is taken until the owner says a new one; the customer is published once with a time that wins', async () => {
  const { say, page, decide, claims, audit, published } = open()
  await say('acme', 'crm', 'Acme', 5)
  const { conflicts } = await say('acme', 'billing', 'ACME Ltd', 6)
  const revision = conflicts[0]!.revision
  await expect(decide('acme', 'take', revision + 1)).rejects.toMatchObject({ code: 'conflict_changed' })
  expect(await decide('acme', 'take', revision)).toMatchObject({ holds: 'ACME Ltd' })
  expect(await decide('acme', 'take', revision)).toMatchObject({ holds: 'ACME Ltd' }) // as after a crash
  expect(published).toHaveLength(2)
  expect(published[1]).toEqual(published[0])
  expect(published[0]).toMatchObject({
    ...{ type: 'weir.customer.upserted', subject: 'acme', source: 'weir:systems_of_record' },
    data: { customer_id: 'acme', name: 'ACME Ltd' },
  })
  expect(parseInstant(String(published[0]!['time']))).toBeGreaterThan(5n)
  expect((await page({ limit: '1000' })).conflicts.filter(({ id }) => id === 'acme')).toEqual([])
  expect(audit.acts[0]).toMatchObject({
    ...{ act: 'owner_conflict.resolved', object: { kind: 'customer', id: 'acme' }, reason: 'the contract' },
    ...{ before: { field: 'name', holds: 'Acme' }, after: { resolution: 'take', value: 'ACME Ltd' } },
  })
  // The same word again leaves the decision; a new one takes it back, and the owner wins.
  expect((await say('acme', 'crm', 'Acme', 7)).conflicts).toEqual([])
  const again = await say('acme', 'crm', 'Acme Inc', 8)
  expect(again.conflicts).toMatchObject([{ owner_value: 'Acme Inc', value: 'ACME Ltd' }])
  expect((await claims.read('customer', 'acme'))!.count).toBe(again.count)
})

test('what is kept is no conflict until one of both says something else; of a subscription nothing is taken', async () => {
  const { say, decide, published } = open()
  await say('sub', 'billing', 'PO-1', 5, 'subscription')
  const { conflicts } = await say('sub', 'crm', 'PO-2', 6, 'subscription')
  const { revision } = conflicts[0]!
  await expect(decide('sub', 'take', revision, 'subscription', 'crm')).rejects.toMatchObject({
    code: 'invalid_request',
  })
  expect(await decide('sub', 'keep', revision, 'subscription', 'crm')).toMatchObject({ holds: 'PO-1' })
  expect((await say('sub', 'crm', 'PO-2', 7, 'subscription')).conflicts).toEqual([])
  expect((await say('sub', 'crm', 'PO-3', 8, 'subscription')).conflicts).toMatchObject([{ value: 'PO-3' }])
  expect(published).toEqual([])
})
