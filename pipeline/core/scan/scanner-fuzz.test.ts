// Whatever the bytes: an event that the scanner takes as plain is what the parser reads, in number, order and
// every column.
// The long run: WEIR_FUZZ_SCANS=1000000 npx vitest run pipeline/core/scan/scanner-fuzz

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatInstant, nsOf, rangeEndMs } from '../../../schemas/time.js'
import { expectSame } from '../../testing/expect-same-scan.js'
import { anyMessage, Dice, mutated } from '../../testing/hostile-messages.js'
import { ScanLayout } from './layout.js'
import { UsageScanner } from './scanner.js'

const scans = Number(process.env['WEIR_FUZZ_SCANS'] ?? 20_000)
const perSeed = 20
const paths = [
  ['a'],
  ['tokens'],
  ['a', 'b'],
  ['é'],
  ['__proto__'],
  ['a', 'b', 'n'],
  ['1'],
  ['tokens'],
  [],
  ['constructor', 'x'],
]
const contentTypes = [
  undefined,
  'application/json',
  'application/x-ndjson',
  'application/cloudevents+json',
  'application/cloudevents-batch+json; charset=utf-8',
]

test('a plain event of any message is what the general way reads', () => {
  const scanner = new UsageScanner(new ScanLayout(paths))
  const seen = { plain: 0, other: 0, left: 0 }
  fc.assert(
    fc.property(fc.integer(), seed => {
      const dice = new Dice(seed)
      const message = Buffer.from(anyMessage(dice))
      for (let i = 0; i < perSeed; i += 1) {
        const result = expectSame(scanner, paths, mutated(message, dice), dice.pick(contentTypes))
        if (result === undefined) seen.left += 1
        seen.plain += result?.plain ?? 0
        seen.other += result?.other ?? 0
      }
    }),
    { numRuns: Math.ceil(scans / perSeed) },
  )
  if (scans > 100_000) console.log(`${scans} messages`, seen)
  // Ensures that the test covers enough of each kind.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(scans / 10)
}, 3_600_000)

/** Texts with quotes, backslashes and control characters, many of them written with escapes. */
const plainText = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({
    unit: fc.constantFrom('"', '\\', '/', '\n', '\u0000', '\u001f', 'é', '😀', 'a'),
    maxLength: 8,
  }),
)
const plainName = plainText.filter(text => {
  const length = Buffer.byteLength(text)
  return length > 0 && length <= 256 && !text.startsWith('weir.') && !text.includes('\u0000')
})
const escapeOf = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
const { tree } = fc.letrec<{ tree: unknown }>(tie => ({
  tree: fc.oneof(
    { maxDepth: 6, depthSize: 'small' },
    plainText,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(plainText, tie('tree'), { maxKeys: 5 }),
  ),
}))
const plainEvent = fc.record(
  {
    specversion: fc.constant('1.0'),
    id: plainName,
    source: plainName,
    type: plainName,
    subject: plainName,
    data: fc.option(fc.dictionary(plainText, tree, { maxKeys: 6 }), { freq: 9 }),
    time: fc.oneof(
      fc.bigInt({ min: 0n, max: nsOf(rangeEndMs) - 1n }).map(formatInstant),
      fc
        .date({ noInvalidDate: true, min: new Date(0), max: new Date(rangeEndMs - 1) })
        .map(date => date.toISOString()),
    ),
    correlationid: plainName,
    traceparent: plainName,
    subscriptionid: plainName,
    datacontenttype: fc.constant('application/json'),
    weirstampedtime: fc.constant(true),
    other: tree,
  },
  { requiredKeys: ['specversion', 'id', 'source', 'type', 'subject'] },
)

test('every event that JSON.stringify writes is plain, in every form', () => {
  const scanner = new UsageScanner(new ScanLayout(paths))
  fc.assert(
    fc.property(
      fc.array(plainEvent, { minLength: 1, maxLength: 5 }),
      fc.constantFrom(0, 2),
      (events, indent) => {
        const all = { plain: events.length, other: 0 }
        const lines = Buffer.from(events.map(event => JSON.stringify(event)).join('\n'))
        const array = Buffer.from(JSON.stringify(events, undefined, indent))
        const escaped = Buffer.from(
          events.map(event => JSON.stringify(event).replace(/[\u0080-\uffff]/g, escapeOf)).join('\n'),
        )
        const one = Buffer.from(JSON.stringify(events[0], undefined, indent))
        expect(expectSame(scanner, paths, lines, 'application/x-ndjson')).toEqual(all)
        expect(expectSame(scanner, paths, lines)).toEqual(all)
        expect(expectSame(scanner, paths, escaped)).toEqual(all)
        expect(expectSame(scanner, paths, array)).toEqual(all)
        expect(expectSame(scanner, paths, array, 'application/cloudevents-batch+json')).toEqual(all)
        expect(expectSame(scanner, paths, one, 'application/json')).toEqual({ plain: 1, other: 0 })
      },
    ),
    { numRuns: 200 },
  )
})
