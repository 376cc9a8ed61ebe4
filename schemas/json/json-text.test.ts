// Tests that reading and writing JSON keeps every digit.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashOfValue } from '../event/event-hash.js'
import { canonicalNumber, plainNumberText } from '../money/decimal-text.js'
import { ExactNumber } from '../money/exact-number.js'
import { parseJson, stringifyJson, treeProblem } from './json-text.js'

function read(text: string): unknown {
  const parsed = parseJson(text)
  if (parsed.kind !== 'ok') throw new Error(parsed.detail)
  return parsed.value
}

/** Texts of numbers of all sizes: short ones, ones at the border of the doubles, giant ones, with exponents and zeros. */
const digits = fc.oneof(
  fc.stringMatching(/^[0-9]{1,6}$/),
  fc.stringMatching(/^[0-9]{14,20}$/),
  fc.stringMatching(/^[0-9]{1,40}$/),
  fc.stringMatching(/^0{0,20}[0-9]{1,3}0{0,20}$/),
)
const exponents = fc.oneof(
  fc.constant(''),
  fc.integer({ min: -30, max: 30 }).map(power => `e${power}`),
  fc.integer({ min: -400, max: 400 }).map(power => `E${power < 0 ? '' : '+'}${power}`),
)
const numberTexts = fc
  .tuple(fc.constantFrom('', '-'), digits, fc.option(digits), exponents)
  .map(([sign, whole, fraction, exponent]) => {
    const leading = whole.replace(/^0+(?=\d)/, '')
    return `${sign}${leading}${fraction === null ? '' : `.${fraction}`}${exponent}`
  })

/** The slow way: the value as a fraction of bigints. */
function fractionOf(text: string): readonly [bigint, bigint] {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const power = Number(exponent) - fraction.length
  const over = BigInt(`${whole}${fraction}`)
  return power < 0 ? [over, 10n ** BigInt(-power)] : [over * 10n ** BigInt(power), 1n]
}

function isEqual(a: string, b: string): boolean {
  const [over, under] = fractionOf(a)
  const [otherOver, otherUnder] = fractionOf(b)
  return over * otherUnder === otherOver * under
}

const textOf = (value: unknown) => (value instanceof ExactNumber ? value.text : String(value))

test('every number of a JSON text keeps its value, be it read alone, among others, or written again', () => {
  fc.assert(
    fc.property(fc.array(numberTexts, { minLength: 1, maxLength: 6 }), texts => {
      const values = read(`{"a":[${texts.join(' , ')}],"t":"${texts[0]}"}`) as { a: unknown[]; t: string }
      expect(values.t).toBe(texts[0])
      const again = (read(stringifyJson(values)) as { a: unknown[] }).a
      for (const [index, text] of texts.entries()) {
        const value = values.a[index]
        expect([text, isEqual(textOf(value), text)]).toEqual([text, true])
        expect([text, isEqual(textOf(again[index]), text)]).toEqual([text, true])
        expect(textOf(read(text))).toBe(textOf(value))
        expect(hashOfValue(again)).toBe(hashOfValue(values.a))
      }
    }),
    { numRuns: 1_000 },
  )
})

test('hashes and canonical texts are equal exactly where values are', () => {
  const near = fc.tuple(numberTexts, fc.constantFrom('0', '.0', 'e0', 'e1', '1')).map(([text, more]) => {
    const other =
      /e/i.test(text) || (more === '.0' && text.includes('.')) || /^-?0$/.test(text) ? text : `${text}${more}`
    return [text, other] as const
  })
  fc.assert(
    fc.property(fc.oneof(near, fc.tuple(numberTexts, numberTexts)), ([a, b]) => {
      const same = isEqual(a, b)
      expect([a, b, canonicalNumber(a) === canonicalNumber(b)]).toEqual([a, b, same])
      expect([a, b, hashOfValue(read(a)) === hashOfValue(read(b))]).toEqual([a, b, same])
      expect([a, b, hashOfValue(new ExactNumber(a)) === hashOfValue(read(b))]).toEqual([a, b, same])
    }),
    { numRuns: 1_000 },
  )
})

test('the plain text of a number has its value, no exponent and no zero too many, or there is none', () => {
  fc.assert(
    fc.property(numberTexts, text => {
      const plain = plainNumberText(text)
      if (plain === undefined) {
        const [over, under] = fractionOf(text)
        const twelfths = over * 10n ** 12n
        const isFine = twelfths % under === 0n
        const shortest = String((twelfths < 0n ? -twelfths : twelfths) / under)
        expect([text, isFine && shortest.replace(/0{1,12}$/, '').length <= 38]).toEqual([text, false])
        return
      }
      expect(plain).toMatch(/^(0|-?(0\.\d*[1-9]|[1-9]\d*(\.\d*[1-9])?))$/)
      expect(plain.replace(/[-.]/g, '').replace(/^0+/, '').length).toBeLessThanOrEqual(38)
      expect([text, isEqual(plain, text)]).toEqual([text, true])
    }),
    { numRuns: 1_000 },
  )
})

test.each<[string, string]>([
  ['1.0', '1'],
  ['1e2', '100'],
  ['-0.0', '0'],
  ['1.50E-3', '0.0015'],
  ['12345678901234567890', '12345678901234567890'],
  [`1${'0'.repeat(37)}`, `1${'0'.repeat(37)}`],
  ['1e37', `1${'0'.repeat(37)}`],
  ['1.0000000000000', '1'],
  ['0.000000000001', '0.000000000001'],
])('the plain text of %s is %s', (text, plain) => {
  expect(plainNumberText(text)).toBe(plain)
})

test.each(['1e38', '0.0000000000001', '1e999999999', '1e-999999999', '9'.repeat(39)])(
  'number %# has no plain text',
  text => {
    expect(plainNumberText(text)).toBeUndefined()
  },
)

test('numbers that a double stands for are JavaScript numbers, whatever stands beside them', () => {
  expect(read('[1,-0.5,1e3,9007199254740993,0.30000000000000004,1.0000000000000000000,5e-324]')).toEqual([
    ...[1, -0.5, 1000, new ExactNumber('9007199254740993'), 0.30000000000000004, 1, 5e-324],
  ])
})

test('texts and keys that look like numbers stay what they are', () => {
  const text =
    '{"9007199254740993":"9007199254740993","a\\"9007199254740993":[" 1e-999 ","\\\\",9007199254740993]}'
  expect(read(text)).toEqual({
    '9007199254740993': '9007199254740993',
    'a"9007199254740993': [' 1e-999 ', '\\', new ExactNumber('9007199254740993')],
  })
  expect(stringifyJson(read(text))).toBe(text)
})

test('with an exact number too, JSON is what JSON.parse takes', () => {
  for (const text of [
    ...['09007199254740993', '[9007199254740993,]', '{9007199254740993:1}', '9007199254740993x'],
    ...['{"a":9007199254740993"b"}', '.9007199254740993', '9007199254740993.', '1e-9999e', '-', '+1e999'],
  ]) {
    expect([text, parseJson(text).kind]).toEqual([text, 'malformed'])
    expect(() => JSON.parse(text)).toThrow(SyntaxError)
  }
  // Of a key that comes twice the last one counts, and no key reaches a prototype.
  expect(read('{"a":9007199254740993,"a":9007199254740995}')).toEqual({
    a: new ExactNumber('9007199254740995'),
  })
  const own = read('{"__proto__":{"x":9007199254740993},"n":9007199254740993}') as object
  expect(Object.keys(own)).toEqual(['__proto__', 'n'])
  expect(Reflect.get(own, 'x')).toBeUndefined()
  expect(stringifyJson(own)).toBe('{"__proto__":{"x":9007199254740993},"n":9007199254740993}')
})

test('neither depth nor a giant number costs more than its bytes', () => {
  const depth = 200_000
  expect(read(`${'['.repeat(depth)}9007199254740993${']'.repeat(depth)}`)).toBeInstanceOf(Array)
  for (const text of [
    '1e999999999',
    '-1e-999999999',
    '1e99999999999999999999999',
    `0.${'0'.repeat(1_000_000)}1`,
    '9'.repeat(1_000_000),
    `1e${'9'.repeat(1_000_000)}`,
  ]) {
    const value = read(`[${text}]`) as unknown[]
    expect(textOf(value[0]) === text).toBe(true)
    expect(stringifyJson(value) === `[${text}]`).toBe(true)
    expect(hashOfValue(value)).not.toBe(hashOfValue([0]))
  }
  expect(canonicalNumber('1e9007199254740993')).toBe(canonicalNumber('100e9007199254740991'))
  expect(canonicalNumber('1e9007199254740993')).not.toBe(canonicalNumber('1e9007199254740992'))
  expect(canonicalNumber(`1.2e${'9'.repeat(2_000)}`)).not.toBe(canonicalNumber(`12e${'9'.repeat(2_000)}`))
})

test('an exact number is a leaf of a tree, however deep, and a bigint is written as its digits', () => {
  let tree: unknown = new ExactNumber('9007199254740993')
  for (let depth = 0; depth < 64; depth += 1) tree = { a: tree }
  expect(treeProblem(tree)).toBeUndefined()
  expect(stringifyJson({ a: 9007199254740993n, b: new ExactNumber('1e999'), c: 1 })).toBe(
    '{"a":9007199254740993,"b":1e999,"c":1}',
  )
  // Whoever does not know of exact numbers writes the digits as a text.
  expect(JSON.stringify([new ExactNumber('1e999')])).toBe('["1e999"]')
})
