// Transforms: read from data with every fault told, and made on events without touching a digit.

import { expect, test } from 'vitest'
import { parseJson, stringifyJson } from '../../../schemas/json/json-text.js'
import { applyTransform, type EventJson } from './apply-transform.js'
import { parseTransform } from './transform.js'

const sent =
  '{"id":"e","source":"s","type":"llm","subject":"c1","time":"2026-01-31T23:30:00.000000001Z",' +
  '"data":{"tokens":"1,200 tokens","exact":9007199254740993.5,"region":"eu-west","deep":{"a/b":1}}}'

function event(): EventJson {
  const json = parseJson(sent)
  if (json.kind !== 'ok') throw new Error(json.detail)
  return json.value as EventJson
}

function mend(...steps: unknown[]): string {
  const parsed = parseTransform(steps)
  if (parsed.kind !== 'ok') return parsed.errors.map(one => `${one.pointer} ${one.detail}`).join('\n')
  const done = applyTransform(event(), parsed.transform)
  return done.kind === 'mended' ? stringifyJson(done.event) : `${done.code} ${done.pointer}`
}

test('each step changes what it names and nothing else, to the digit', () => {
  const cases: readonly (readonly [object, string, string])[] = [
    [
      { step: 'cast', field: '/data/tokens', to: 'number', remove: [',', ' tokens'] },
      '"1,200 tokens"',
      '1200',
    ],
    [{ step: 'cast', field: '/data/exact', to: 'text' }, '9007199254740993.5', '"9007199254740993.5"'],
    [{ step: 'map', field: '/data/region', table: { 'eu-west': 'eu' } }, '"eu-west"', '"eu"'],
    [{ step: 'map', field: '/subject', table: { c1: 'c2' } }, '"subject":"c1"', '"subject":"c2"'],
    [{ step: 'set', field: '/data/deep/a~1b', value: 2 }, '"a/b":1', '"a/b":2'],
    [{ step: 'set', field: '/data/region', value: 'us', when: 'missing' }, '', ''],
    [{ step: 'set', field: '/data/none', value: 'us', when: 'present' }, '', ''],
    [{ step: 'set_type', type: 'api' }, '"type":"llm"', '"type":"api"'],
    [{ step: 'set_customer', customer: 'c9' }, '"subject":"c1"', '"subject":"c9"'],
    [{ step: 'shift_time', by: 'PT1H' }, '2026-01-31T23:30:00.000000001Z', '2026-02-01T00:30:00.000000001Z'],
    [{ step: 'shift_time', by: '-PT30M1S' }, '23:30:00.000000001Z', '22:59:59.000000001Z'],
    [
      { step: 'set_time', time: '2026-01-01T00:00:00+01:00' },
      '2026-01-31T23:30:00.000000001Z',
      '2026-01-01T00:00:00+01:00',
    ],
    [{ step: 'assign_subscription', subscription: 'sub' }, '1}}}', '1}},"subscriptionid":"sub"}'],
    [{ step: 'set', field: '/data/new/inner', value: 1 }, '1}}}', '1},"new":{"inner":1}}}'],
    [{ step: 'rename', from: '/data/deep/a~1b', to: '/data/ab' }, '"deep":{"a/b":1}', '"deep":{},"ab":1'],
  ]
  for (const [step, from, to] of cases) expect(mend(step), JSON.stringify(step)).toBe(sent.replace(from, to))
})

test('a number beyond every double keeps its digits when it is cast from a text', () => {
  const parsed = parseTransform([{ step: 'cast', field: '/data/n', to: 'number' }])
  if (parsed.kind !== 'ok') throw new Error('refused')
  const done = applyTransform({ data: { n: ' 1234567890123456.789 ' } }, parsed.transform)
  expect(done.kind === 'mended' && stringifyJson(done.event)).toBe('{"data":{"n":1234567890123456.789}}')
})

test('what does not apply leaves the event and says why', () => {
  const cases: readonly (readonly [object, string])[] = [
    [{ step: 'cast', field: '/data/tokens', to: 'number' }, 'not_a_number /data/tokens'],
    [{ step: 'cast', field: '/data/deep', to: 'text' }, 'not_a_text /data/deep'],
    [{ step: 'cast', field: '/data/exact', to: 'trimmed' }, 'not_a_text /data/exact'],
    [{ step: 'map', field: '/data/region', table: { us: 'eu' } }, 'value_not_in_table /data/region'],
    [{ step: 'map', field: '/data/none', table: {} }, 'field_missing /data/none'],
    [{ step: 'rename', from: '/data/none', to: '/data/x' }, 'field_missing /data/none'],
    [{ step: 'rename', from: '/data/tokens', to: '/data/region' }, 'field_there /data/region'],
    [{ step: 'set', field: '/data/region/x', value: 1 }, 'not_an_object /data/region'],
    [{ step: 'shift_time', by: '-PT999999H' }, 'time_out_of_range /time'],
  ]
  for (const [step, why] of cases)
    expect(mend({ step: 'set_type', type: 'x' }, step), JSON.stringify(step)).toBe(why)
})

test('each fault of a transform is told with its pointer and the nearest name', () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [
      { step: 'rname', from: '/data/a', to: '/data/b' },
      '/0/step There is no step rname; the nearest known name is rename',
    ],
    [
      { step: 'cast', fild: '/data/a', to: 'number' },
      '/0/fild cast.fild: is not known; the nearest known name is field',
    ],
    [
      { step: 'set', field: 'tokens', value: 1 },
      '/0/field set.field: names no field that can be mended. A field of the data is written /data/tokens',
    ],
    [
      { step: 'set', field: '/id', value: 1 },
      '/0/field set.field: never changes: it is the identity of the event',
    ],
    [
      { step: 'set', field: '/time', value: 1 },
      '/0/field set.field: is set by the steps set_time and shift_time',
    ],
    [{ step: 'shift_time', by: '1h' }, '/0/by shift_time.by: is a duration such as PT1H'],
    [{ step: 'set_time', time: 'now' }, '/0/time set_time.time: '],
    [{ step: 'set', field: '/subjekt', value: 1 }, 'the nearest known name is /subject'],
    [
      { step: 'set', field: `/data${'/a'.repeat(20_000)}`, value: 1 },
      '/0/field set.field: leads deeper than the 64 levels',
    ],
    ['cast', '/0 A step is an object'],
  ]
  for (const [step, told] of cases) expect(mend(step), JSON.stringify(step)).toContain(told)
  expect(parseTransform({})).toMatchObject({ errors: [{ pointer: '', code: 'invalid_transform' }] })
})
