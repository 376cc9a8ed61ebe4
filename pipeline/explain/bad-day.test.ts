// Events of a bad day, picked at random, against an independent reading of what was sent, of the ledger's own messages and
// of ClickHouse's tables; nothing here goes through the code of explain but its HTTP routes and its command.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { environment } from '../environment.js'
import { Dice } from '../testing/random/dice.js'
import type { ChargeEvents } from './charge-events.js'
import { explainCommand } from './explain-command.js'
import type { EventExplanation, ExplainedCharge } from './explanation.js'
import { BadDay, type Kind, kinds, type Sent } from './testing/bad-day.js'

const generousMs = 600_000
/** In CI a sample; 1,000 by hand. */
const picks = Number(environment()['WEIR_EXPLAIN_PICKS'] ?? 40)
const dice = new Dice(Number(environment()['WEIR_EXPLAIN_SEED'] ?? 20260105))

let day: BadDay

beforeAll(async () => {
  day = await BadDay.run(dice, Math.max(600, picks))
}, generousMs)

afterAll(() => day?.close(), generousMs)

const dispositions: Readonly<Record<Kind, string>> = {
  plain: 'rated',
  twice: 'rated',
  conflicting: 'rated',
  parked: 'parked',
  freed: 'rated',
  refused: 'dead_lettered',
  unmetered: 'unmetered',
  retracted: 'rated',
  'retracted first': 'rated',
  late: 'rated',
  repriced: 'rated',
}

const verdicts: Readonly<Partial<Record<Kind, readonly string[]>>> = {
  twice: ['kept', 'duplicate'],
  conflicting: ['kept', 'conflicting'],
  refused: ['refused'],
}

const tableOf = (what: string): string =>
  ['usage', 'correction', 'retraction'].includes(what)
    ? 'rated_usage'
    : ['dead_lettered', 'conflicting'].includes(what)
      ? 'dead_letters'
      : 'event_outcomes'

const explain = (source: string, id: string) =>
  day.call<EventExplanation>(`/v1/events?${new URLSearchParams({ source, id })}`)

/** What the tables have of a charge, by plain SQL. */
async function booksOf(charge: string) {
  const lines = await day.rows<{ id: string; run: string; rounded: string }>(
    'SELECT charge_id AS id, billing_run_id AS run, amount_rounded AS rounded FROM charges WHERE charge_id = {charge: String} OR corrects = {charge: String} ORDER BY id',
    { charge },
  )
  const journals = await day.rows<{ id: string }>(
    'SELECT DISTINCT journal_id AS id FROM journal_entries WHERE charge_id IN ({ids: Array(String)}) ORDER BY id',
    { ids: lines.map(one => one.id) },
  )
  const deliveries = await day.rows<{ id: string; state: string }>(
    'SELECT delivery_id AS id, state FROM deliveries_latest WHERE record_id IN ({ids: Array(String)}) ORDER BY id',
    { ids: journals.map(one => one.id) },
  )
  return { lines, journals, deliveries }
}

function expectTold(told: EventExplanation, one: Sent, ledger: readonly string[]): void {
  const { kind, event, tokens, unitAmount, version } = one
  expect(told.disposition).toBe(dispositions[kind])
  expect(told.is_retracted).toBe(kind.startsWith('retracted'))
  expect(told.attempts.map(attempt => attempt.verdict)).toEqual(verdicts[kind] ?? ['kept'])
  const owed = told.charges.reduce((sum, charge) => sum + Number(charge.amount), 0)
  expect(owed).toBe(tokens * unitAmount)
  expect(JSON.parse(told.received?.content ?? '')).toEqual(event)
  expect(told.targeted_by.map(by => by.id)).toEqual(kind.startsWith('retracted') ? [`taken-${event.id}`] : [])
  const facts = told.history
    .filter(entry => tableOf(entry.what) !== 'rated_usage' || entry.event_count !== 0)
    .map(entry => `${entry.partition}/${entry.ledger_sequence} ${tableOf(entry.what)} ${entry.event_count}`)
  expect(facts.sort()).toEqual([...ledger].sort())
  if (unitAmount > 0) {
    expect(told.versions.filter(one => one.chosen).map(one => one.sequence)).toEqual([1])
    expect(told.versions.filter(one => one.holds).map(one => one.sequence)).toEqual([version])
    const causes = told.charges.flatMap(charge => charge.corrections.map(by => by.cause_id))
    expect(causes).toEqual(version === 2 ? [`amended-${event.subject}-2`] : [])
  }
  expect(told.stations.map(station => station.station)).toHaveLength(10)
}

/** Lines, entries, deliveries and sums of a charge, and that its arithmetic comes to it. */
async function expectBooks(charge: ExplainedCharge, isOwed: boolean): Promise<void> {
  const books = await booksOf(charge.charge_id)
  const { lines, arithmetic } = charge
  const ofLines = lines.map(line => ({
    id: line.charge_id,
    run: line.billing_run_id,
    rounded: line.amount_rounded,
  }))
  const journals = lines.flatMap(line => (line.journal ? [{ id: line.journal.journal_id }] : []))
  const deliveries = lines.flatMap(line => line.deliveries)
  expect(ofLines.sort(byId)).toEqual(books.lines)
  expect(journals.sort(byId)).toEqual(books.journals)
  expect(deliveries.map(({ delivery_id: id, state }) => ({ id, state })).sort(byId)).toEqual(books.deliveries)
  const [sums] = await day.rows<{ amount: string; events: number; corrected: string }>(
    'SELECT sum(r.amount) AS amount, sumIf(r.amount, r.event_count = 0) AS corrected, toInt32(sum(r.event_count)) AS events FROM rated_usage AS r WHERE charge_id = {charge: String}',
    { charge: charge.charge_id },
  )
  expect([charge.charge_amount, charge.charge_events]).toEqual([sums!.amount, sums!.events])
  const corrected = charge.corrections.reduce((sum, one) => sum + Number(one.amount), 0)
  expect(corrected).toBe(Number(sums!.corrected))
  if (isOwed)
    expect(arithmetic?.steps?.at(-2)?.result, arithmetic?.not_shown ?? '').toBe(charge.charge_amount)
}

test(
  'events of a bad day are told as input, ledger and ClickHouse have them',
  async () => {
    const ledger = await day.readLedger()
    const left = [...day.sent]
    const seen = new Set<string>()
    for (let n = 0; n < picks; n += 1) {
      const [one] = left.splice(dice.below(left.length), 1) as [Sent]
      seen.add(one.kind)
      const { source, id } = one.event
      const told = await explain(source, id)
      try {
        expectTold(told, one, ledger.get(JSON.stringify([source, id])) ?? [])
        for (const charge of told.charges) await expectBooks(charge, one.unitAmount > 0)
      } catch (error) {
        throw new Error(`${one.kind} ${JSON.stringify(one.event)}: ${JSON.stringify(told)}`, { cause: error })
      }
    }
    expect([...seen].sort()).toEqual([...kinds].sort())
  },
  generousMs,
)

const byId = (a: { readonly id: string }, b: { readonly id: string }): number => (a.id < b.id ? -1 : 1)

test('a late event is told with the lines that adjust its charge', async () => {
  const adjusted = await Promise.all(
    day
      .ofKind('late')
      .filter(one => one.event.time < '2026-01-04')
      .slice(0, 5)
      .map(one => explain(one.event.source, one.event.id)),
  )
  for (const told of adjusted) {
    const [charge] = told.charges
    const sum = charge!.lines.reduce((total, line) => total + Number(line.amount), 0)
    expect(sum).toBe(Number(charge!.charge_amount))
    expect(told.stations.find(one => one.station === 'billed')?.state).toBe('passed')
  }
  const lines = adjusted.flatMap(told => told.charges.flatMap(charge => charge.lines.map(line => line.kind)))
  expect(lines).toContain('adjustment')
})

test('the pages of a charge add up to it, and a cursor of another kind is refused', async () => {
  const { event } = day.ofKind('plain')[0]!
  const charge = (await explain(event.source, event.id)).charges[0]!
  const path = `/v1/charges/${charge.charge_id}/events`
  const found: ChargeEvents['events'][number][] = []
  let cursor: string | null = ''
  let pages = 0
  while (cursor !== null) {
    const page: ChargeEvents = await day.call(`${path}?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`)
    found.push(...page.events)
    expect(page.amount).toBe(charge.charge_amount)
    cursor = page.next_cursor
    pages += 1
  }
  expect(pages).toBeGreaterThan(1)
  expect(found.reduce((sum, one) => sum + Number(one.amount), 0)).toBe(Number(charge.charge_amount))
  expect(new Set(found.map(one => one.event_id)).size).toBe(found.length)
  expect(found.map(one => one.event_id)).toContain(event.id)
  await expect(day.call(`${path}?cursor=junk`)).rejects.toThrow('invalid_cursor')
  await expect(day.call('/v1/charges/ch_none/events')).rejects.toThrow('unknown_charge')
})

test('an event of which nothing is known is refused, and a change of a subscription is told as applied', async () => {
  await expect(explain('api', 'never')).rejects.toThrow('unknown_event')
  const told = await explain('crm', 'amended-moved0-2')
  expect(told).toMatchObject({ disposition: 'applied', type: 'weir.subscription.amended' })
  expect(JSON.parse(told.received?.content ?? '')).toMatchObject({ id: 'amended-moved0-2' })
})

test('the command prints the stations for people, and the body of the API as JSON', async () => {
  const { event } = day.ofKind('conflicting')[0]!
  const printed = await run({ source: event.source, id: event.id, json: false })
  for (const text of ['received', 'deduplicated', 'kept', 'conflicting', 'USD', '× 0.5 USD', 'sub-c'])
    expect(printed).toContain(text)
  const asJson = await run({ source: event.source, id: event.id, json: true })
  expect(JSON.parse(asJson)).toEqual(await explain(event.source, event.id))
  const { charges } = JSON.parse(asJson) as EventExplanation
  expect(await run({ charge: charges[0]!.charge_id, json: false })).toContain(event.id)
})

async function run(named: { source?: string; id?: string; charge?: string; json: boolean }): Promise<string> {
  let out = ''
  const stream = { write: (text: string) => (out += text) } as never
  const io = { stdout: stream, stderr: stream, isTTY: false } as never
  const gateway = { url: day.weir.url, apiKey: day.weir.firstKey }
  const args = { gateway, source: undefined, id: undefined, charge: undefined, ...named }
  expect(await explainCommand(args, io), out).toBe(0)
  return out
}
