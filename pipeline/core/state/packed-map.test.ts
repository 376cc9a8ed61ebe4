// Records that are kept as bytes answer as objects do, live, restored from deltas or a dump, or as an older version wrote them.

import { deserialize, serialize } from 'node:v8'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PackedMap } from './packed-map.js'
import { RecordPacker } from './packed-record.js'
import { TrackedMap } from './tracked-map.js'

interface Holder {
  is: boolean
  value: unknown
}

const text = fc.oneof(
  fc.string({ maxLength: 12, unit: 'grapheme' }),
  fc.constantFrom(
    '',
    'größe 😀',
    'a'.repeat(5_000),
    'ch_00112233445566778899aabbccddeeff',
    '0123456789abcdef01',
  ),
  fc.constantFrom(
    '{"a":1,"b":["x",null,1.50]}',
    '{"a":{"__proto__":1}}',
    '{"b":"\\u0001","a":1e3}',
    '{',
    '__proto__',
  ),
  fc.json(),
)
const { value: plain } = fc.letrec(tie => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    text,
    fc.constantFrom(
      undefined,
      null,
      true,
      false,
      0,
      -0,
      Number.NEGATIVE_INFINITY,
      2 ** 53,
      -(2 ** 53) + 1,
      0.1,
    ),
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 130n), max: 2n ** 130n }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('one', 'two', '3', 'größe'), tie('value'), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
    fc.array(fc.tuple(text, tie('value')), { maxLength: 3 }).map(entries => new Map(entries)),
  ),
}))

const step = fc.oneof(
  fc.record({
    kind: fc.constant('set'),
    key: fc.constantFrom('a', 'b', 'c', 'd'),
    is: fc.boolean(),
    value: plain,
  }),
  fc.record({
    kind: fc.constantFrom('touch', 'look', 'delete'),
    key: fc.constantFrom('a', 'b', 'c'),
    value: plain,
  }),
)

const isSpecial = ({ is }: Holder) => is
const sent = <T>(value: T): T => deserialize(serialize(value)) as T

test('it answers as a map of objects, and deltas, a dump or an older version rebuild it', () => {
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 5 }), commits => {
      const objects = new TrackedMap<Holder>()
      const [live, restored] = [new PackedMap(isSpecial), new PackedMap(isSpecial)]
      for (const commit of commits) {
        for (const map of [objects, live])
          for (const one of commit) {
            const holder = map.get(one.key)
            if (one.kind === 'set') map.set(one.key, { is: one['is' as never], value: sent(one.value) })
            else if (one.kind === 'delete') map.delete(one.key)
            else if (one.kind === 'touch' && holder !== undefined) {
              holder.value = [holder.value, one.value]
              map.touch(one.key)
            }
          }
        const [halfway, older] = [new PackedMap(isSpecial), new PackedMap(isSpecial)]
        for (const part of live.dump()) halfway.apply(sent(part))
        for (const part of objects.dump()) older.apply(sent(part))
        objects.takeDelta()
        restored.apply(sent(live.takeDelta()))
        for (const map of [live, restored, halfway, older]) {
          expect([...map.entries()].sort()).toStrictEqual([...objects.entries()].sort())
          expect([map.size, map.changed]).toEqual(
            [objects.size, false].map((is, at) => (at === 0 ? is : map.changed)),
          )
          const special = [...objects.entries()].filter(([, { is }]) => is).map(([key]) => key)
          expect(map.special().sort()).toEqual(special.sort())
        }
        expect(live.changed || restored.changed).toBe(false)
      }
    }),
    { numRuns: 150 },
  )
})

test('a record that was looked at is one object until the next delta, and a change that was not named is lost with it', () => {
  const map = new PackedMap<Holder>(isSpecial)
  map.set('a', { is: false, value: 1 })
  map.takeDelta()
  const first = map.get('a')!
  first.value = 2
  expect(map.get('a')).toBe(first)
  map.takeDelta()
  expect(map.get('a')).toEqual({ is: false, value: 1 })
})

test('texts that records have in common, their names of fields, and JSON of what they hold anyway cost a few bytes', () => {
  const packer = new RecordPacker()
  const record = (at: number) => {
    const data = {
      subscription_id: `subscription-number-${at}`,
      plan: 'the_plan_of_all',
      effective_from: '2026-01-01',
    }
    return {
      id: data.subscription_id,
      source: '/a/source/of/all',
      payload: JSON.stringify({ data, source: '/a/source/of/all' }),
    }
  }
  const sizes = Array.from({ length: 50 }, (_, at) => packer.pack(0, record(at)).length)
  expect(JSON.stringify(record(49)).length).toBeGreaterThan(200)
  expect(sizes[49]).toBeLessThan(60)
  expect(packer.unpack(packer.pack(0, record(7)))).toEqual(record(7))
})

test('bytes whose table is missing are refused', () => {
  const [writer, reader] = [new RecordPacker(), new RecordPacker()]
  const packed = writer.pack(0, { a: 1 })
  expect(() => reader.unpack(packed)).toThrow('The state is damaged')
  writer.takeTable()
  writer.pack(0, { b: 1 })
  expect(() => reader.applyTable(writer.takeTable())).toThrow('The state lacks names')
})
