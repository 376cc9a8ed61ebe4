// Tests texts and their codes over several record batches.

import { expect, test } from 'vitest'
import { StringDictionary } from './arrow-string-dictionary.js'

const hostile = ['', 'plain', '😀', '\ud800', '\ufffd', 'é'.repeat(60), 'x'.repeat(400)]

test('a text keeps its number, and has one code in each batch in which it comes', () => {
  const dictionary = new StringDictionary()
  const texts = [...hostile, ...Array.from({ length: 500 }, (_, i) => `text-${i}`)]
  const numbers = texts.map(text => dictionary.numberOf(text))
  // A broken surrogate pair is the replacement character in UTF-8.
  expect(numbers[3]).toBe(numbers[4])
  expect(new Set(numbers).size).toBe(texts.length - 1)
  for (let batch = 0; batch < 3; batch += 1) {
    dictionary.clear()
    expect(dictionary.size).toBe(0)
    const coming = numbers.filter((_, i) => i % (batch + 1) === 0)
    const codes = coming.map(number => dictionary.codeOf(number))
    expect(coming.map(number => dictionary.codeOf(number))).toEqual(codes)
    expect(Math.max(...codes) + 1).toBe(new Set(coming).size)
  }
  expect(numbers.map(number => dictionary.textOf(number))).toEqual(
    texts.map(text => Buffer.from(text).toString()),
  )
  expect(texts.map(text => dictionary.numberOf(text))).toEqual(numbers)
  dictionary.forget()
  expect(dictionary.knownCount).toBe(0)
  expect(dictionary.numberOf('other')).toBe(0)
  expect(dictionary.textOf(0)).toBe('other')
})
