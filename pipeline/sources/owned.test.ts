// Systems of record: what holds of an object does not depend on the order in which systems tell it, on crashes, or on who is
// asked; nothing of an event is lost beside what another owns; where two disagree is told with both values.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { atHome } from './map/at-home.js'
import type { MadeEvent } from './map/made-events.js'
import type { Outcome } from './map/map-arrival.js'
import { ownEvent } from './map/own-event.js'
import { type ClaimedObject, heldFields, withClaim } from './owners/claimed-object.js'
import { CustomerHomes, type Homes } from './owners/customer-homes.js'
import type { ObjectClaim } from './owners/object-claim.js'
import { ObjectClaims } from './owners/object-claims.js'
import { type OwnerRule, systemsOfRecord } from './owners/owner-rules.js'
import { Owners } from './settle-owned.js'
import type { Arrival } from './source-kind.js'

let folder: string
let broker: NatsServer
let nc: NatsConnection
let kv: KV

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-owners-'))
  broker = await startNatsServer({ storeDir: folder })
  nc = await connect({ ...broker.login() })
  kv = await new Kvm(jetstream(nc)).create('weir_arrivals', { markerTTL: 60_000 })
})

afterAll(async () => {
  await nc?.close()
  await broker?.stop()
  await rm(folder, { recursive: true, force: true })
})

const rules = (list: readonly object[]): readonly OwnerRule[] => systemsOfRecord.schema(z).parse(list)
const since = '2026-01-01T00:00:00.000Z'
const arrival = { receivedAtMs: Date.parse(since) } as Arrival

function made(id: string, type: string, data: Record<string, unknown>, subject = 'acme'): MadeEvent {
  return { specversion: '1.0', id, source: 'weir:standard:crm', type, subject, time: since, data }
}

function upserted(id: string, fields: Record<string, unknown>, customer = 'acme'): MadeEvent {
  return made(id, 'weir.customer.upserted', { customer_id: customer, ...fields }, customer)
}

/** As the mapper makes it. */
function outcomeOf(event: MadeEvent, source: string, list: readonly OwnerRule[], timeNs: bigint): Outcome {
  const owned = ownEvent(event, source, list, timeNs)
  const claims = owned.claim === undefined ? [] : [owned.claim]
  if (owned.event === undefined) return { kind: 'ignored', reason: 'owned_by_another', claims }
  return { kind: 'events', events: [owned.event], hashes: [''], state: undefined, claims }
}

test('of a customer each field has the value of its first owner that has said something, with both values where another differs', async () => {
  const list = rules([
    { object: 'customer', field: 'name', owner: ['crm', 'billing'] },
    { object: 'customer', field: '*', owner: 'billing' },
  ])
  // Of what its owner has not spoken nothing is lost, and nobody disagrees.
  const silent: ObjectClaim = {
    object: 'customer',
    id: 'x',
    customerId: 'x',
    fields: { currency: 'USD' },
    ...{ at: '1', event: 'e' },
  }
  const untold = withClaim(undefined, silent, 'crm', list, since)
  expect([heldFields(untold, list), untold.conflicts]).toEqual([{ currency: 'USD' }, []])
  const claims = new ObjectClaims(kv, list)
  const owners = (source: string) =>
    new Owners({
      source,
      rules: list,
      claims,
    })
  const told = async (source: string, id: string, fields: Record<string, unknown>, timeNs: bigint) => {
    const outcome = await owners(source).settled(
      outcomeOf(upserted(id, fields), source, list, timeNs),
      arrival,
    )
    return outcome.kind === 'events' ? outcome.events[0]! : outcome
  }
  const ids = { external_ids: { billing: 'cus_1' } }
  expect(await told('billing', 'b1', { name: 'ACME Ltd', currency: 'EUR', ...ids }, 10n)).toMatchObject({
    id: 'b1~r0',
    data: { customer_id: 'acme', name: 'ACME Ltd', currency: 'EUR', ...ids },
  })
  // An older event of the owner takes the name over; what billing said beside it stays, and the time is later.
  const taken = await told('crm', 'c1', { name: 'Acme', currency: 'USD' }, 5n)
  expect(taken).toMatchObject({
    id: 'c1~r1',
    data: { customer_id: 'acme', name: 'Acme', currency: 'EUR', ...ids },
  })
  expect(taken).toMatchObject({ time: '1970-01-01T00:00:00.000000011Z' })
  // The same arrival again, as after a crash.
  expect(await told('crm', 'c1', { name: 'Acme', currency: 'USD' }, 5n)).toEqual(taken)
  const stored = (await claims.read('customer', 'acme'))!
  expect(stored.conflicts).toMatchObject([
    {
      field: 'currency',
      owner: 'billing',
      owner_value: 'EUR',
      system: 'crm',
      value: 'USD',
      code: 'conflicting_owner',
    },
    { field: 'name', owner: 'crm', owner_value: 'Acme', system: 'billing', value: 'ACME Ltd' },
  ])
  await told('crm', 'c2', { name: 'ACME Ltd', currency: 'EUR' }, 20n)
  const keys: string[] = []
  for await (const key of await kv.keys('conflict.>')) keys.push(key)
  expect(keys).toEqual([])
})

test('of a subscription only the owner of a field changes it, and the rest of the event goes through', () => {
  const list = rules([
    { object: 'subscription', field: 'plan', owner: 'billing' },
    { object: 'subscription', field: 'status', owner: 'billing' },
    { object: 'subscription', field: 'quantities', owner: 'crm' },
  ])
  const facts = { subscription_id: 's', customer_id: 'acme', sequence: 7_000, effective_from: since }
  const created = made('e', 'weir.subscription.created', {
    ...{ ...facts, plan: 'pro', plan_version: 2, quantities: { seats: '5' }, po_number: 'p' },
  })
  const of = (event: MadeEvent, source: string) => ownEvent(event, source, list, 0n)
  const { quantities: _, ...rest } = created.data
  expect(of(created, 'billing').event).toEqual({ ...created, data: rest })
  expect(of(created, 'crm').event).toEqual({
    ...{ ...created, type: 'weir.subscription.amended' },
    data: { ...facts, sequence: 7_100, quantities: { seats: '5' } },
  })
  const cancelled = made('e', 'weir.subscription.cancelled', facts)
  expect(of(cancelled, 'crm')).toMatchObject({ event: undefined, claim: { fields: { status: 'cancelled' } } })
  expect(of(cancelled, 'billing').event).toEqual(cancelled)
  expect(of(made('e', 'weir.subscription.amended', { ...facts, plan: 'basic' }), 'crm').event).toBeUndefined()
})

test('what is told goes where it was told first, a subscription too if both were ever one; what was refused has no home', async () => {
  const homes = new CustomerHomes(kv, 35)
  const one = new Set(['old acme'])
  const wereOne = async (...both: string[]) => one.has(both.sort().reverse().join(' '))
  const told = (customer: string, kept: Homes = homes) => {
    const data = { subscription_id: 'home_1', customer_id: customer, sequence: 1 }
    const paid = { payment_id: 'p', customer_id: customer }
    const events = [
      made('e', 'weir.subscription.created', data, customer),
      made('p', 'weir.payment.succeeded', paid, customer),
      upserted('c', {}, customer),
    ]
    return atHome(events, kept, wereOne)
  }
  const subjects = (customer: string) => [{ subject: 'old' }, { subject: 'old' }, { subject: customer }]
  expect(await told('first', homes.readOnly())).toMatchObject({ events: [{ subject: 'first' }, {}, {}] })
  await told('old')
  expect(await told('acme')).toMatchObject({ faults: [], events: subjects('acme') })
  const merged = await told('acme')
  expect([merged.events[1]!.data['customer_id'], merged.said[1]!.subject]).toEqual(['old', 'old'])
  const mended = await atHome([made('p', 'weir.payment.succeeded', {}, 'bolt')], homes, wereOne)
  expect(mended).toMatchObject({ events: [{ subject: 'old' }], said: [{ subject: 'bolt' }] })
  expect(await told('bolt')).toMatchObject({ faults: [{ code: 'subscription_of_another_customer' }] })
  expect(await new CustomerHomes(kv, 35).ofSubscription('home_1', 'bolt')).toBe('old')
  const [, payment] = (await told('acme')).events
  await homes.giveUpEvent(payment!.source, payment!.id)
  expect(await homes.ofEvent(payment!.source, payment!.id, 'bolt')).toBe('bolt')
})

test('in whatever order systems tell of an object, and however often, the same holds and the same is in conflict', () => {
  const list = rules([
    { object: 'customer', field: 'name', owner: ['a', 'b'] },
    { object: 'customer', field: 'currency', owner: 'c' },
  ])
  const value = fc.constantFrom('x', 'y', null)
  const one = fc.record({
    system: fc.constantFrom('a', 'b', 'c', 'api'),
    at: fc.nat(5),
    fields: fc.record({ name: value, currency: value, entity_id: value }, { requiredKeys: [] }),
  })
  fc.assert(
    fc.property(fc.array(one, { minLength: 1, maxLength: 12 }), fc.infiniteStream(fc.nat()), (all, dice) => {
      const end = (claims: typeof all) => {
        let object: ClaimedObject | undefined
        for (const { system, at, fields } of claims) {
          const claim: ObjectClaim = {
            object: 'customer',
            id: 'o',
            customerId: 'o',
            fields,
            at: String(at),
            event: `${system} ${at}`,
          }
          const before = object
          object = withClaim(object, claim, system, list, since)
          const changed =
            JSON.stringify(heldFields(object, list)) !== JSON.stringify(before && heldFields(before, list))
          if (before !== undefined && changed)
            expect(BigInt(object.made_at)).toBeGreaterThan(BigInt(before.made_at))
        }
        const conflicts = object!.conflicts.map(({ revision: _, ...conflict }) => conflict)
        return { holds: heldFields(object!, list), conflicts }
      }
      const shuffled = [...all, ...all.slice(0, 2)]
        .map(claim => ({ claim, key: dice.next().value }))
        .sort((a, b) => a.key - b.key)
        .map(({ claim }) => claim)
      expect(end(shuffled)).toEqual(end(all))
    }),
    { numRuns: 100 },
  )
})

test('a rule that could not do what it says is refused with its place', () => {
  const read = systemsOfRecord.schema(z).safeParse([
    { object: 'customer', field: 'nam', owner: 'crm' },
    { object: 'subscription', field: 'plan', owner: ['crm', 'billing'] },
    { object: 'subscription', field: 'plan', owner: 'crm' },
  ])
  expect(read.error?.issues.map(one => one.path.join('.')).sort()).toEqual(['0.field', '1.owner', '2.field'])
})
