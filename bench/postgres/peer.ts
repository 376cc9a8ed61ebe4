// `weir bench peer-postgres`: the pipeline that teams write first. A Node service parses the same messages,
// inserts the events into PostgreSQL under a unique key on (source, id), aggregates by SQL per customer,
// meter and month, and rates the totals with the very functions that Weir rates with. The clock runs until
// every charge is in a table and their sum is the independent one.
//
// Its advantages: no broker before it, messages in memory, 1,000 events per statement and commit, several
// connections, and it aggregates once at the end instead of keeping a rated row for every event.

import { Client, type ClientConfig } from 'pg'
import { addSample, type ChargeBasis, newAccumulator } from '../../rating/charges/accumulator.js'
import { chargeOf } from '../../rating/charges/rate.js'
import { CatalogIndex } from '../../rating/timeline/catalog-index.js'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { parseCatalog } from '../../schemas/catalog/catalog-parser.js'
import { formatScaled, parseDecimal } from '../../schemas/money/decimal.js'
import type { FloorEvent } from '../floor/columns.js'
import { type BenchOptions, inFreshDirectory, trafficOf } from '../measure/context.js'
import { childrenOf, cpuSecondsOf, sharedFairlyBytesOf } from '../measure/process-usage.js'
import { type BenchReport, difference, factsOf, reportOf } from '../measure/report.js'
import { catalogWire, customerIdOf, planOf } from '../workload/price-list.js'
import { makeTraffic, type TrafficMessage } from '../workload/traffic.js'
import { startPostgres } from './postgres-server.js'

const connections = 4

export interface PeerReport extends BenchReport {
  readonly server: string
  readonly connections: number
  readonly events_per_statement: number
}

// The table as one makes it for meters that are not known beforehand: the payload as it came, and an index by
// which a customer's usage is found.
const schemaSql = `
CREATE TABLE events (
  source text NOT NULL, id text NOT NULL, customer_id text NOT NULL, event_type text NOT NULL,
  occurred_at timestamptz NOT NULL, received_at timestamptz NOT NULL DEFAULT now(), data jsonb NOT NULL,
  PRIMARY KEY (source, id));
CREATE INDEX events_of_customer ON events (customer_id, occurred_at);
CREATE TABLE plans (customer_id text PRIMARY KEY, plan text NOT NULL);
CREATE TABLE charges (
  customer_id text NOT NULL, month date NOT NULL, meter text NOT NULL, quantity numeric NOT NULL, amount numeric NOT NULL,
  PRIMARY KEY (customer_id, month, meter))`

const insertSql = `
INSERT INTO events (source, id, customer_id, event_type, occurred_at, data)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::jsonb[])
ON CONFLICT (source, id) DO NOTHING`

const totalsSql = `
SELECT customer_id, to_char(date_trunc('month', occurred_at AT TIME ZONE 'UTC'), 'YYYY-MM-DD') AS month, plan,
  sum((data->>'input_tokens')::numeric)::text AS tokens_in,
  sum((data->>'output_tokens')::numeric)::text AS tokens_out
FROM events JOIN plans USING (customer_id) WHERE event_type = 'llm.request' GROUP BY 1, 2, 3`

const chargesSql = `
INSERT INTO charges (customer_id, month, meter, quantity, amount)
SELECT * FROM unnest($1::text[], $2::date[], $3::text[], $4::numeric[], $5::numeric[])`

export async function peerPostgres(options: BenchOptions): Promise<PeerReport> {
  const facts = factsOf('peer-postgres', options.seed)
  const { messages, expected } = makeTraffic(trafficOf(options, Date.now()))
  return inFreshDirectory(async folder => {
    const server = await startPostgres(folder, options.progress.notice)
    const clients: Client[] = []
    try {
      for (let i = 0; i < connections; i += 1) clients.push(await connected(server.connection))
      const run = await timedRun(clients, server.pid, messages, options)
      const differences = [
        ...difference('events', expected.unique, run.found.events),
        ...difference('sum(amount) of charges', expected.amount, formatted(run.found.amount)),
        ...difference('sum(quantity) of charges', expected.quantity, formatted(run.found.quantity)),
      ]
      return {
        ...reportOf(facts, { events: expected.events, seconds: run.seconds, usage: run.usage, differences }),
        server: run.found.server,
        connections,
        events_per_statement: messages[0]?.events ?? 0,
      }
    } finally {
      await Promise.allSettled(clients.map(client => client.end())) // before the server goes: it would cut them off
      await server.stop()
    }
  })
}

async function timedRun(
  clients: readonly Client[],
  postmaster: number,
  messages: readonly TrafficMessage[],
  { customers, progress }: BenchOptions,
) {
  const [first] = clients
  if (first === undefined) throw new Error('no connection')
  await prepare(first, customers)
  const step = progress.step(
    'events in PostgreSQL',
    messages.reduce((sum, { events }) => sum + events, 0),
  )
  const memory = new PeakMemory(postmaster)
  const cpuBefore = cpuOf(postmaster)
  const startedAt = performance.now()
  try {
    await insertAll(clients, messages, events => step.advance(events))
    await rateAll(first)
    const found = await figuresOf(first)
    const seconds = (performance.now() - startedAt) / 1_000
    step.done()
    const cpuSeconds = cpuOf(postmaster) - cpuBefore
    return { found, seconds, usage: { cpuSeconds, peakRssBytes: memory.stop(), processes: {} } }
  } finally {
    memory.stop()
  }
}

async function connected(connection: ClientConfig): Promise<Client> {
  const client = new Client(connection)
  client.on('error', () => undefined) // a query that it breaks rejects by itself
  await client.connect()
  return client
}

async function prepare(client: Client, customers: number): Promise<void> {
  await client.query(schemaSql)
  const numbers = Array.from({ length: customers }, (_, customer) => customer)
  await client.query('INSERT INTO plans SELECT * FROM unnest($1::text[], $2::text[])', [
    numbers.map(customerIdOf),
    numbers.map(planOf),
  ])
  await client.query('ANALYZE plans')
}

async function insertAll(
  clients: readonly Client[],
  messages: readonly TrafficMessage[],
  onEvents: (events: number) => void,
): Promise<void> {
  let next = 0
  const inserter = async (client: Client): Promise<void> => {
    while (next < messages.length) {
      const message = messages[next]!
      next += 1
      await client.query({ name: 'insert', text: insertSql, values: columnsOf(message) })
      onEvents(message.events)
    }
  }
  await Promise.all(clients.map(inserter))
}

/** Sorted by key; otherwise two statements with the same duplicates could deadlock. */
function columnsOf({ bytes }: TrafficMessage): unknown[] {
  const lines = Buffer.from(bytes).toString('utf8').trimEnd().split('\n')
  const events = lines.map(line => JSON.parse(line) as FloorEvent)
  events.sort((a, b) => (a.source === b.source ? (a.id < b.id ? -1 : 1) : a.source < b.source ? -1 : 1))
  return [
    events.map(event => event.source),
    events.map(event => event.id),
    events.map(event => event.subject),
    events.map(event => event.type),
    events.map(event => event.time),
    events.map(event => JSON.stringify(event.data)),
  ]
}

interface TotalsRow {
  readonly customer_id: string
  readonly month: string
  readonly plan: string
  readonly tokens_in: string
  readonly tokens_out: string
}

async function rateAll(client: Client): Promise<void> {
  const prices = new Prices()
  const totals = (await client.query<TotalsRow>(totalsSql)).rows
  const charges = totals.flatMap(({ customer_id, month, plan, tokens_in, tokens_out }) => [
    [customer_id, month, 'tokens_in', tokens_in, prices.amount(plan, 'tokens_in', tokens_in)] as const,
    [customer_id, month, 'tokens_out', tokens_out, prices.amount(plan, 'tokens_out', tokens_out)] as const,
  ])
  await client.query(
    chargesSql,
    [0, 1, 2, 3, 4].map(column => charges.map(charge => charge[column])),
  )
}

/** The rating core on whole totals: one sample per charge. */
class Prices {
  readonly #catalog: Catalog
  readonly #index: CatalogIndex
  readonly #bases = new Map<string, ChargeBasis>()

  constructor() {
    const parsed = parseCatalog(JSON.stringify(catalogWire), 'bench')
    if (parsed.kind === 'invalid') throw new Error(parsed.problems.map(problem => problem.message).join('\n'))
    this.#catalog = parsed.catalog
    this.#index = new CatalogIndex(parsed.catalog)
  }

  amount(plan: string, meter: string, quantity: string): string {
    const basis = this.#basisOf(plan, meter)
    const parsed = parseDecimal(quantity)
    if (parsed.kind !== 'ok') throw new Error(`not a quantity: ${quantity}`)
    const accumulator = newAccumulator(basis)
    addSample(basis, accumulator, {
      timeNs: 0n,
      quantity: parsed.value,
      text: '',
      key: '',
      cell: 0,
      group: '',
    })
    return formatScaled(chargeOf(basis, accumulator).amount)
  }

  #basisOf(planName: string, meterName: string): ChargeBasis {
    const key = `${planName}/${meterName}`
    const known = this.#bases.get(key)
    if (known !== undefined) return known
    const plan = this.#catalog.plans.find(one => one.plan === planName)
    const price = plan?.prices.find(one => one.kind === 'usage' && one.meter === meterName)
    const meter = this.#index.meter(meterName)
    if (price?.kind !== 'usage' || meter === undefined) throw new Error(`no price for ${key}`)
    const whole = { fromNs: 0n, untilNs: 1n }
    const fraction = { numerator: 1n, denominator: 1n }
    const basis: ChargeBasis = { price, meter, fraction, trial: false, ...whole, period: whole }
    this.#bases.set(key, basis)
    return basis
  }
}

async function figuresOf(client: Client) {
  const { rows } = await client.query<{ events: string; amount: string; quantity: string; server: string }>(`
    SELECT (SELECT count(*) FROM events)::text AS events, coalesce(sum(amount), 0)::text AS amount,
      coalesce(sum(quantity), 0)::text AS quantity, current_setting('server_version') AS server FROM charges`)
  const [found] = rows
  if (found === undefined) throw new Error('PostgreSQL answered with no row')
  return found
}

/** PostgreSQL keeps the zeros behind the last digit. */
function formatted(decimal: string): string {
  return decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal
}

function cpuOf(postmaster: number): number {
  return [process.pid, postmaster, ...childrenOf(postmaster)].reduce((sum, pid) => sum + cpuSecondsOf(pid), 0)
}

/** Looks four times a second; shared buffers are counted once. */
class PeakMemory {
  readonly #postmaster: number
  readonly #timer: NodeJS.Timeout
  #peak = 0

  constructor(postmaster: number) {
    this.#postmaster = postmaster
    this.#timer = setInterval(() => this.#look(), 250)
  }

  stop(): number {
    clearInterval(this.#timer)
    this.#look()
    return this.#peak
  }

  #look(): void {
    const pids = [process.pid, this.#postmaster, ...childrenOf(this.#postmaster)]
    const bytes = pids.reduce((sum, pid) => sum + sharedFairlyBytesOf(pid), 0)
    this.#peak = Math.max(this.#peak, bytes)
  }
}
