// What the statuses of a customer hold, as a pure function: in any order, with ends, with words that nobody knows; and the rows
// of the ledger that bring them.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { encodeRows } from '../../schemas/arrow/arrow-rows.js'
import { type CustomerStatusRow, customerStatusesTable } from '../../schemas/tables.js'
import { fold } from './fold.js'
import { type GateRule, gatesSettings } from './settings.js'
import { heldBy, isActivated, mergedStatuses, standingOf, type ToldStatus } from './statuses.js'
import { StatusesSink } from './statuses-sink.js'

const second = 1_000_000_000n
const at = (seconds: number) => String(BigInt(seconds) * second)
const nowMs = 1_000_000

function told(seconds: number, status: string, more: Partial<ToldStatus> = {}): ToldStatus {
  const id = `e${seconds}`
  return {
    ...{ gate: 'kyc', status, at: at(seconds), until: null, source: 's', id, reason: '', reference: '' },
    ...more,
  }
}

const rules = (text: object) => gatesSettings.schema(z).parse(text)
const [activation] = rules({ rules: [{ rule: 'a', gate: 'kyc', holds: ['activation'] }] }).rules as [GateRule]

test('words of vendors fold to what they mean, one of our own goes first, and an unknown one is never guessed', () => {
  expect(fold('kyc', 'PASSED_WITH_REQUIREMENTS', {})).toBe('approved_with_conditions')
  expect(fold('kyc', 'Kyc Expired', {})).toBe('expired')
  expect(fold('vat', 'INVALID', {})).toBe('rejected')
  expect(fold('vat', 'MS_UNAVAILABLE', {})).toBe('no_answer')
  expect(fold('kyc', 'INVALID', {})).toBe('unknown')
  expect(fold('kyc', 'constructor', {})).toBe('unknown')
  const { words } = rules({ words: { kyc: { 'Half Way': 'in_review', passed: 'pending' } } })
  expect([
    fold('kyc', 'half-way', words),
    fold('kyc', 'PASSED', words),
    fold('kyb', 'half way', words),
  ]).toEqual(['in_review', 'pending', 'unknown'])
})

test('a status whose end has passed is expired; no answer of a check leaves what stood; an unknown word holds payouts', () => {
  const none = rules({})
  const standing = (...all: ToldStatus[]) => standingOf(mergedStatuses([], all), 'kyc', {}, nowMs)?.status
  expect(standing(told(1, 'approved', { until: at(1_000) }))).toBe('expired')
  expect(standing(told(1, 'approved', { until: at(1_001) }))).toBe('approved')
  const vat = [told(1, 'VALID', { gate: 'vat' }), told(2, 'TIMEOUT', { gate: 'vat' })]
  expect(standingOf(mergedStatuses([], vat), 'vat', {}, nowMs)?.status).toBe('approved')
  expect(standingOf([vat[1]!], 'vat', {}, nowMs)?.status).toBe('pending')
  expect(heldBy('c', [told(1, 'approved')], none, nowMs)).toEqual([])
  expect(heldBy('c', [told(1, 'who knows')], none, nowMs)).toMatchObject([
    { act: 'payout', rule: 'unknown_word', next: expect.stringContaining('gates.words.kyc') },
  ])
  const two = rules({
    rules: [
      { rule: 'd', gate: 'aml', holds: ['delivery', 'payout'], allows: ['approved'], without_status: 'hold' },
      { rule: 'p', gate: 'kyc', holds: ['payout'], connections: ['bank'] },
    ],
  })
  expect(heldBy('c', [told(1, 'who knows')], two, nowMs).map(({ act, rule }) => `${act} ${rule}`)).toEqual([
    'payout p',
    'payout unknown_word',
    'delivery d',
    'payout d',
  ])
})

test('a subscription that was let in keeps running; one that begins while the check is open waits', () => {
  const lets = (start: number, ...all: ToldStatus[]) =>
    isActivated(mergedStatuses([], all), activation, {}, BigInt(start) * second, nowMs)
  const history = [told(10, 'pending'), told(20, 'approved', { until: at(30) }), told(40, 'rejected')]
  expect([5, 15, 25, 29, 30, 45].map(start => lets(start, ...history))).toEqual([
    true,
    true,
    true,
    true,
    false,
    false,
  ])
  expect(lets(5, told(10, 'pending'))).toBe(false)
  expect(lets(2_000, told(10, 'approved'))).toBe(false) // it has not begun
  const old = { ...activation, since: 7_000 }
  expect(isActivated([told(10, 'pending')], old, {}, 5n * second, nowMs)).toBe(true)
})

test('in whatever order statuses come, in how many parts and how often, the same stands and the same is held', () => {
  const one = fc.record({
    gate: fc.constantFrom('kyc' as const, 'vat' as const),
    status: fc.constantFrom('pending', 'approved', 'rejected', 'TIMEOUT', 'odd'),
    at: fc.nat(8).map(at),
    until: fc.option(fc.nat(12).map(at), { nil: null }),
    source: fc.constantFrom('a', 'b'),
  })
  const settings = rules({
    rules: [
      { rule: 'k', gate: 'kyc', holds: ['activation', 'delivery'] },
      { rule: 'v', gate: 'vat', holds: ['payout'], without_status: 'hold' },
    ],
  })
  fc.assert(
    fc.property(
      fc.array(one, { minLength: 1, maxLength: 60 }),
      fc.infiniteStream(fc.nat()),
      fc.nat(11_000),
      (list, dice, now) => {
        const all = list.map(
          (status, index): ToldStatus => ({ ...status, id: `e${index}`, reason: '', reference: '' }),
        )
        const end = (statuses: readonly ToldStatus[]) => [
          statuses,
          heldBy('c', statuses, settings, now),
          [0, 3, 9].map(start => isActivated(statuses, settings.rules[0]!, {}, BigInt(start) * second, now)),
        ]
        const shuffled = [...all, ...all.slice(0, 3)]
          .map(status => ({ status, key: dice.next().value }))
          .sort((a, b) => a.key - b.key)
        let kept: readonly ToldStatus[] = []
        for (const { status } of shuffled) kept = mergedStatuses(kept, [status])
        expect(end(kept)).toEqual(end(mergedStatuses([], all)))
      },
    ),
    { numRuns: 60 },
  )
})

test('rows of the ledger bring each status with its instants to the nanosecond', async () => {
  const row: CustomerStatusRow = {
    ...{ customerId: 'ünï', gate: 'kyc', status: 'PASSED', untilNs: 5n, reason: 'r', reference: 'n' },
    ...{ eventTimeNs: 1_790_000_000_000_000_001n, eventSource: 's', eventId: 'e', correlationId: '' },
    ...{ partition: 0, ledgerSequence: 1 },
  }
  const rows = [row, { ...row, untilNs: undefined, eventId: 'f' }]
  const kept: unknown[] = []
  const sink = new StatusesSink({ keep: async (customer, more) => void kept.push([customer, more]) })
  const bytes = encodeRows(customerStatusesTable, rows)
  const messages = [{ sequence: 1, natsSubject: 'ledger.0.customer_statuses', bytes }]
  const range = { stream: 'LEDGER', from: 1, to: 1, token: 't', messages } as const
  expect(await sink.apply(range, new AbortController().signal)).toEqual({ kind: 'ok', rows: 2 })
  const status = {
    gate: 'kyc',
    status: 'PASSED',
    at: '1790000000000000001',
    source: 's',
    reason: 'r',
    reference: 'n',
  }
  expect(kept).toEqual([
    [
      'ünï',
      [
        { ...status, id: 'e', until: '5' },
        { ...status, id: 'f', until: null },
      ],
    ],
  ])
})

test('a rule that could not do what it says is refused with its place', () => {
  const read = gatesSettings.schema(z).safeParse({
    rules: [
      { rule: 'a', gate: 'kyc', holds: ['activation'], without_status: 'hold' },
      { rule: 'a', gate: 'kyc', holds: ['delivery'], since: '2026-01-01T00:00:00Z' },
      { rule: 'c', gate: 'tax', holds: ['delivery'] },
    ],
    words: { kyc: { x: 'fine' } },
  })
  const places = read.error?.issues.map(one => one.path.join('.')).sort()
  expect(places).toEqual(['rules.0.without_status', 'rules.1.since', 'rules.2.gate', 'words.kyc.x'].sort())
})
