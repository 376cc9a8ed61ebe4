// Whatever ids of customers come to mean, each event counts once: random histories of telling, telling again, merges, splits, moves,
// claims, mended mappings and runs again, through the identities of a real broker, what producers and sources make of them, and
// the duplicate tables of three partitions. The model is a list of what each partition counted.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { hashIdentity, hashWords } from '../../schemas/event/event-hash.js'
import { partitionOf } from '../../schemas/identifiers.js'
import { WatchedKeys } from '../broker/watched-keys.js'
import { DedupeTable } from '../core/state/dedupe-table.js'
import { anybodyAllowed } from '../gateway/scopes.js'
import { IdentityDesk } from '../identities/identity-desk.js'
import { IdentityFinder } from '../identities/identity-lookup.js'
import {
  formerMergesFilter,
  formersSchema,
  MappingTable,
  mappingSchema,
  mergesFilter,
} from '../identities/mapping-table.js'
import { MergeDesk } from '../identities/merge-desk.js'
import { MergedCustomers } from '../identities/merged-customers.js'
import { Customers } from '../producers/customers.js'
import { ToldBefore } from '../producers/told-before.js'
import { mapArrival } from '../sources/map/map-arrival.js'
import { CustomerHomes } from '../sources/owners/customer-homes.js'
import { sourcesSettings } from '../sources/settings.js'
import type { Arrival, Loaded } from '../sources/source-kind.js'

let folder: string
let broker: NatsServer
let nc: NatsConnection
let jsm: JetStreamManager
let identities: KV
let arrivals: KV
const partitions = 3
const nowMs = Date.parse('2026-11-01T00:00:00Z')
const act = { caller: anybodyAllowed, reason: 'a test' }
const runs = Number(process.env['WEIR_MOVED_IDS_RUNS'] ?? 6)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-moved-'))
  broker = await startNatsServer({ storeDir: folder })
  nc = await connect({ ...broker.login() })
  jsm = await jetstreamManager(nc)
  const kvm = new Kvm(jetstream(nc))
  identities = await kvm.create('weir_identities', { markerTTL: 60_000 })
  arrivals = await kvm.create('weir_arrivals', { markerTTL: 60_000 })
})

afterAll(async () => {
  await nc?.close()
  await broker?.stop()
  await rm(folder, { recursive: true, force: true })
})

interface Sent {
  readonly source: string
  readonly id: string
  readonly subject: string
  readonly subscription?: string
}

/** What partitions count, and what of it the tables have. */
class Partitions {
  readonly counted: Sent[] = []
  readonly #tables = Array.from({ length: partitions }, () => new DedupeTable(Number.POSITIVE_INFINITY))
  #delivered = 0

  publish(sent: Sent): void {
    const identity = new Uint32Array(hashWords)
    hashIdentity(sent.source, sent.id, identity)
    const table = this.#tables[partitionOf(sent.subject, partitions)]!
    if (table.see(identity, new Uint32Array(hashWords), 20_000) === 'new') this.counted.push(sent)
  }

  deliver(): void {
    this.#delivered = this.counted.length
  }

  async takenUnder(source: string, ids: readonly string[], customers: readonly string[]) {
    return this.counted
      .slice(0, this.#delivered)
      .filter(one => one.source === source && ids.includes(one.id) && customers.includes(one.subject))
      .map(({ id, subject }) => ({ id, customer: subject }))
  }
}

/** A payment, and a change of a subscription. The rules say how far the mapping reads beside the right customer. */
const loaded: Loaded = {
  verify: () => ({ kind: 'proven', arrivals: [] }),
  map({ id }, context) {
    const { customer } = JSON.parse(id) as { customer: number }
    const customer_id = context.id(
      'customer',
      theirsOf(context.settings['run'], customer, Number(context.rules)),
    )
    const payment = { payment_id: id, customer_id, currency: 'EUR', amount: '1' }
    const change = { subscription_id: id, customer_id, plan: 'p', effective_from: '2026-10-01T00:00:00Z' }
    return {
      kind: 'events',
      events: [
        { key: '', type: 'weir.payment.succeeded', subject: customer_id, data: payment },
        { key: 's', type: 'weir.subscription.created', subject: customer_id, data: change, version: 1 },
      ],
    }
  },
}

function theirsOf(run: unknown, id: number, aside = 0): string {
  return `${run}t${(id + aside) % 3}`
}

function mergedCustomers(): MergedCustomers {
  const watched = <T>(filter: string, parse: (json: unknown) => T) =>
    new WatchedKeys({
      ...{ kv: identities, jsm, bucket: 'weir_identities', filter, parse },
      ...{ log: pino({ level: 'silent' }), isClosed: () => nc.isClosed() },
    })
  return new MergedCustomers(
    watched(mergesFilter, json => mappingSchema.parse(json)),
    watched(formerMergesFilter, json => formersSchema.parse(json)),
  )
}

const bare: Omit<Arrival, 'id' | 'source'> = {
  ...{ type: 't', bytes: new Uint8Array(), via: 'webhook' as const, sequence: 1, headers: {} },
  ...{ receivedAtMs: nowMs, occurredAtMs: nowMs },
}

async function history(run: string) {
  const customer = (n: number) => `${run}c${n}`
  const known = { now: new Map<string, readonly string[]>(), ever: new Map<string, readonly string[]>() }
  const claims = { of: async () => known.now, ever: async () => known.ever }
  const table = new MappingTable(identities, jsm)
  const merged = mergedCustomers()
  const audit = { record: async () => undefined }
  const clock = { ms: nowMs }
  const desk = new IdentityDesk({ table, claims, audit, nowMs: () => clock.ms })
  const merges = new MergeDesk({ table, merged, audit, nowMs: () => clock.ms })
  const finder = new IdentityFinder(table, claims, merged)
  const all = new Partitions()
  const customers = new Customers({
    ...{ name: 'stripe', settings: { customers: 'table', system: 'crm' }, identities: finder },
    owners: async ids => ids.map(() => undefined),
    toldBefore: new ToldBefore({
      source: 'stripe',
      takenUnder: (...asked) => all.takenUnder(...asked),
      caughtUp: async () => {
        all.deliver()
        return true
      },
      nowMs: () => clock.ms,
    }),
    nowMs: () => clock.ms,
  })
  const [settings] = sourcesSettings
    .schema(z)
    .parse([{ name: 'x', kind: 'standard', secrets: [{ variable: 'S' }], mapping: 'm', system: 'crm' }])
  const homes = new CustomerHomes(arrivals, 35)
  const key = (id: number) => ({ object: 'customer' as const, system: 'crm', theirs: theirsOf(run, id) })
  return {
    all,
    async use(id: string, named: number) {
      const [subject] = await customers.ours([{ id, customer: { as: 'theirs', id: theirsOf(run, named) } }])
      all.publish({ source: 'stripe', id, subject: subject! })
    },
    async tell(id: string, aside: number, isCorrection: boolean) {
      const arrival: Arrival = { ...bare, id, source: run }
      const outcome = await mapArrival(arrival, {
        ...{ settings: { ...settings!, run }, loaded, rules: aside, identities: finder, homes },
        maker: { kind: 'standard', source: run, revision: Number(isCorrection), isCorrection },
      })
      if (outcome.kind !== 'events') return
      for (const { source, id: eventId, subject, data } of outcome.events) {
        const of = data['subscription_id']
        all.publish({ source, id: eventId, subject, ...(typeof of === 'string' ? { subscription: of } : {}) })
      }
    },
    async move(id: number, to: number) {
      const before = (await table.get(key(id)))?.mapping.ours ?? known.now.get(`crm ${key(id).theirs}`)?.[0]
      await desk.set({ ...key(id), ours: customer(to), insteadOf: before }, act)
    },
    remove: (id: number) => desk.remove(key(id), act),
    merge: (from: number, into: number) => merges.merge(customer(from), customer(into), act),
    split: (one: number) => merges.split(customer(one), act),
    claim(id: number, by: number) {
      const theirs = `crm ${key(id).theirs}`
      known.now.set(theirs, [customer(by)])
      known.ever.set(theirs, [...new Set([...(known.ever.get(theirs) ?? []), customer(by)])])
    },
    /** What was taken is in the tables some seconds later. */
    pass(seconds: number) {
      if (seconds > 10) all.deliver()
      clock.ms += seconds * 1_000
    },
  }
}

type Step = readonly [
  'use' | 'tell' | 'move' | 'remove' | 'merge' | 'split' | 'claim' | 'pass' | 'again' | 'rerun',
  number,
  number,
]

const step: fc.Arbitrary<Step> = fc.oneof(
  ...(['use', 'tell', 'again', 'again', 'rerun', 'move', 'remove', 'merge', 'split', 'claim'] as const).map(
    kind => fc.tuple(fc.constant(kind), fc.nat(2), fc.nat(3)),
  ),
  fc.tuple(fc.constant('pass' as const), fc.constant(0), fc.constantFrom(1, 61, 200)),
)

async function play(run: string, steps: readonly Step[]): Promise<readonly Sent[]> {
  const world = await history(run)
  const told: { readonly id: string; readonly isUsage: boolean; readonly customer: number }[] = []
  const tell = ({ id, isUsage, customer }: (typeof told)[number], aside = 0, isCorrection = false) =>
    isUsage ? world.use(id, customer) : world.tell(id, aside, isCorrection)
  for (const id of [0, 1]) await world.move(id, id)
  world.claim(2, 2)
  for (const [kind, a, b] of steps) {
    if (kind === 'use' || kind === 'tell') {
      told.push({
        id: JSON.stringify({ run, n: told.length, customer: a }),
        isUsage: kind === 'use',
        customer: a,
      })
      await tell(told.at(-1)!)
    } else if (kind === 'again') {
      const one = told[(a + 3 * b) % Math.max(1, told.length)]
      if (one !== undefined) await tell(one)
    } else if (kind === 'rerun') for (const one of told) await tell(one, b % 2, b > 0)
    else if (kind === 'pass') world.pass(b)
    else if (kind === 'remove' || kind === 'split') await world[kind](a)
    else await world[kind](a, b)
  }
  for (const one of told) await tell(one)
  return world.all.counted
}

test('each event counts once, whatever ids come to mean between its first and its last telling', async () => {
  let run = 0
  let ofSources = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 25 }), async steps => {
      run += 1
      // What nobody knew waits under a customer of its own, until somebody says whose it is.
      const counted = (await play(`r${run}`, steps)).filter(({ subject }) => !subject.startsWith('stripe:'))
      const payments = counted.filter(one => one.subscription === undefined)
      expect(payments.map(({ source, id }) => `${source} ${id}`).sort()).toEqual(
        [...new Set(payments.map(({ source, id }) => `${source} ${id}`))].sort(),
      )
      ofSources += payments.filter(({ source }) => source !== 'stripe').length
      const homes = new Map<string, Set<string>>()
      for (const { subscription, subject } of counted)
        if (subscription !== undefined)
          homes.set(subscription, (homes.get(subscription) ?? new Set()).add(subject))
      expect([...homes.values()].filter(one => one.size > 1)).toEqual([])
    }),
    { numRuns: runs, endOnFailure: true },
  )
  expect(ofSources, 'payments of sources were counted').toBeGreaterThan(0)
})

test('what comes new after a merge, a move and a split goes to the customer that is meant now', async () => {
  const steps: Step[] = [
    ...[
      ['use', 0, 0],
      ['tell', 0, 0],
      ['merge', 0, 3],
      ['pass', 0, 61],
      ['use', 0, 0],
      ['tell', 0, 0],
    ],
    ...[
      ['split', 0, 0],
      ['move', 0, 1],
      ['pass', 0, 61],
      ['use', 0, 0],
      ['tell', 0, 0],
    ],
  ] as unknown as Step[]
  const counted = await play('new', steps)
  expect(counted.map(({ subject }) => subject)).toEqual(
    ['c0', 'c0', 'c0', 'c3', 'c3', 'c3', 'c1', 'c1', 'c1'].map(one => `new${one}`),
  )
})
