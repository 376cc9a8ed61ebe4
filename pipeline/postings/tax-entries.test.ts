// What a tax engine told, in the books: beside the charges, balanced, once, and taken back whole where it is adjusted or voided.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { recognise } from '../../rating/recognition/recognise.js'
import { defaultCalendars, monthsInUtc } from '../../schemas/accounting-calendar/accounting-calendar.js'
import { sealBatch } from '../../schemas/billing/billing-batch.js'
import {
  type JournalEntryWire,
  journalEntrySchema,
  journalToWire,
} from '../../schemas/billing/journal-entry.js'
import { parseDecimal } from '../../schemas/money/decimal.js'
import { parseAccountMapping } from '../../sinks/mapping/account-mapping.js'
import { chunkOf } from './chunk.js'
import { placeBy } from './entry-parts.js'
import { type StandingTax, type TaxRules, taxPiecesOf, taxPostingOf, taxRefusalOf } from './tax-entries.js'
import type { KeptTax } from './tax-store.js'
import { charge, cutoffs } from './testing/random-months.js'

const parsed = parseAccountMapping(
  `rules:
  - match: {}
    accounts: { receivable: "1200", revenue: "4000", deferred_revenue: "2400" }
    performance_obligation: subscription
    segments: { cost_centre: "7" }
tax:
  - match: { jurisdiction: US-CA }
    accounts: { tax: "2210" }
    segments: { region: west }
`,
  'accounts.yaml',
)
if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
const { mapping } = parsed
const place = placeBy(defaultCalendars, [])
const lines = ['ch_1', 'ch_2', 'ch_3', 'ch_4'].map(id => charge(id, {}))
const batch = sealBatch({ billingRunId: 'r', entityId: '', currency: 'USD', number: 1, of: 1, lines })
const recognitionOf = (one: (typeof lines)[number]) => recognise(one, cutoffs[1]!, monthsInUtc)
const { entries } = chunkOf(batch, 'e', 0, { mapping, recognitionOf, place })
const charges = new Map(
  entries.map(entry => [
    entry.chargeId,
    JSON.parse(JSON.stringify(journalToWire(entry))) as JournalEntryWire,
  ]),
)
const rules: TaxRules = { charges, mapping, place }

const line = (charge_id: string, tax: string, more: Partial<KeptTax['lines'][number]> = {}) => ({
  ...{
    line: charge_id,
    charge_id,
    amount: '31',
    tax_code: 'SW',
    jurisdiction: 'US-CA',
    rate: '0.06',
    taxable: '31',
    exempt: '0',
    tax,
  },
  ...more,
})
const state = (
  sequence: number,
  of: readonly ReturnType<typeof line>[],
  status: KeptTax['status'] = 'committed',
): KeptTax => ({
  ...{
    tax_id: 'D/SalesInvoice/1',
    customer_id: 'c',
    sequence,
    ...{ event: `e${sequence}`, event_source: 's', event_id: `e${sequence}`, event_time: '0' },
    status,
    currency: 'USD',
  },
  ...{ document: '1', document_status: 'Committed', lines: [...of] },
})

interface Told {
  readonly tax: KeptTax
  /** The process ends after so many of its pieces. */
  readonly pieces?: number
}

/** Posts states one after another, as the sink does, each up to so many of its pieces; what each put into the books. */
function post(states: readonly (KeptTax | Told)[], most?: number) {
  const standing: StandingTax[] = []
  const posted: JournalEntryWire[] = []
  for (const one of states) {
    const { tax, pieces = Number.POSITIVE_INFINITY } = 'tax' in one ? one : { tax: one }
    const before = standing.slice(0, standing[0]?.pieces ?? 0) // the sink reads no more
    const refused = taxRefusalOf(tax, before, rules)
    if (refused !== undefined) throw new Error(refused.detail)
    for (const piece of taxPiecesOf(tax, before, most).slice(0, pieces)) {
      const posting = taxPostingOf(tax, piece, standing[piece.index], rules)
      if (posting.kind === 'refused') throw new Error(posting.detail)
      if (posting.kind === 'nothing') continue
      posted.push(...posting.entries)
      standing[piece.index] = JSON.parse(JSON.stringify(posting.standing)) as StandingTax
    }
  }
  return { posted, standing }
}
/** A tax of one piece. */
const postingOf = (tax: KeptTax, standing?: StandingTax) => {
  const all = standing === undefined ? [] : [standing]
  return taxRefusalOf(tax, all, rules) ?? taxPostingOf(tax, taxPiecesOf(tax, all)[0]!, standing, rules)
}
const amount = (text: string) => {
  const value = parseDecimal(text)
  if (value.kind !== 'ok') throw new Error(text)
  return value.value
}
const balanceOf = (posted: readonly JournalEntryWire[], role: string) =>
  posted
    .flatMap(entry => entry.lines)
    .filter(one => one.role === role)
    .reduce((sum, one) => sum + amount(one.credit) - amount(one.debit), 0n)

test('a committed tax is an entry of kind tax beside its charge: its accounts, segments, day, and what it is the tax of', () => {
  const { posted } = post([state(1, [line('ch_1', '1.86')])])
  const own = charges.get('ch_1')!
  expect(posted).toHaveLength(1)
  expect(posted[0]).toMatchObject({
    ...{
      kind: 'tax',
      charge_id: 'ch_1',
      customer_id: 'c',
      accounting_date: own.accounting_date,
      source: own.source,
    },
    lines: [
      {
        account: '1200',
        role: 'receivable',
        debit: '1.86',
        credit: '0',
        segments: { cost_centre: '7', region: 'west' },
      },
      {
        ...{ account: '2210', role: 'tax', debit: '0', credit: '1.86' },
        tax: {
          ...{ tax_code: 'SW', jurisdiction: 'US-CA', rate: '0.06', taxable: '31', exempt: '0' },
          ...{ tax_id: 'D/SalesInvoice/1', document: '1', document_status: 'Committed' },
        },
      },
    ],
  })
  expect(posted[0]).not.toHaveProperty('schedule')
  expect(journalEntrySchema.safeParse(posted[0]).success).toBe(true)
})

test('an adjusted tax credits what stood and posts anew; a void leaves nothing; the same again posts nothing', () => {
  const states = [
    state(1, [line('ch_1', '1.86'), line('ch_2', '1')]),
    state(2, [line('ch_1', '2')]),
    state(3, [line('ch_1', '2')]),
  ]
  const {
    posted,
    standing: [standing],
  } = post(states)
  expect(posted.map(entry => [entry.charge_id, entry.lines[0]!.debit, entry.lines[0]!.credit])).toEqual([
    ['ch_1', '1.86', '0'],
    ['ch_2', '1', '0'],
    ['ch_1', '0', '1.86'],
    ['ch_2', '0', '1'],
    ['ch_1', '2', '0'],
  ])
  const voided = postingOf(state(4, [line('ch_1', '2')], 'voided'), standing)
  if (voided.kind !== 'posting') throw new Error(voided.kind)
  expect(balanceOf([...posted, ...voided.entries], 'tax')).toBe(0n)
  expect(voided.standing.entries).toEqual([])
  expect(postingOf(state(5, [], 'voided'), voided.standing)).toEqual({ kind: 'nothing' })
  const again = postingOf(state(6, [line('ch_1', '2')]), voided.standing)
  expect(again).toMatchObject({ kind: 'posting', entries: [{ lines: [{ debit: '2' }, { credit: '2' }] }] })
})

test('whatever states follow one another, in pieces that a crash leaves half posted: entries balance, no id comes twice, the last state stands', () => {
  const cents = fc.integer({ min: -500, max: 500 }).map(one => (one / 100).toFixed(2))
  const lists = fc
    .shuffledSubarray(['ch_1', 'ch_2', 'ch_3', 'ch_4'])
    .chain(ids => fc.tuple(...ids.map(id => cents.map(tax => line(id, tax)))))
  const one = fc.record({
    of: lists,
    status: fc.constantFrom<KeptTax['status']>('committed', 'adjusted', 'voided'),
    pieces: fc.constantFrom(0, 1, 2, 9),
  })
  fc.assert(
    fc.property(
      fc.array(one, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 5 }),
      (told, most) => {
        const all = told.map(({ of, status, pieces }, at) => ({ tax: state(at + 1, of, status), pieces }))
        const last = all.at(-1)!.tax
        const { posted } = post([...all, last], most)
        const owed = new Map<string, bigint>()
        for (const { charge_id: id, tax } of last.status === 'voided' ? [] : last.lines)
          owed.set(id, amount(tax))
        for (const id of charges.keys()) {
          const own = posted.filter(entry => entry.charge_id === id)
          expect(balanceOf(own, 'tax')).toBe(owed.get(id) ?? 0n)
          expect(balanceOf(own, 'receivable')).toBe(-(owed.get(id) ?? 0n))
        }
        for (const { lines: sides } of posted)
          expect(sides.reduce((sum, { debit, credit }) => sum + amount(debit) - amount(credit), 0n)).toBe(0n)
        expect(new Set(posted.map(entry => entry.journal_id)).size).toBe(posted.length)
        expect(post([...all, last, last], most).posted).toEqual(posted)
      },
    ),
    { numRuns: Number(process.env['WEIR_TAX_RUNS'] ?? 50) },
  )
})

test('a tax that grows by a piece, the first of which stays as it is, is taken back whole', () => {
  const [one, two] = [line('ch_1', '1'), line('ch_2', '2')]
  const states = [state(1, [one]), state(2, [one, two]), state(3, [one, two], 'voided')]
  const { posted } = post(states, 1)
  expect(balanceOf(posted, 'tax')).toBe(0n)
  expect(balanceOf(post(states.slice(0, 2), 1).posted, 'tax')).toBe(amount('3'))
})

test('a tax of more lines than one atomic batch takes is cut at charges, and no batch has more than the broker takes', () => {
  const many = Array.from({ length: 5_000 }, (_, at) =>
    line(`ch_${Math.floor(at / 3)}`, '1', { line: `${at}` }),
  )
  const pieces = taxPiecesOf(state(1, many), [])
  expect(pieces.flatMap(piece => piece.lines)).toEqual(many)
  const sizes = pieces.map(piece => piece.lines.length)
  expect(Math.max(...sizes) * 2 + 1).toBeLessThan(1_000)
  for (const size of sizes.slice(0, -1)) expect(size % 3).toBe(0)
})

test('what does not agree with what was billed is refused whole, with a code', () => {
  const codeOf = (tax: KeptTax) => {
    const posting = postingOf(tax)
    return posting.kind === 'refused' ? posting.code : posting.kind
  }
  expect(codeOf(state(1, [line('ch_1', '1', { amount: '30' })]))).toBe('tax_amount_differs')
  expect(codeOf(state(1, [line('none', '1')]))).toBe('tax_charge_not_posted')
  expect(codeOf(state(1, [line('ch_1', '1'), line('', '1')]))).toBe('tax_line_without_charge')
  expect(codeOf(state(1, [line('', '1')]))).toBe('nothing')
  expect(codeOf({ ...state(1, [line('ch_1', '1')]), customer_id: 'other' })).toBe('tax_of_another_customer')
  expect(codeOf({ ...state(1, [line('ch_1', '1')]), currency: 'EUR' })).toBe('tax_currency_differs')
  expect(codeOf(state(1, [line('ch_1', '0.001')]))).toBe('invalid_tax_line')
  expect(codeOf(state(1, [line('ch_1', '1', { jurisdiction: 'US-NV' })]))).toBe('no_account_mapping')
  const halves = [
    line('ch_1', '1', { line: 'a', amount: '20' }),
    line('ch_1', '1', { line: 'b', amount: '11' }),
  ]
  expect(codeOf(state(1, halves))).toBe('posting')
})
