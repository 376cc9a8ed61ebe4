// The audit trail of a whole Weir: what people and the process do is on record, a rated row leads to its catalog, and whatever
// is tampered with is named.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../bench/measure/supervised-weir.js'
import type { AuditEntry } from '../../schemas/audit/audit-entry.js'
import { openClickHouse } from '../../sinks/clickhouse/config.js'
import { genesisOf, sealJson } from '../broker/genesis.js'
import { natsSubjects } from '../broker/topology.js'
import { auditBucket, readAnchor } from './anchor.js'
import type { AuditDifference, AuditVerification } from './verify.js'

const generousMs = 300_000

let weir: SupervisedWeir
let clickhouse: ClickHouseClient
let nc: NatsConnection
let adminKey: string

beforeAll(async () => {
  weir = await SupervisedWeir.start()
  await weir.ready()
  clickhouse = openClickHouse(weir.clickhouse)
  nc = await connect(weir.nats)
  adminKey = (await readFile(join(weir.dataDir, 'api-key'), 'utf8')).trim()
}, generousMs)

afterAll(async () => {
  await clickhouse?.close()
  await nc?.close()
  await weir?.stop()
}, generousMs)

async function ask<T>(method: string, path: string, body?: object): Promise<T> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${adminKey}` }
  const answer = await fetch(`${weir.url}${path}`, { method, headers, body: JSON.stringify(body) ?? null })
  const text = await answer.text()
  if (!answer.ok) throw new Error(text)
  return JSON.parse(text) as T
}

/** The entries, the oldest first, once ClickHouse has all of them. */
async function entries(query = ''): Promise<AuditEntry[]> {
  await expect
    .poll(async () => (({ entries, clickhouse_rows }) => clickhouse_rows - entries)(await verified()))
    .toBe(0)
  const found = await ask<{ entries: AuditEntry[] }>('GET', `/v1/audit?limit=1000${query}`)
  return found.entries.toReversed()
}

const verified = () => ask<AuditVerification>('GET', '/v1/audit/verification')
const differences = async (): Promise<string[]> =>
  (await verified()).differences.map(
    ({ where, what, sequence }: AuditDifference) => `${where} ${what} ${sequence}`,
  )

const catalog = (version: number) => ({
  specversion: '1.0',
  id: `catalog-${version}`,
  source: 'prices',
  type: 'weir.catalog.published',
  data: {
    catalog: {
      meters: [{ meter: 'calls', event_type: 'call', aggregation: 'count' }],
      plans: [
        {
          plan: 'pro',
          version,
          currency: 'USD',
          billing_period: 'month',
          prices: [{ price: 'calls', kind: 'usage', meter: 'calls', model: 'per_unit', unit_amount: '1' }],
        },
      ],
    },
  },
})
const rate = {
  specversion: '1.0',
  id: 'fx-1',
  source: 'prices',
  type: 'weir.fx_rate.published',
  data: { base: 'EUR', quote: 'USD', rate: '1.1', effective_from: '2026-01-01T00:00:00Z' },
}
const subscription = {
  specversion: '1.0',
  id: 'sub-1',
  source: 'crm',
  type: 'weir.subscription.created',
  subject: 'acme',
  time: '2026-01-01T00:00:00Z',
  data: {
    ...{ subscription_id: 's1', customer_id: 'acme', sequence: 1, plan: 'pro', plan_version: 1 },
    effective_from: '2026-01-01T00:00:00Z',
  },
}
const call = (id: string) => ({
  ...{ specversion: '1.0', id, source: 'app', type: 'call', subject: 'acme', time: '2026-01-02T00:00:00Z' },
  data: {},
})

async function send(token: string, events: readonly object[]): Promise<void> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  const answer = await fetch(`${weir.url}/v1/events`, {
    method: 'POST',
    headers,
    body: JSON.stringify(events),
  })
  expect(await answer.json()).toMatchObject({ accepted: events.length })
}

async function select<T>(query: string): Promise<T[]> {
  return (await clickhouse.query({ query, format: 'JSONEachRow' })).json<T>()
}

test(
  'keys, prices and billing runs are on record with who did what, and the first start too',
  async () => {
    const key = { name: 'pricing', scopes: ['ingest:catalog', 'ingest:lifecycle', 'ingest:usage'] }
    const made = await ask<{ key_id: string; token: string }>('POST', '/v1/keys', key)
    await send(made.token, [catalog(1), rate, subscription, call('c1')])
    await expect.poll(() => select('SELECT event_id FROM rated_usage'), { timeout: 20_000 }).toHaveLength(1)
    await send(made.token, [catalog(2), call('c2')])
    await expect.poll(() => select('SELECT event_id FROM rated_usage'), { timeout: 20_000 }).toHaveLength(2)
    const run = { cutoff: '2026-02-01T00:00:00Z' }
    const { billing_run_id } = await ask<{ billing_run_id: string }>('POST', '/v1/billing-runs', run)
    await ask('POST', '/v1/billing-runs', run) // the same run: nothing new is done
    await ask('DELETE', `/v1/keys/${made.key_id}`)
    const acts = (await entries()).map(({ act, by, object }) => [act, by.name, object.id])
    expect(acts).toEqual([
      ['configuration.recorded', 'weir', 'weir'],
      ['key.created', 'weir', expect.any(String)],
      ['key.created', 'first key', made.key_id],
      ['catalog.published', 'pricing', 'prices catalog-1'],
      ['fx_rate.published', 'pricing', 'EUR/USD'],
      ['catalog.published', 'pricing', 'prices catalog-2'],
      ['billing_run.created', 'first key', billing_run_id],
      ['key.revoked', 'first key', made.key_id],
    ])
    expect(JSON.stringify(await entries())).not.toMatch(/sha256|password":"(?!\(secret)/)
  },
  generousMs,
)

test(
  'a rated row leads to the hash of its catalog, which is the hash on record for its publication',
  async () => {
    const published = await entries('&act=catalog.*')
    const hashes = published.map(({ after }) => (after as { catalog_hash: string }).catalog_hash)
    expect(new Set(hashes).size).toBe(2)
    expect(published[1]!.before).toEqual({ catalog_hash: hashes[0] })
    const rows = await select('SELECT event_id, catalog_hash FROM rated_usage_catalogs ORDER BY event_id')
    expect(rows).toEqual([
      { event_id: 'c1', catalog_hash: hashes[0] },
      { event_id: 'c2', catalog_hash: hashes[1] },
    ])
  },
  generousMs,
)

test(
  'verify names an entry that was changed, removed or inserted, in ClickHouse and in the stream, and the last ones removed',
  async () => {
    const whole = await verified()
    expect(whole).toMatchObject({ ok: true, differences: [], clickhouse_rows: whole.entries })
    const mutated = { mutations_sync: '2' } as const
    const command = (query: string) => clickhouse.command({ query, clickhouse_settings: mutated })
    await command("ALTER TABLE audit_log UPDATE by_name = 'nobody' WHERE audit_sequence = 3")
    expect(await differences()).toEqual(['clickhouse changed 3'])
    await command("ALTER TABLE audit_log UPDATE by_name = 'first key' WHERE audit_sequence = 3")
    await command('INSERT INTO audit_log SELECT * FROM audit_log WHERE audit_sequence = 5')
    await command('ALTER TABLE audit_log DELETE WHERE audit_sequence = 4')
    expect((await differences()).sort()).toEqual(['clickhouse inserted 5', 'clickhouse removed 4'])
    const told = await weir.run('audit', 'verify')
    expect(told).toMatchObject({ code: 1, stdout: expect.stringContaining('clickhouse: entry 4 removed') })

    // Whoever can write to the stream, and computes the hash right, lacks the genesis key.
    const last = (await entriesOfStream()).at(-1)!
    const forged = { ...last, sequence: last.sequence + 1, previous_hash: last.hash }
    await jetstream(nc).publish(natsSubjects.audit, JSON.stringify(forged))
    expect(await differences()).toContain(`stream inserted ${forged.sequence}`)

    // An anchor beyond the end is what is left when the last entries are taken out of the stream.
    const jsm = await jetstreamManager(nc)
    const { key } = await genesisOf(jsm)
    const anchors = await new Kvm(nc).open(auditBucket)
    const anchor = await readAnchor(anchors, key)
    expect(anchor).toMatchObject({ sequence: last.sequence, hash: last.hash })
    await anchors.put('head', sealJson({ sequence: 99, hash: last.hash }, key))
    expect(await differences()).toContain('stream removed 99')
    await anchors.put('head', JSON.stringify({ sequence: 1, hash: last.hash }))
    expect(await differences()).toContain('anchor changed null')
    const known = `${last.sequence}:${'0'.repeat(64)}`
    const given = await ask<AuditVerification>('GET', `/v1/audit/verification?anchor=${known}`)
    expect(given.differences).toContainEqual(
      expect.objectContaining({ where: 'stream', what: 'changed', sequence: last.sequence }),
    )
    await expect(jsm.streams.purge('AUDIT')).rejects.toThrow()
  },
  generousMs,
)

async function entriesOfStream(): Promise<AuditEntry[]> {
  const jsm = await jetstreamManager(nc)
  const { state } = await jsm.streams.info('AUDIT')
  const found: AuditEntry[] = []
  for (let seq = 1; seq <= state.last_seq; seq += 1)
    found.push((await jsm.streams.getMessage('AUDIT', { seq }))!.json<AuditEntry>())
  return found
}
