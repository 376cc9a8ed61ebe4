// What rules replace in the data of an event, and what they leave.

import { expect, test } from 'vitest'
import { parseJson } from '../json/json-text.js'
import { type FieldRule, FieldRules } from './field-rules.js'

const rule = (eventType: string, path: string, kind: FieldRule['kind'] = 'sealed'): FieldRule => ({
  eventType,
  path: path.split('.'),
  kind,
})
const rules = new FieldRules([
  rule('*', 'ip'),
  rule('call', 'user.email'),
  rule('call', 'people'),
  rule('call', 'pan', 'card'),
])
const seal = (json: string) => `pd1.1.${Buffer.from(json).toString('base64url').padEnd(22, '_')}`

test('what a rule names is replaced, in objects and arrays, and nothing else', () => {
  const data = {
    ip: '10.0.0.1',
    user: { email: 'a@b.c', plan: 'pro' },
    people: [{ name: 'Ann', age: 7 }, null],
    pan: '4111111111111111',
    tokens: 5,
  }
  const kept = rules.protect('call', data, seal)
  expect(kept).toEqual({
    ip: seal('"10.0.0.1"'),
    user: { email: seal('"a@b.c"'), plan: 'pro' },
    people: [{ name: seal('"Ann"'), age: seal('7') }, null],
    pan: '411111******1111',
    tokens: 5,
  })
  expect(rules.protect('call', kept, seal)).toBe(kept)
  expect(rules.protect('other', { user: data.user }, seal)).toEqual({ user: data.user })
})

test('equal numbers are sealed alike, with every digit', () => {
  const texts: string[] = []
  const remember = (json: string) => {
    texts.push(json)
    return ''
  }
  for (const text of ['{"ip":1.0}', '{"ip":1}', '{"ip":9007199254740993}']) {
    const parsed = parseJson(text)
    if (parsed.kind === 'ok') rules.protect('any', parsed.value as Record<string, unknown>, remember)
  }
  expect(texts).toEqual(['1', '1', '9007199254740993'])
})

test('values in clear are found by their pointers', () => {
  const data = { ip: seal('"1"'), user: { email: 'a@b.c' }, pan: '411111******1111' }
  expect(rules.inClear('call', data)).toEqual(['/user/email'])
})

test('whole card numbers in the free texts of our own events are masked, whatever the rules', () => {
  const data = {
    payment_id: '4111111111111111',
    reason: 'card 4111111111111111',
    metadata: { a: ['5555555555554444'] },
  }
  expect(new FieldRules([]).protect('weir.payment.failed', data, seal)).toEqual({
    payment_id: '4111111111111111',
    reason: 'card 411111******1111',
    metadata: { a: ['555555******4444'] },
  })
})
