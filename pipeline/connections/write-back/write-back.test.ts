// What is told of customers and exceptions: what has changed, once; and nothing of what writing back itself was refused.

import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { StandingRow } from '../../../sinks/clickhouse/customer-standings.js'
import { caseSchema } from '../../../sinks/write-back/case-record.js'
import type { OpenExceptions, OpenOfCustomer, ToldException } from '../../feature/open-exceptions.js'
import { casesOf, standingOfMessage } from './records.js'
import { fingerprintOf, standingsOf } from './standings.js'
import { WriteBackTeller } from './teller.js'
import type { Told } from './told.js'

const row = (currency: string, changes: Partial<StandingRow> = {}): StandingRow => ({
  ...{ customer_id: 'acme', entity_id: 'de', currency, invoiced: '100', paid: '60', outstanding: '40' },
  ...{ overdue: '0', open_invoices: 1, overdue_invoices: 0, dunning: 'none', failed_since: '' },
  ...{ failed_attempts: 0, last_reason: '', correlation_id: 'deal-1', ...changes },
})
const open = new Map<string, OpenOfCustomer>([
  ['acme', { count: 2, atStake: [{ currency: 'USD', amount: '7.5' }], notKnown: 1, correlationId: 'c' }],
])

test('a customer stands by its currencies, the worst dunning and its exceptions; when and why make no difference', () => {
  const rows = [row('EUR', { dunning: 'retrying' }), row('GBP', { dunning: 'overdue' })]
  const [acme, gone] = standingsOf(rows, open, ['gone'], 0)
  expect(acme).toMatchObject({
    dunning: 'retrying',
    entity_id: 'de',
    correlation_id: 'deal-1',
    open_exceptions: 2,
  })
  expect(acme!.currencies.map(one => [one.currency, one.outstanding, one.at_stake])).toEqual([
    ['EUR', '40', '0'],
    ['GBP', '40', '0'],
    ['USD', '0', '7.5'],
  ])
  expect(gone).toMatchObject({ customer_id: 'gone', open_exceptions: 0, currencies: [] })
  const later = standingsOf([...rows.map(one => ({ ...one, correlation_id: 'deal-2' }))], open, [], 9_000)[0]!
  expect(later.standing_id).not.toBe(acme!.standing_id)
  expect(fingerprintOf(later)).toBe(fingerprintOf(acme!))
  const paid = standingsOf([row('EUR', { outstanding: '0' })], open, [], 0)[0]!
  expect(fingerprintOf(paid)).not.toBe(fingerprintOf(acme!))
  const bytes = new TextEncoder().encode(JSON.stringify(acme))
  const { records } = standingOfMessage({ sequence: 1, natsSubject: 's', bytes })
  expect(records).toMatchObject([{ kind: 'customer_standing', id: acme!.standing_id, document: acme }])
})

/** In memory, as the stream keeps it. */
class ToldInMemory {
  readonly messages: { readonly subject: string; readonly document: object }[] = []
  readonly #last = new Map<string, { sequence: number; fingerprint: string; number: number }>()
  get = (subject: string) => this.#last.get(subject)
  below = (prefix: string) => [...this.#last].filter(([subject]) => subject.startsWith(prefix))
  read = async () => undefined
  document = async (subject: string) => this.messages.findLast(one => one.subject === subject)?.document
  tell = async (subject: string, fingerprint: string, document: object) => {
    this.messages.push({ subject, document })
    this.#last.set(subject, { sequence: 1, fingerprint, number: (this.get(subject)?.number ?? 0) + 1 })
    return true
  }
}

const exceptionId = (letter: string) => `exc_${letter.repeat(24)}`
const exception = (letter: string, changes: Partial<ToldException> = {}): ToldException => ({
  ...{ exceptionId: exceptionId(letter), kind: 'dead_letter', code: 'invalid_value', detail: 'no number' },
  ...{ customerId: 'acme', owner: 'data-team', state: 'open', firstAt: 'f', lastAt: 'l', correlationId: '' },
  ...{ about: 'event e', receiver: '', next: 'mend it', atStake: '5 EUR', answer: '', ...changes },
})

test('an exception makes one case; its end is told once, also when it is not there any more; a refused write-back makes none', async () => {
  const told = new ToldInMemory()
  let [opened, settled]: [readonly ToldException[], readonly ToldException[]] = [[], []]
  const exceptions: OpenExceptions = {
    byCustomer: async () => new Map(),
    open: async () => opened,
    named: async ids => settled.filter(one => ids.includes(one.exceptionId)),
  }
  const teller = new WriteBackTeller({
    ...{ told: told as unknown as Told, queries: undefined as never, exceptions, tellsStandings: false },
    ...{ wanted: [{ codes: [], owners: [] }], connections: ['crm'], everyMs: 1, nowMs: () => 0 },
    log: pino({ level: 'silent' }),
  })
  opened = [exception('a'), exception('b'), exception('c', { receiver: 'crm' })]
  expect([await teller.round(), await teller.round()]).toEqual([2, 0])
  opened = []
  settled = [exception('a', { state: 'redriven', answer: 'ann: mended' })]
  expect([await teller.round(), await teller.round()]).toEqual([2, 0])
  const documents = told.messages.map(({ document }) => caseSchema.parse(document))
  expect(documents.map(one => [one.exception_id.at(-1), one.number, one.state, one.comment])).toEqual([
    ['a', 1, 'open', ''],
    ['b', 1, 'open', ''],
    ['a', 2, 'settled', 'It was redriven. ann: mended'],
    ['b', 2, 'settled', 'What it waited for has come, or its reason was mended.'],
  ])
  expect(documents[0]!.description).toContain('At stake: 5 EUR')
  const bytes = new TextEncoder().encode(JSON.stringify(documents[2]))
  const message = { sequence: 1, natsSubject: 's', bytes }
  expect(casesOf({ codes: [], owners: ['finance'] })(message).records).toEqual([])
  expect(casesOf({ codes: [], owners: ['data-team'] })(message).records).toMatchObject([
    { kind: 'support_case', key: `${exceptionId('a')}-2` },
  ])
})
