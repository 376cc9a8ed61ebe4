// Messages that unpack to far more than they are: one dead letter each, whatever they hold.

import { expect, test } from 'vitest'
import { maxEventsOfMessage, parseMessage } from '../../schemas/event/cloud-event.js'
import { arrivalMs, TestBench } from '../testing/core-fixture.js'
import { decodeMessages } from './decode/decode.js'
import { ScanLayout } from './scan/layout.js'
import { UsageScanner } from './scan/scanner.js'

const many = maxEventsOfMessage + 1
const hostile: readonly (readonly [string, string, string | undefined])[] = [
  ['an array of numbers', `[${'1,'.repeat(many - 1)}1]`, 'application/json'],
  ['an array of empty objects', `[${'{},'.repeat(many - 1)}{}]`, undefined],
  ['lines of letters', 'x\n'.repeat(many), 'application/x-ndjson'],
  ['lines of empty objects', '{}\n'.repeat(many), 'application/x-ndjson'],
  ['lines without a content type', '{"a":1}\n'.repeat(many), undefined],
]

test.each(hostile)('%s, one too many, are one dead letter', (_name, text, contentType) => {
  const bytes = new TextEncoder().encode(text)
  const message = { seq: 1, arrivedAtMs: 0, bytes, ...(contentType === undefined ? {} : { contentType }) }
  const decoded = decodeMessages([message])
  expect(decoded).toHaveLength(1)
  expect(decoded[0]).toMatchObject({ kind: 'refused', rejection: { code: 'too_many_events' } })
  expect(new UsageScanner(new ScanLayout([])).scan(bytes, contentType)).toBeUndefined()
})

test('as many as a message may have are read one by one, blank lines not counted', () => {
  const bytes = new TextEncoder().encode('\n\n{}\n'.repeat(maxEventsOfMessage))
  const message = { seq: 1, arrivedAtMs: 0, bytes, contentType: 'application/x-ndjson' }
  expect(decodeMessages([message])).toHaveLength(maxEventsOfMessage)
})

test('a file may have any number of events', () => {
  const parsed = parseMessage(new TextEncoder().encode('{}\n'.repeat(many)))
  expect(parsed.kind === 'ok' && parsed.events.length).toBe(many)
})

function countersOf(text: string, contentType?: string) {
  const bytes = new TextEncoder().encode(text)
  const message = {
    seq: 1,
    arrivedAtMs: arrivalMs,
    bytes,
    ...(contentType === undefined ? {} : { contentType }),
  }
  const nothing = { catalog: [], lifecycle: [], orders: [], history: [] }
  return new TestBench().core.process({ nowMs: arrivalMs, commit: 1, ...nothing, metering: [message] })
    .counters
}

test.each([
  ['nothing', '', undefined],
  ['blank lines', '\n \n', 'application/x-ndjson'],
  ['spaces said to be JSON', '  ', 'application/json'],
  ['what is said to be of another form', '{}', 'text/csv'],
])('a message of %s is counted, as a dead letter', (_name, text, contentType) => {
  expect(countersOf(text, contentType)).toMatchObject({ received: 1, dead_lettered: 1 })
})

test('an empty list of events is no event and no fault', () => {
  expect(countersOf('[]')).toMatchObject({ received: 0, dead_lettered: 0 })
})
