// A bad day of a whole Weir, started in this process: duplicates, conflicts, parked, freed, refused and unmetered usage,
// retractions before and after, a change of prices in the past, and late usage after a billing run.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClickHouseClient } from '@clickhouse/client'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { tableFromIPC } from 'apache-arrow'
import pino from 'pino'
import { openClickHouse } from '../../../sinks/clickhouse/config.js'
import { loadConfig } from '../../config/config.js'
import { environment } from '../../environment.js'
import { startWeir, type Weir } from '../../main.js'
import { sections } from '../../settings.js'
import type { Dice } from '../../testing/random/dice.js'

export const kinds = [
  'plain',
  'twice',
  'conflicting',
  'parked',
  'freed',
  'refused',
  'unmetered',
  'retracted',
  'retracted first',
  'late',
  'repriced',
] as const
export type Kind = (typeof kinds)[number]

export interface Sent {
  readonly kind: Kind
  readonly event: {
    readonly id: string
    readonly source: string
    readonly subject: string
    readonly time: string
    readonly data: { readonly tokens: unknown }
  }
  readonly tokens: number
  /** What it is rated at; 0 where nothing of it is owed. */
  readonly unitAmount: number
  /** That holds at its time in the end. */
  readonly version: number
}

const plan = (name: string, unit: string) => ({
  plan: name,
  version: 1,
  currency: 'USD',
  billing_period: 'day',
  prices: [{ price: 'tokens', kind: 'usage', meter: 'tokens', model: 'per_unit', unit_amount: unit }],
})
const catalog = {
  meters: [{ meter: 'tokens', event_type: 'llm', aggregation: 'sum', value: 'tokens' }],
  plans: [plan('pro', '0.5'), plan('max', '2')],
}

export class BadDay {
  readonly sent: Sent[] = []
  readonly weir: Weir
  readonly #folder: string
  readonly #clickhouse: ClickHouseClient

  private constructor(weir: Weir, folder: string, dice: Dice, events: number) {
    this.weir = weir
    this.#folder = folder
    this.#clickhouse = openClickHouse(weir.clickhouse)
    for (let n = 0; n < events; n += 1) this.sent.push(usage(dice, kinds[n % kinds.length]!, n))
  }

  static async run(dice: Dice, events: number): Promise<BadDay> {
    const folder = await mkdtemp(join(tmpdir(), 'weir-bad-day-'))
    const file = join(folder, 'weir.yaml')
    const books = join(folder, 'books')
    await writeFile(file, `connections:\n  - {name: books, kind: file, folder: "${books}", format: ndjson}\n`)
    const env = { WEIR_NATS_SERVER: environment()['WEIR_NATS_SERVER'] }
    const flags = {
      data_dir: join(folder, 'data'),
      'http.port': 0,
      partitions: 2,
      dedupe_horizon_days: 36_500,
    }
    const loaded = loadConfig({ sections, file, env, flags })
    if (loaded.kind === 'invalid') throw new Error(JSON.stringify(loaded.problems))
    const log = pino({ level: 'silent' })
    const weir = await startWeir(loaded.config, { log, onNotice: () => undefined })
    const day = new BadDay(weir, folder, dice, events)
    try {
      await day.#misbehave()
      return day
    } catch (error) {
      await day.close()
      throw error
    }
  }

  ofKind(...wanted: Kind[]): Sent[] {
    return this.sent.filter(one => wanted.includes(one.kind))
  }

  async close(): Promise<void> {
    await this.#clickhouse.close()
    await this.weir.drain()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async call<T>(path: string, body?: unknown, type = 'application/json'): Promise<T> {
    const response = await fetch(`${this.weir.url}${path}`, {
      headers: { authorization: `Bearer ${this.weir.firstKey}`, 'content-type': type },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (response.status >= 300) throw new Error(`${response.status} ${text}`)
    return JSON.parse(text) as T
  }

  /** Plain SQL, with decimals as text. */
  async rows<T>(query: string, query_params: Record<string, unknown> = {}): Promise<T[]> {
    const clickhouse_settings = {
      output_format_json_quote_decimals: 1,
      output_format_json_quote_64bit_integers: 0,
    } as const
    const format = 'JSONEachRow'
    const result = await this.#clickhouse.query({ query, format, query_params, clickhouse_settings })
    return result.json<T>()
  }

  /** Of each event, by source and id, in the ledger's own messages: the commits that tell of it, and in which table. */
  async readLedger(): Promise<Map<string, string[]>> {
    const nc = await connect(this.weir.nats)
    const told = new Map<string, string[]>()
    try {
      const js = jetstream(nc)
      const { state } = await (await jetstreamManager(nc)).streams.info('LEDGER')
      const consumer = await js.consumers.get('LEDGER')
      for await (const { subject, data, seq } of await consumer.consume()) {
        addFacts(told, subject, data)
        if (seq === state.last_seq) break
      }
    } finally {
      await nc.close()
    }
    return told
  }

  /** The day, in the order in which it went wrong. */
  async #misbehave(): Promise<void> {
    const customers = [0, 1, 2, 3, 4, 5]
    await this.#send([
      { specversion: '1.0', source: 'crm', id: 'prices', type: 'weir.catalog.published', data: { catalog } },
      ...customers.flatMap(n => [created(`c${n}`), created(`moved${n}`)]),
    ])
    await this.#send(this.ofKind('retracted first').map(retraction))
    await this.#settled()
    await this.#send(this.sent.filter(one => one.kind !== 'late').map(one => one.event))
    await this.#settled()
    await this.#send(this.ofKind('twice').map(one => one.event))
    await this.#send(this.ofKind('conflicting').map(({ event }) => ({ ...event, data: { tokens: 1_000 } })))
    await this.#settled()
    await this.#send(this.ofKind('retracted').map(retraction))
    await this.#send(customers.map(n => created(`late${n}`)))
    const toMax = { plan: 'max', plan_version: 1 }
    await this.#send(customers.map(n => change('amended', `moved${n}`, 2, '2026-01-03T00:00:00Z', toMax)))
    await this.#settled()
    await this.#bill('2026-01-04T00:00:00Z')
    await this.#send(this.ofKind('late').map(one => one.event))
    await this.#settled()
    await this.#bill('2026-01-05T00:00:00Z')
  }

  async #send(events: readonly unknown[]): Promise<void> {
    await this.call('/v1/events', events, 'application/cloudevents-batch+json')
  }

  /** Until everything has reached ClickHouse, and reconciliation agrees. */
  async #settled(): Promise<void> {
    for (;;) {
      const report = await this.call<{ ok: boolean; caught_up: boolean }>('/v1/reconciliation')
      if (report.caught_up && !report.ok) throw new Error(JSON.stringify(report))
      if (report.caught_up) return
      await sleep(200)
    }
  }

  async #bill(cutoff: string): Promise<void> {
    const { billing_run_id: id } = await this.call<{ billing_run_id: string }>('/v1/billing-runs', { cutoff })
    while ((await this.call<{ status: string }>(`/v1/billing-runs/${id}`)).status !== 'published')
      await sleep(100)
    await this.#settled()
  }
}

function addFacts(told: Map<string, string[]>, natsSubject: string, bytes: Uint8Array): void {
  const [, partition, table = ''] = natsSubject.split('.')
  if (!['rated_usage', 'dead_letters', 'event_outcomes'].includes(table)) return
  for (const row of tableFromIPC(bytes).toArray()) {
    if (table === 'rated_usage' && Number(row.event_count) === 0) continue
    const key = JSON.stringify([row.event_source, row.event_id])
    const fact = `${partition}/${row.ledger_sequence} ${table} ${row.event_count}`
    told.set(key, [...(told.get(key) ?? []), fact])
  }
}

function change(kind: string, customer: string, sequence: number, from: string, data: object) {
  return {
    specversion: '1.0',
    source: 'crm',
    id: `${kind}-${customer}-${sequence}`,
    type: `weir.subscription.${kind}`,
    subject: customer,
    data: {
      subscription_id: `sub-${customer}`,
      customer_id: customer,
      sequence,
      effective_from: from,
      ...data,
    },
  }
}

const created = (customer: string) =>
  change('created', customer, 1, '2026-01-01T00:00:00Z', { plan: 'pro', plan_version: 1 })

function usage(dice: Dice, kind: Kind, n: number): Sent {
  const group = kind === 'parked' ? 'nobody' : kind === 'freed' ? 'late' : kind === 'repriced' ? 'moved' : 'c'
  const tokens = 1 + dice.below(50)
  const event = {
    specversion: '1.0',
    source: n % 2 === 0 ? 'api' : "o'dd \\ näme",
    id: `e${n}`,
    type: kind === 'unmetered' ? 'nobody.wants' : 'llm',
    subject: `${group}${dice.below(6)}`,
    time: `2026-01-0${1 + dice.below(5)}T${String(10 + dice.below(10))}:00:00.${n % 10}Z`,
    data: { tokens: kind === 'refused' ? 'many' : tokens },
  }
  const unpaid = ['parked', 'refused', 'unmetered', 'retracted', 'retracted first'].includes(kind)
  // Rating again corrects the charge as a whole; the event's own row stays.
  const isMoved = kind === 'repriced' && event.time >= '2026-01-03T00:00:00Z'
  return { kind, event, tokens, unitAmount: unpaid ? 0 : 0.5, version: isMoved ? 2 : 1 }
}

const retraction = ({ event }: Sent) => ({
  specversion: '1.0',
  source: 'crm',
  id: `taken-${event.id}`,
  type: 'weir.usage.retracted',
  subject: event.subject,
  data: { event_source: event.source, event_id: event.id },
})
