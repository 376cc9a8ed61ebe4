// The chain of the audit trail on a real broker: two writers, lost answers, foreign messages.

import { jetstream } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AuditEntry, firstHash, hashOfEntry } from '../../schemas/audit/audit-entry.js'
import type { BulkTransport } from '../broker/bulk-transport.js'
import { genesisOf } from '../broker/genesis.js'
import { natsSubjects } from '../broker/topology.js'
import { Acts } from '../testing/acts.js'
import { type Broker, silent, startBroker } from '../testing/gateway-fixture.js'
import { auditBucket, readAnchor } from './anchor.js'
import { AuditLog, auditStream, openEntry } from './audit-log.js'
import { recordConfiguration } from './configuration.js'
import { PublishedTerms } from './published-terms.js'

let broker: Broker
let anchors: KV
let key: Uint8Array

beforeAll(async () => {
  broker = await startBroker(1)
  anchors = await new Kvm(broker.nc).open(auditBucket)
  key = (await genesisOf(broker.jsm)).key
})

afterAll(() => broker?.close())

const openLog = (bulk: BulkTransport = broker.bulk) =>
  AuditLog.open({
    terms: new PublishedTerms(jetstream(broker.nc), broker.jsm),
    bulk,
    jsm: broker.jsm,
    anchors,
    key,
    log: silent,
  })

const object = (id: string) => ({ kind: 'key', id })

/** The entries that Weir wrote, in the order of the stream. */
async function entries(): Promise<AuditEntry[]> {
  const { state } = await broker.jsm.streams.info(auditStream)
  const found: AuditEntry[] = []
  for (let seq = 1; seq <= state.last_seq; seq += 1) {
    const message = await broker.jsm.streams.getMessage(auditStream, { seq })
    const entry = message === null ? undefined : openEntry(message.data, key)
    if (entry !== undefined) found.push(entry)
  }
  return found
}

function expectChain(chain: readonly AuditEntry[]): void {
  let previous = firstHash
  for (const [index, entry] of chain.entries()) {
    expect(entry).toMatchObject({ sequence: index + 1, previous_hash: previous, hash: hashOfEntry(entry) })
    previous = entry.hash
  }
}

test('two processes that record at the same time keep one chain, and no act is lost', async () => {
  const [one, other] = [await openLog(), await openLog()]
  const acts = Array.from({ length: 20 }, (_, index) => `k${index}`)
  await Promise.all(
    acts.map((id, index) =>
      (index % 2 === 0 ? one : other).record({ caller: 'process', act: 'key.created', object: object(id) }),
    ),
  )
  const chain = await entries()
  expectChain(chain)
  expect(chain.map(entry => entry.object.id).sort()).toEqual([...acts].sort())
  const { sequence, hash } = chain.at(-1)!
  expect(await readAnchor(anchors, key)).toEqual({ sequence, hash })
})

test('an act whose answer from the broker was lost is on record once', async () => {
  let lost = 0
  const lossy = Object.create(broker.bulk) as { request: BulkTransport['request'] } & BulkTransport
  lossy.request = async (...call) => {
    const answer = await broker.bulk.request(...call)
    lost += 1
    return lost === 1 ? { kind: 'no_answer', detail: 'lost on the way' } : answer
  }
  const before = (await entries()).length
  const caller = { keyId: '0123456789ab', keyName: 'ops', scopes: new Set<never>() }
  await (await openLog(lossy)).record({ caller, act: 'key.revoked', object: object('once'), reason: 'gone' })
  const chain = await entries()
  expect(lost).toBe(1)
  expect(chain).toHaveLength(before + 1)
  expect(chain.at(-1)).toMatchObject({
    by: { kind: 'key', id: '0123456789ab', name: 'ops' },
    reason: 'gone',
    before: null,
  })
})

test('a message that Weir did not write is passed over, and the chain goes on behind it', async () => {
  const before = await entries()
  const forged = { ...before.at(-1)!, sequence: before.length + 1, previous_hash: before.at(-1)!.hash }
  await jetstream(broker.nc).publish(
    natsSubjects.audit,
    JSON.stringify({ ...forged, hash: hashOfEntry(forged) }),
  )
  await (await openLog()).record({ caller: 'process', act: 'key.created', object: object('behind') })
  const chain = await entries()
  expect(chain).toHaveLength(before.length + 1)
  expectChain(chain)
})

test('a start records which settings differ from the start before, and never a secret', async () => {
  const acts = new Acts()
  const keeper = { kv: anchors, key }
  const config = {
    http: { port: 1 },
    nats: { url: ['nats://me:hidden@a:1'], password: 'hidden' },
    rules: [1],
    connections: [{ url: 'https://hooks.example/in?token=hidden&by=hidden' }],
  }
  await recordConfiguration(acts, keeper, config)
  await recordConfiguration(acts, keeper, config)
  expect(acts.acts.map(({ act }) => act)).toEqual(['configuration.recorded'])
  const changed = { ...config, http: { port: 2 }, nats: { ...config.nats, password: 'hidden too' } }
  await recordConfiguration(acts, keeper, changed)
  expect(acts.acts[1]).toMatchObject({
    act: 'configuration.changed',
    before: { settings: { 'http.port': 1, 'nats.password': '(secret)' } },
    after: { settings: { 'http.port': 2, 'nats.password': '(secret)' } },
  })
  expect(JSON.stringify(acts.acts)).not.toContain('hidden')
  expect((await anchors.get('configuration'))!.string()).not.toContain('hidden')
})
