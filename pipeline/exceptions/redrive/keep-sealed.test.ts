// A redrive writes no personal value in the clear, neither by its steps nor by what an event came with.

import { expect, test } from 'vitest'
import { FieldRules } from '../../../schemas/personal-data/field-rules.js'
import type { Exception } from '../read-exceptions.js'
import type { EventJson } from './apply-transform.js'
import { keepSealed, personalSteps } from './keep-sealed.js'
import { parseTransform } from './transform.js'

const rules = new FieldRules([
  { eventType: 'call', path: ['user', 'email'], kind: 'sealed' },
  { eventType: 'sale', path: ['card'], kind: 'card' },
])
const sealed = 'pd1.1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'

function faultsOf(...steps: unknown[]): readonly string[] {
  const parsed = parseTransform(steps)
  if (parsed.kind !== 'ok') throw new Error(parsed.errors[0]?.detail)
  return personalSteps(parsed.transform, rules).map(({ pointer }) => pointer)
}

test('a step that would write a personal value is refused, in whatever shape it brings it', () => {
  expect(faultsOf({ step: 'set', field: '/data/user/email', value: 'a@b.c' })).toEqual(['/transform/0'])
  expect(faultsOf({ step: 'set', field: '/data/user', value: [{ email: 'a@b.c' }] })).toEqual([
    '/transform/0',
  ])
  const table = { x: 1, y: '4111111111111111' }
  expect(faultsOf({ step: 'map', field: '/data/card', table })).toEqual(['/transform/0'])
  const map = { step: 'map', field: '/data/user', table: {}, otherwise: { email: 'a@b.c' } }
  expect(faultsOf({ step: 'set', field: '/data/tokens', value: 1 }, map)).toEqual(['/transform/1'])
  expect(faultsOf({ step: 'set', field: '/data/user/email', value: null })).toEqual([])
  expect(faultsOf({ step: 'set', field: '/data/email', value: 'a@b.c' })).toEqual([])
})

test('an event whose new type makes a field personal is left alone, and one that was sealed goes through', () => {
  const became = (type: string, data: EventJson) => {
    const event = { type, data }
    const redriven = { kind: 'redriven', exception: {} as Exception, before: event, after: event } as const
    const kept = keepSealed({ ...redriven, sentFor: 'a', customerId: 'a', amendment: {} }, rules)
    return kept.kind === 'left' ? kept.code : kept.kind
  }
  expect(became('call', { user: { email: 'a@b.c' } })).toBe('personal_data_in_clear')
  expect(became('call', { user: { email: sealed } })).toBe('redriven')
  expect(became('other', { user: { email: 'a@b.c' } })).toBe('redriven')
})
