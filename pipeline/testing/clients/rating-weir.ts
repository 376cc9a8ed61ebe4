// A Weir in this process that takes events over HTTP and NATS and rates them: a real broker, the gateway, and an engine
// for each partition. Without ClickHouse: what was rated is read from the ledger.

import { tableFromIPC } from 'apache-arrow'
import type { DispositionCounts } from '../../../schemas/event/dispositions.js'
import type { GatewayOptions } from '../../gateway/gateway.js'
import { SharedMemory } from '../../memory/shared-memory.js'
import { WorkerPool } from '../../workers/pool.js'
import { makeEngine, readLedger, until } from '../engine-harness.js'
import { type Broker, post, serve, startBroker } from '../gateway-fixture.js'

export type LedgerRow = Readonly<Record<string, unknown>>

export interface RatingWeir {
  readonly broker: Broker
  /** Of the gateway. */
  readonly url: string
  /** Of all partitions. */
  counted(name: keyof DispositionCounts): number
  /** Waits until so many usage events were received since the start. */
  received(usage: number): Promise<void>
  /** The rows that the ledger has of a table. */
  rows(table: string): Promise<readonly LedgerRow[]>
  close(): Promise<void>
}

const partitions = 2
/** Clients' recorded events may be of any age. */
const forever = { dedupeHorizonMs: Number.POSITIVE_INFINITY }
const source = '/rating-weir'

const catalog = {
  meters: [
    { meter: 'calls', event_type: 'llm.request', aggregation: 'count' },
    { meter: 'tokens', event_type: 'llm.tokens', aggregation: 'sum', value: 'tokens' },
  ],
  plans: [
    {
      plan: 'pro',
      version: 1,
      currency: 'USD',
      billing_period: 'month',
      prices: ['calls', 'tokens'].map(meter => ({
        price: meter,
        kind: 'usage',
        meter,
        model: 'per_unit',
        unit_amount: '1',
      })),
    },
  ],
}

/**
 * Each customer has a subscription to a plan with a price on `llm.request` (a count) and on `llm.tokens` (a sum). The
 * gateway needs no key, unless the options that `gateway` makes say so.
 */
export async function startRatingWeir(
  customers: readonly string[],
  gateway = async (_broker: Broker): Promise<Partial<GatewayOptions>> => ({}),
): Promise<RatingWeir> {
  const broker = await startBroker(partitions)
  const world = await serve(broker, partitions)
  await openWorld(`${world.url}/v1/events`, customers)
  await world.gateway.close()
  const served = await serve(broker, partitions, await gateway(broker))
  const pool = new WorkerPool({ workers: 1, memory: new SharedMemory() })
  const engines = await Promise.all(
    Array.from({ length: partitions }, (_, p) =>
      makeEngine(broker, p, { worker: pool.partition(p), partitions, takeOver: true, core: forever }),
    ),
  )
  await Promise.all(engines.map(({ engine }) => engine.start()))
  const counted = (name: keyof DispositionCounts): number =>
    engines.reduce((sum, { engine }) => sum + (engine.status().counters?.[name] ?? 0), 0)
  // One more is the catalog.
  const before = customers.length + 1
  await until(() => counted('received') >= before)
  return {
    broker,
    url: served.url,
    counted,
    received: usage => until(() => counted('received') >= before + usage),
    rows: table => ledgerRows(broker, table),
    async close() {
      await Promise.all(engines.map(({ engine }) => engine.abort()))
      await pool.abort()
      await served.gateway.close()
      await broker.close()
    },
  }
}

async function openWorld(url: string, customers: readonly string[]): Promise<void> {
  const created = customers.map(customer => ({
    specversion: '1.0',
    source,
    id: `created-${customer}`,
    type: 'weir.subscription.created',
    subject: customer,
    data: {
      subscription_id: `sub_${customer}`,
      customer_id: customer,
      sequence: 1,
      plan: 'pro',
      effective_from: '2020-01-01T00:00:00Z',
    },
  }))
  const published = {
    specversion: '1.0',
    source,
    id: 'catalog',
    type: 'weir.catalog.published',
    data: { catalog },
  }
  const answer = await post(url, [published, ...created])
  const body = (await answer.json()) as { rejected?: readonly unknown[] }
  if (answer.status !== 202 || body.rejected?.length !== 0) throw new Error(JSON.stringify(body))
}

async function ledgerRows(broker: Broker, table: string): Promise<LedgerRow[]> {
  const rows: LedgerRow[] = []
  for (let p = 0; p < partitions; p += 1) {
    for (const { bytes } of await readLedger(broker, p, table)) {
      for (const row of tableFromIPC(bytes).toArray()) rows.push((row as { toJSON(): LedgerRow }).toJSON())
    }
  }
  return rows
}
