// What people set: over a real bucket, in any order, with conflicts told; and the files that are brought in.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { WatchedKeys } from '../broker/watched-keys.js'
import { ownSystem } from '../feature/identity-lookup.js'
import type { AuditAct } from '../gateway/audit-trail.js'
import { anybodyAllowed } from '../gateway/scopes.js'
import { type Claim, IdentityDesk } from './identity-desk.js'
import { IdentityFinder } from './identity-lookup.js'
import { IdentityStore } from './identity-store.js'
import {
  formerMergesFilter,
  formersSchema,
  MappingTable,
  mappingSchema,
  mergesFilter,
} from './mapping-table.js'
import { MergeDesk } from './merge-desk.js'
import { MergedCustomers } from './merged-customers.js'
import { readImport } from './read-import.js'

let folder: string
let broker: NatsServer
let nc: NatsConnection
let jsm: JetStreamManager
let kv: KV
const acts: AuditAct[] = []
const act = { caller: anybodyAllowed, reason: 'a test' }
const set = { set_at: '2026-01-01T00:00:00.000Z', set_by: '' }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-mappings-'))
  broker = await startNatsServer({ storeDir: folder })
  nc = await connect({ ...broker.login() })
  jsm = await jetstreamManager(nc)
  kv = await new Kvm(jetstream(nc)).create('weir_identities', { markerTTL: 60_000 })
})

afterAll(async () => {
  await nc?.close()
  await broker?.stop()
  await rm(folder, { recursive: true, force: true })
})

function deskWith(claims: Readonly<Record<string, readonly string[]>> = {}) {
  const table = new MappingTable(kv, jsm)
  const claimed = async () => new Map(Object.entries(claims))
  const ofEvents = { of: claimed, ever: claimed }
  const audit = { record: async (one: AuditAct) => void acts.push(one) }
  return { table, ofEvents, desk: new IdentityDesk({ table, claims: ofEvents, audit, nowMs: Date.now }) }
}

function claim(theirs: string, ours: string, insteadOf?: string): Claim {
  return { object: 'customer', system: 'crm', theirs, ours, insteadOf }
}

function mergedCustomers(): MergedCustomers {
  const log = pino({ level: 'silent' })
  const isClosed = () => nc.isClosed()
  const of = <T>(filter: string, parse: (json: unknown) => T) =>
    new WatchedKeys({ kv, jsm, bucket: 'weir_identities', filter, parse, log, isClosed })
  return new MergedCustomers(
    of(mergesFilter, json => mappingSchema.parse(json)),
    of(formerMergesFilter, json => formersSchema.parse(json)),
  )
}

test('the pages of a list read the keys once; a list that begins anew sees what was set', async () => {
  let readings = 0
  const counting = {
    streams: {
      info: (...of: Parameters<typeof jsm.streams.info>) => {
        readings += 1
        return jsm.streams.info(...of)
      },
    },
  } as JetStreamManager
  const table = new MappingTable(kv, counting)
  const key = { object: 'plan', system: 'pages' } as const
  for (let n = 0; n < 5; n += 1) await table.write({ ...key, theirs: `t${n}`, ours: `o${n}`, ...set }, 0)
  const found: string[] = []
  for (let after = ''; ; ) {
    const page = await table.list(key, after, 2)
    found.push(...page.map(({ mapping }) => mapping.theirs))
    if (page.length < 2) break
    after = page.at(-1)!.key
  }
  expect([found.sort(), readings]).toEqual([['t0', 't1', 't2', 't3', 't4'], 1])
  await table.write({ ...key, theirs: 't5', ours: 'o5', ...set }, 0)
  expect((await table.list(key, '', 9)).length).toBe(6)
})

test('a second claim on an id is told and moves nothing; named it moves; each act is on record before', async () => {
  const { desk, table } = deskWith({ 'crm ev': ['acme'], 'crm both': ['a', 'b'] })
  acts.length = 0
  expect(await desk.set(claim('x', 'acme'), act)).toMatchObject({ kind: 'set' })
  expect(await desk.set(claim('x', 'acme'), act)).toMatchObject({ kind: 'same' })
  expect(await desk.set(claim('x', 'other'), act)).toEqual({ kind: 'taken', by: ['acme'] })
  expect(await desk.set(claim('x', 'other', 'bolt'), act)).toEqual({ kind: 'taken', by: ['acme'] })
  expect((await table.get(claim('x', '')))?.mapping.ours).toBe('acme')
  expect(await desk.set(claim('x', 'other', 'acme'), act)).toMatchObject({ kind: 'set' })
  expect((await table.of('customer', 'acme')).length).toBe(0)
  expect((await table.of('customer', 'other')).map(one => one.mapping.theirs)).toEqual(['x'])
  // What events of customers say counts as a claim; of two that say so somebody chooses one.
  expect(await desk.set(claim('ev', 'other'), act)).toEqual({ kind: 'taken', by: ['acme'] })
  expect(await desk.set(claim('both', 'b'), act)).toMatchObject({ kind: 'set' })
  const many = await desk.setAll(
    [claim('x', 'acme'), claim('y', 'acme'), claim('y', 'b'), claim('x', 'other')],
    act,
  )
  expect(many.map(one => one.kind)).toEqual(['taken', 'set', 'taken', 'same'])
  expect(await desk.remove(claim('y', ''), act)).toMatchObject({ ours: 'acme' })
  expect(await desk.remove(claim('y', ''), act)).toBeUndefined()
  const list = Array.from({ length: 200 }, (_, n) => claim(`many-${n % 150}`, n === 149 ? 'other' : 'acme'))
  const ends = async () => (await desk.setAll(list, act)).map(({ kind }) => kind)
  const first = await ends()
  expect([
    first.filter(kind => kind === 'set').length,
    first.indexOf('taken'),
    new Set(first.slice(150)),
  ]).toEqual([150, -1, new Set(['same'])])
  expect(new Set(await ends())).toEqual(new Set(['same']))
  acts.length -= 1
  const expected = ['identity.set', 'identity.set', 'identity.set', 'identities.imported', 'identity.removed']
  expect(acts.map(one => one.act)).toEqual(expected)
})

test('connections get the ids that were set, before those of events', async () => {
  const { table } = deskWith()
  const store = new IdentityStore(kv, table)
  await store.keep({ customerId: 'out', ids: { crm: 'c1', erp: 'e1' }, eventTimeNs: 1n, ledgerSequence: 1 })
  await table.write({ ...claim('e2', 'out'), ...set, system: 'erp' }, 0)
  expect(await store.of('out')).toEqual({ crm: 'c1', erp: 'e2' })
})

test('what a lookup finds does not depend on the order in which customers claimed an id and were merged', async () => {
  let run = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ from: fc.nat(4), into: fc.nat(4) }), { maxLength: 4 }),
      fc.uniqueArray(fc.nat(4), { minLength: 1, maxLength: 4 }),
      fc.infiniteStream(fc.nat()),
      async (merges, claimants, dice) => {
        run += 1
        const name = (index: number) => `r${run}c${index}`
        // Always into a smaller one: no circle. Of two merges of one customer the first by name counts.
        const chosen = new Map(
          merges.filter(({ from, into }) => into < from).map(({ from, into }) => [name(from), name(into)]),
        )
        const answers = []
        for (const shuffled of [[...chosen], [...chosen].sort(() => (dice.next().value % 2) - 0.5)]) {
          const { table } = deskWith()
          for (const theirs of chosen.keys()) {
            const old = await table.get({ object: 'customer', system: ownSystem, theirs })
            if (old !== undefined) await table.remove(old)
          }
          for (const [theirs, ours] of shuffled)
            await table.write({ object: 'customer', system: ownSystem, theirs, ours, ...set }, 0)
          const claims = async () => new Map([['crm t', claimants.map(name)]])
          const finder = new IdentityFinder(table, { of: claims, ever: claims }, mergedCustomers())
          answers.push(await finder.ours([{ object: 'customer', system: 'crm', id: 't' }]))
        }
        const standing = (at: string): string => (chosen.has(at) ? standing(chosen.get(at)!) : at)
        const expected = [...new Set(claimants.map(index => standing(name(index))))]
        const one = expected.length === 1 ? expected[0] : { claimedBy: expected }
        expect(answers).toEqual([[one], [one]])
      },
    ),
    { numRuns: 8 },
  )
})

test('of merges that would make a circle at the same moment one is refused, and who was one is known after a split', async () => {
  const { table } = deskWith()
  const merged = mergedCustomers()
  const desks = [0, 1, 2].map(
    () => new MergeDesk({ table, merged, audit: { record: async () => undefined }, nowMs: Date.now }),
  )
  for (const run of [1, 2, 3]) {
    const [a, b, c] = ['a', 'b', 'c'].map(one => `circle-${run}-${one}`) as [string, string, string]
    const pairs: [string, string][] = [
      [a, b],
      [b, c],
      [c, a],
    ]
    const ends = await Promise.all(pairs.map(([from, into], at) => desks[at]!.merge(from, into, act)))
    expect(ends.map(({ kind }) => kind).sort()).toEqual(['circle', 'free', 'free'])
    expect((await desks[0]!.split(a, act)) ?? (await desks[0]!.split(b, act))).toBeDefined()
  }
  expect(await desks[0]!.merge('self', 'self', act)).toEqual({ kind: 'circle' })
  expect(await desks[0]!.merge('was-old', 'was-new', act)).toMatchObject({ kind: 'free' })
  expect(await desks[0]!.merge('was-old', 'was-new', act)).toMatchObject({ kind: 'same' })
  expect(await desks[0]!.merge('was-old', 'x', act)).toEqual({ kind: 'taken', into: 'was-new' })
  expect(await desks[0]!.split('was-old', act)).toBe('was-new')
  expect(await desks[0]!.split('was-old', act)).toBeUndefined()
  const finder = new IdentityFinder(table, { of: async () => new Map(), ever: async () => new Map() }, merged)
  const asked = [{ object: 'customer', system: ownSystem, id: 'was-old' }] as const
  expect([await finder.ours(asked), await finder.ever(asked)]).toEqual([
    [undefined],
    [['was-old', 'was-new']],
  ])
})

test('a file of identities is read as CSV and as YAML, and every fault is told with its line', () => {
  const csv = 'object,system,theirs,ours\ncustomer,crm,1,acme\n plan ,billing,p_1,pro\n'
  const yaml =
    '- { system: crm, theirs: "1", ours: acme }\n- { object: plan, system: billing, theirs: p_1, ours: pro }\n'
  const expected = [
    { object: 'customer', system: 'crm', theirs: '1', ours: 'acme' },
    { object: 'plan', system: 'billing', theirs: 'p_1', ours: 'pro' },
  ]
  expect(readImport('a.csv', csv)).toEqual({ kind: 'ok', identities: expected, lines: [2, 3] })
  expect(readImport('a.yaml', yaml)).toEqual({ kind: 'ok', identities: expected, lines: [1, 2] })
  const rows = (wrong: string) =>
    Array.from({ length: 10_000 }, (_, n) => `crm,${n},${n % 400 === 0 ? wrong : 'x'}\n`)
  const long = readImport('a.csv', `system,theirs,ours\n${rows('x,y').join('')}`)
  expect(
    long.kind === 'invalid' ? [long.problems[1], long.problems.length, long.problems.at(-1)] : long,
  ).toEqual(['a.csv:402: it has more or fewer values than the header', 21, 'a.csv: 5 more lines are wrong.'])
  expect(readImport('a.csv', 'system,theirs,ours\ncrm,,x\ncrm,1,y\n')).toEqual({
    kind: 'invalid',
    problems: ['a.csv:2: theirs is missing or no text'],
  })
  expect(readImport('a.yaml', '- { system: crm, theirs: 1, ours: x }\n- { whose: x }\n')).toMatchObject({
    problems: [
      'a.yaml:1: theirs is missing or no text',
      expect.stringContaining('a.yaml:2: system is missing or no text'),
    ],
  })
})
