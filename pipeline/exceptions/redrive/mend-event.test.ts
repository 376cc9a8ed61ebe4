// From exceptions to amendments: what is sent, what is left alone, and what takes it back.

import { expect, test } from 'vitest'
import { parseJson, stringifyJson } from '../../../schemas/json/json-text.js'
import type { Original } from '../originals.js'
import type { Exception } from '../read-exceptions.js'
import { mendEvent, undoEvent } from './mend-event.js'
import { parseTransform } from './transform.js'

const mender = { jobId: 'job_1', at: '2026-03-01T00:00:00.000Z', reason: 'a comma' }
const sent =
  '{"specversion":"1.0","source":"app","id":"e","type":"llm","subject":"c1","time":"2026-01-01T00:00:00Z",' +
  '"subscriptionid":"s1","correlationid":"q","data":{"tokens":9007199254740993}}'

const exception: Exception = {
  exceptionId: 'exc_1',
  kind: 'dead_letter',
  code: 'invalid_value',
  detail: '',
  pointer: '/data/tokens',
  eventSource: 'app',
  eventId: 'e',
  eventType: 'llm',
  customerId: 'c1',
  eventTimeNs: 1767225600000000000n,
  meter: '',
  receiver: '',
  recordKind: '',
  recordId: '',
  owner: '',
  state: 'open',
  firstAtMs: 0,
  lastAtMs: 0,
  revision: 1,
  occurrences: 1,
  correlationId: '',
  partition: 0,
  contentHash: '',
  amount: undefined,
  currency: '',
  answer: undefined,
  payload: undefined,
  inputStream: '',
  inputSequence: 0,
}

function originalOf(text: string): Original {
  const json = parseJson(text)
  return json.kind === 'ok' ? { kind: 'event', value: json.value } : { kind: 'gone' }
}

function mend(other: Partial<Exception>, text: string, ...steps: unknown[]) {
  const parsed = parseTransform(steps)
  if (parsed.kind !== 'ok') throw new Error('refused')
  return mendEvent({ ...exception, ...other }, originalOf(text), parsed.transform, mender)
}

function amendment(of: ReturnType<typeof mend>): Record<string, unknown> {
  if (of.kind === 'left') throw new Error(of.code)
  return JSON.parse(stringifyJson(of.amendment)) as Record<string, unknown>
}

test('an amendment brings all of the event, goes to the customer that it was sent for, and is the same each time', () => {
  const once = mend({}, sent, { step: 'set_customer', customer: 'c2' })
  const again = mend({}, sent, { step: 'set_customer', customer: 'c2' })
  if (once.kind === 'left' || again.kind === 'left') throw new Error('left')
  expect(stringifyJson(once.amendment)).toBe(stringifyJson(again.amendment))
  expect(stringifyJson(once.amendment)).toContain('"data":{"tokens":9007199254740993}')
  expect(once).toMatchObject({ sentFor: 'c1', customerId: 'c2' })
  expect(amendment(once)).toMatchObject({
    source: 'weir:redrive/job_1',
    id: expect.stringMatching(/^amd_[0-9a-f]{32}$/),
    type: 'weir.usage.amended',
    subject: 'c1',
    time: mender.at,
    correlationid: 'q',
    data: {
      event_source: 'app',
      event_id: 'e',
      type: 'llm',
      time: '2026-01-01T00:00:00Z',
      subject: 'c2',
      subscriptionid: 's1',
      reason: 'a comma',
    },
  })
})

test('an event without a time keeps that of its arrival, and encoded data is read', () => {
  const data = Buffer.from('{"tokens":"1,5"}').toString('base64')
  const event = JSON.stringify({ source: 'app', id: 'e', type: 'llm', subject: 'c1', data_base64: data })
  const cast = { step: 'cast', field: '/data/tokens', to: 'number', remove: [','] }
  const { data: brought } = amendment(mend({}, event, cast))
  expect(brought).toMatchObject({ time: '2026-01-01T00:00:00Z', data: { tokens: 15 } })
})

test('what is no usage event with an identity and a content is left alone, with what to do instead', () => {
  const codeOf = (other: Partial<Exception>, text = sent) => {
    const of = mend(other, text)
    return of.kind === 'left' ? of.code : of.kind
  }
  expect(codeOf({ kind: 'refused_delivery' })).toBe('not_an_event')
  expect(codeOf({ kind: 'refused_record' })).toBe('not_an_event')
  expect(codeOf({ eventType: 'weir.subscription.created' })).toBe('lifecycle_not_redriven')
  expect(codeOf({ eventId: '' })).toBe('identity_missing')
  expect(codeOf({}, '{"cut off')).toBe('payload_not_kept')
  expect(codeOf({}, '{"source":"app","id":"e","data_base64":"?"}')).toBe('data_not_json')
  expect(codeOf({}, '{"source":"app","id":"e","data":{}}')).toBe('customer_missing')
  expect(codeOf({})).toBe('redriven')
})

test('undoing amends the event back to what came, or withdraws one that was refused for its time', () => {
  const back = undoEvent(exception, originalOf(sent), { ...mender, jobId: 'job_2' })
  expect(amendment(back)).toMatchObject({
    source: 'weir:redrive/job_2',
    data: { type: 'llm', subscriptionid: 's1' },
  })
  const early = undoEvent({ ...exception, code: 'event_time_in_future' }, originalOf(sent), mender)
  expect(amendment(early)['data']).toEqual({
    event_source: 'app',
    event_id: 'e',
    withdrawn: true,
    reason: 'a comma',
  })
})
