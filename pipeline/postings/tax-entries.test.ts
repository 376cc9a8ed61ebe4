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
import { type StandingTax, type TaxRules, taxPostingOf } from './tax-entries.js'
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
const lines = [charge('ch_1', {}), charge('ch_2', {})]
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
    event: `e${sequence}`,
    status,
    currency: 'USD',
  },
  ...{ document: '1', document_status: 'Committed', lines: [...of] },
})

/** Posts states one after another, as the sink does; what each put into the books. */
function post(states: readonly KeptTax[]): {
  posted: readonly JournalEntryWire[]
  standing: StandingTax | undefined
} {
  let standing: StandingTax | undefined
  const posted: JournalEntryWire[] = []
  for (const one of states) {
    const posting = taxPostingOf(one, standing, rules)
    if (posting.kind === 'refused') throw new Error(posting.detail)
    if (posting.kind === 'nothing') continue
    posted.push(...posting.entries)
    standing = JSON.parse(JSON.stringify(posting.standing)) as StandingTax
  }
  return { posted, standing }
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
  const { posted, standing } = post(states)
  expect(posted.map(entry => [entry.charge_id, entry.lines[0]!.debit, entry.lines[0]!.credit])).toEqual([
    ['ch_1', '1.86', '0'],
    ['ch_2', '1', '0'],
    ['ch_1', '0', '1.86'],
    ['ch_2', '0', '1'],
    ['ch_1', '2', '0'],
  ])
  const voided = taxPostingOf(state(4, [line('ch_1', '2')], 'voided'), standing, rules)
  if (voided.kind !== 'posting') throw new Error(voided.kind)
  expect(balanceOf([...posted, ...voided.entries], 'tax')).toBe(0n)
  expect(voided.standing.entries).toEqual([])
  expect(taxPostingOf(state(5, [], 'voided'), voided.standing, rules)).toEqual({ kind: 'nothing' })
  const again = taxPostingOf(state(6, [line('ch_1', '2')]), voided.standing, rules)
  expect(again).toMatchObject({ kind: 'posting', entries: [{ lines: [{ debit: '2' }, { credit: '2' }] }] })
})

test('whatever states follow one another: each entry balances and has an id of its own, and the books hold the last state', () => {
  const cents = fc.integer({ min: -500, max: 500 }).map(one => (one / 100).toFixed(2))
  const lists = fc
    .subarray(['ch_1', 'ch_2'])
    .chain(ids => fc.tuple(...ids.map(id => cents.map(tax => line(id, tax)))))
  const states = fc.array(fc.tuple(lists, fc.constantFrom('committed', 'adjusted', 'voided')), {
    minLength: 1,
    maxLength: 6,
  })
  fc.assert(
    fc.property(states, told => {
      const all = told.map(([of, status], at) => state(at + 1, of, status as KeptTax['status']))
      const { posted } = post(all)
      const last = all.at(-1)!
      const owed = last.status === 'voided' ? 0n : last.lines.reduce((sum, one) => sum + amount(one.tax), 0n)
      expect(balanceOf(posted, 'tax')).toBe(owed)
      expect(balanceOf(posted, 'receivable')).toBe(-owed)
      expect(new Set(posted.map(entry => entry.journal_id)).size).toBe(posted.length)
    }),
    { numRuns: Number(process.env['WEIR_TAX_RUNS'] ?? 50) },
  )
})

test('what does not agree with what was billed is refused whole, with a code', () => {
  const codeOf = (tax: KeptTax) => {
    const posting = taxPostingOf(tax, undefined, rules)
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
