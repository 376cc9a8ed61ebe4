// Compares what a scan says of a message with the parser that makes objects.

import { expect, test } from 'vitest'
import { expectSame } from '../../testing/expect-same-scan.js'
import { ScanLayout } from './layout.js'
import { type ScannedEvents, textAt, textPlaces, textWords, valueKinds } from './scanned-events.js'
import { UsageScanner } from './scanner.js'

const paths = [['n'], ['a', 'b'], ['a'], ['n'], [], []]
const good =
  '{"specversion":"1.0","id":"e1","source":"/gw","type":"llm.request","subject":"cus_1","time":"2026-01-02T03:04:05.678Z","data":{"n":7,"a":{"b":"x"}}}'
const newScanner = () => new UsageScanner(new ScanLayout(paths))

/**
 * The number of plain events and of others in one message; undefined when the whole message is left to the
 * parser.
 */
function counts(message: string | Uint8Array, contentType?: string) {
  return expectSame(newScanner(), paths, Buffer.from(message), contentType)
}

const onePlain = { plain: 1, other: 0 }
const oneOther = { plain: 0, other: 1 }

test('the columns say where everything stands', () => {
  const bytes = Buffer.from(`${good}\n`)
  const scan = newScanner().scan(bytes, undefined) as ScannedEvents
  const text = (from: Int32Array, until: Int32Array) => bytes.toString('utf8', from[0], until[0])
  expect(scan.count).toBe(1)
  expect(text(scan.from, scan.until)).toBe(good)
  expect(textAt(scan, 0, textPlaces.id)).toBe('e1')
  expect(textAt(scan, 0, textPlaces.subject)).toBe('cus_1')
  expect([...scan.texts.subarray(textPlaces.correlationid * 2, textWords)]).toEqual([-1, -1, -1, -1, -1, -1])
  expect(scan.timeMs[0]).toBe(Date.UTC(2026, 0, 2, 3, 4, 5, 678))
  expect([...scan.valueKind.subarray(0, 4)]).toEqual([
    valueKinds.number,
    valueKinds.text,
    valueKinds.other,
    valueKinds.number,
  ])
  expect(bytes.toString('utf8', scan.valueFrom[1], scan.valueUntil[1])).toBe('x')
  expect(bytes.toString('utf8', scan.valueFrom[2], scan.valueUntil[2])).toBe('{"b":"x"}')
  expect(bytes.toString('utf8', scan.valueFrom[3], scan.valueUntil[3])).toBe('7')
})

const pretty = JSON.stringify(JSON.parse(good), undefined, 2)
const escaped = good.replace('"e1"', '"e\\u0031"')
const unpaired = good.replace('{', '{"note":"\\ud800",')

test.each<[string, string, string | undefined, ReturnType<typeof counts>]>([
  ['one object', good, undefined, onePlain],
  ['one object over several lines', pretty, undefined, onePlain],
  ['an array over several lines', `[\n${pretty},\r\n\t${pretty} ]\n`, undefined, { plain: 2, other: 0 }],
  ['an empty array', ' [ ] ', undefined, { plain: 0, other: 0 }],
  ['lines', `${good}\n${good}`, undefined, { plain: 2, other: 0 }],
  [
    'lines with blank ones',
    `\n \r\n${good}\r\n\n ${good} \n`,
    'application/x-ndjson',
    { plain: 2, other: 0 },
  ],
  ['no line at all', '', 'application/x-ndjson', { plain: 0, other: 0 }],
  ['a broken line', `${good}\n{"a":\n${good}\n`, undefined, { plain: 2, other: 1 }],
  ['a line of two objects', `${good}${good}\n${good}`, 'application/x-ndjson', { plain: 1, other: 1 }],
  ['a line that is no object', `[${good}]\n${good}`, 'application/x-ndjson', { plain: 1, other: 1 }],
  ['lines of which the first is not plain', `${unpaired}\n${good}`, undefined, { plain: 1, other: 1 }],
  [
    'an array with one that is not plain',
    `[${escaped},${unpaired},${good}]`,
    undefined,
    { plain: 2, other: 1 },
  ],
  ['a media type with its charset', good, 'application/json; charset=UTF-8', onePlain],
])('%s is scanned', (_name, message, contentType, expected) => {
  expect(counts(message, contentType)).toEqual(expected)
})

test.each<[string, string | Uint8Array, string | undefined]>([
  ['another content type', good, 'text/plain'],
  ['another charset', good, 'application/json; charset=latin1'],
  ['bytes that are not UTF-8', Buffer.from(good.replace('e1', 'é'), 'latin1'), undefined],
  ['a byte order mark', `\ufeff${good}`, undefined],
  ['lines where one value was promised', `${good}\n${good}`, 'application/cloudevents+json'],
  ['an array that is cut off', `[${good},`, undefined],
  ['an array with a comma too many', `[${good},]`, undefined],
  ['an array with something that is no object', `[${good},1]`, undefined],
  ['an array with an object that is not JSON', `[${good},${good.replace(':7', ':07')}]`, undefined],
  ['something behind the array', `[${good}] x`, undefined],
  ['one object that is not plain', unpaired, undefined],
  ['a line of white space that only Unicode knows', `${good}\n\u00a0\n`, 'application/x-ndjson'],
  ['an empty body', '', undefined],
])('%s is left to the general way', (_name, message, contentType) => {
  expect(counts(message, contentType)).toBeUndefined()
})

const withAttribute = (name: string, value: unknown) => JSON.stringify({ ...JSON.parse(good), [name]: value })

test.each<[string, string]>([
  ['half of a surrogate pair', unpaired],
  ['half of a pair before an escape', good.replace('"x"', '"\\ud83d\\n"')],
  ['the second half of a pair in a key', good.replace('"n"', '"\\ude00"')],
  ['an escape that is none', good.replace('"x"', '"\\x"')],
  ['an escape that is cut off', good.replace('"x"', '"\\u00e"')],
  ['U+0000 in an attribute', good.replace('"e1"', '"e\\u0000"')],
  ['U+0000 in what is not hashed', good.replace('{', '{"traceparent":"\\u0000",')],
  ['a line feed in a text with an escape', good.replace('"x"', '"\\n\n"').replace('\n', '\u0001')],
  ['a key twice, once with an escape', good.replace('"n":7', '"n":6,"\\u006e":7')],
  [
    'an attribute that escapes make too long',
    withAttribute('id', `${'x'.repeat(254)}a`).replace('xa"', 'x\\u20ac"'),
  ],
  ['an event of ours by its escapes', good.replace('llm.request', 'we\\u0069r.x')],
  ['a key twice', good.replace('"id":"e1"', '"id":"e0","id":"e1"')],
  ['a key of data twice', good.replace('"n":7', '"n":6,"n":7')],
  [
    'a key twice with an object of the same keys between',
    good.replace('{"b":"x"}', '{"a":{"a":1},"b":2,"a":3}'),
  ],
  ['a control character', good.replace('e1', 'e\u00011')],
  ['deep nesting', good.replace(':7', `:${'['.repeat(30)}${']'.repeat(30)}`)],
  ['a leap second', good.replace('05.678Z', '60Z')],
  ['a day that is none', good.replace('2026-01-02', '2026-02-30')],
  ['a time without an offset', good.replace('678Z', '678')],
  ['an event of ours', good.replace('llm.request', 'weir.subscription.created')],
  ['an attribute of 257 bytes', withAttribute('id', 'x'.repeat(257))],
  ['an empty subject', withAttribute('subject', '')],
  ['no subject', withAttribute('subject', undefined)],
  ['a time that is null', withAttribute('time', null)],
  ['another specversion', withAttribute('specversion', '1.1')],
  ['a pinned subscription without a name', withAttribute('subscriptionid', '')],
  ['a pinned subscription that is null', withAttribute('subscriptionid', null)],
  ['binary data', withAttribute('data_base64', 'AA==')],
  ['data of another type', withAttribute('datacontenttype', 'text/xml')],
  ['data that is no object', withAttribute('data', [1])],
  ['data that begins as null does', good.replace(/"data":.*$/, '"data":nullx}')],
  ['a mark of a stamped time as a text', withAttribute('weirstampedtime', 'true')],
  ['a mark of a stamped time that is none', withAttribute('weirstampedtime', false)],
  ['a correlation id that is no text', withAttribute('correlationid', 7)],
])('%s is not plain', (_name, line) => {
  expect(counts(`${line}\n`, 'application/x-ndjson')).toEqual(oneOther)
})

test.each<[string, string]>([
  ['numbers of every form', good.replace(':7', ':[0,-0,1.50,1e3,2.5E-3,12345678901234567890,0.1]')],
  [
    'numbers that no double stands for',
    good.replace(':7', ':[1e999,-1e-999999999,9007199254740993,1234567890123456.789,0.1000000000000000055]'),
  ],
  ['an escape in an attribute', escaped],
  ['an escape in a key of the event', good.replace('"id"', '"\\u0069d"')],
  ['every short escape, in a value that is read', good.replace('"x"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"')],
  ['escapes of every length in UTF-8', good.replace('"x"', '"a\\u0000\\u00E9é\\u20ac\\ud83d\\uDE00\\u2028"')],
  ['escapes in keys that are read', good.replace('"n"', '"\\u006e"').replace('"b"', '"\\u0062"')],
  ['keys that need an escape', good.replace('"n"', '"a\\"b":1,"a\\\\":2,"\\n":3,"\\u0000":4,"n"')],
  ['a time with escapes', good.replace('2026-01-02T', '2026\\u002d01-02\\u0054')],
  ['a pinned subscription', withAttribute('subscriptionid', 's"1')],
  ['UTF-8 of every length', good.replace('"x"', '"aé€😀\u007f\u2028"').replace('e1', '😀')],
  ['keys that look like prototypes', good.replace('{"n"', '{"__proto__":{"n":1},"constructor":2,"":3,"n"')],
  ['unknown attributes of any value', good.replace('{"spec', '{"x":{"id":[null,true,false]},"y":-1,"spec')],
  ['data before the rest', good.replace(/^\{(.*),("data":.*)\}$/, '{$2,$1}')],
  ['an offset and a long fraction', good.replace('05.678Z', '05.67899999-23:59')],
  ['29 February of a leap year', good.replace('2026-01-02', '2024-02-29')],
  ['empty extensions', good.replace('{"spec', '{"correlationid":"","traceparent":"","spec')],
  ['attributes of 256 bytes', withAttribute('id', 'x'.repeat(256))],
  ['a stamped time', withAttribute('weirstampedtime', true)],
  ['a stamped time before the time', good.replace('{', '{"weirstampedtime":true,')],
  ['a mark of a stamped time without a time', good.replace(/"time":"[^"]*"/, '"weirstampedtime":true')],
  ['no data', withAttribute('data', undefined)],
  ['data that is null', withAttribute('data', null)],
  ['white space around everything', good.replaceAll(/([{}:,])(?![0-9])/g, ' $1\t').replace('gw', ' ')],
])('%s are plain', (_name, line) => {
  expect(counts(`${line}\n`, 'application/x-ndjson')).toEqual(onePlain)
})

test('what came before does not matter: other keys, other orders, longer messages', () => {
  const scanner = newScanner()
  const lines = [good, pretty, good.replace('"n"', '"m"'), withAttribute('extra', { n: 1 }), good]
  for (const size of [1, 5_000, 1, 200]) {
    const events = Array.from({ length: size }, (_, i) =>
      JSON.stringify(JSON.parse(lines[i % lines.length]!)),
    )
    const message = Buffer.from(events.join('\n'))
    expect(expectSame(scanner, paths, message, 'application/x-ndjson')).toEqual({ plain: size, other: 0 })
  }
})

test('keys without end are plain as well: those kept are forgotten in time', () => {
  const scanner = newScanner()
  const events = Array.from({ length: 5_000 }, (_, i) =>
    good.replace('"n":7', `"n":7,"k${i}":{"v${i}":${i}}`),
  )
  const message = Buffer.from(events.join('\n'))
  expect(expectSame(scanner, paths, message)).toEqual({ plain: 5_000, other: 0 })
})

test('a key with a quote is not taken for two keys, though it was met before', () => {
  const scanner = newScanner()
  const quoted = good.replace('"n"', '"a\\"b"')
  const broken = good.replace('"n"', '"a"b"')
  const message = Buffer.from([quoted, quoted, broken, quoted].join('\n'))
  expect(expectSame(scanner, paths, message, 'application/x-ndjson')).toEqual({ plain: 3, other: 1 })
})

test('texts with escapes that are longer than the message has room for are scanned', () => {
  const scanner = newScanner()
  const one = good.replace('"x"', `"${'\\u20ac'.repeat(40_000)}"`)
  const message = Buffer.from([escaped, one, one, escaped].join('\n'))
  expect(expectSame(scanner, paths, message)).toEqual({ plain: 4, other: 0 })
  expect(expectSame(scanner, paths, Buffer.from(escaped))).toEqual(onePlain)
})

test('a message of megabytes is scanned, and the next small one too', () => {
  const scanner = newScanner()
  const large = Buffer.from(good.replace('"x"', `"${'é'.repeat(6_000_000)}"`))
  expect(expectSame(scanner, paths, large)).toEqual(onePlain)
  expect(expectSame(scanner, paths, Buffer.from(good))).toEqual(onePlain)
})
