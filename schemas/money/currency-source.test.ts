// Tests the table of currencies against ISO 4217's own list.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { packageRoot } from '../package-root.js'
import { currencyCodes, minorUnits } from './currency.js'
import { amended, currencyAmendments, currencyTableText, readCurrencyList } from './currency-source.js'

const require = createRequire(import.meta.url)
const listOne = readFileSync(require.resolve('currency-codes/iso-4217-list-one.xml'), 'utf8')

test('the table is what its source gives', () => {
  const committed = readFileSync(new URL('schemas/money/currency-table.ts', packageRoot), 'utf8')
  expect(currencyTableText(listOne)).toBe(committed)
})

test('every code of ISO 4217 list one is in the table with its digits, or has no minor unit', () => {
  // Read once more without our reader: code, number, digits follow each other in every entry that has a currency.
  const entries = [...listOne.matchAll(/<Ccy>(.*)<\/Ccy>\s*<CcyNbr>.*<\/CcyNbr>\s*<CcyMnrUnts>(.*)</g)]
  expect(entries).toHaveLength(listOne.split('<Ccy>').length - 1)
  for (const [, code, digits] of entries) {
    expect(minorUnits(code!), code).toBe(digits === 'N.A.' ? undefined : Number(digits))
  }
})

test('our reader agrees with the package that carries the list, which counts no minor unit as 0', () => {
  const theirs: { code: string; digits: number }[] = require('currency-codes/data.js')
  const { minorUnits: ours, published } = readCurrencyList(listOne)
  expect(published).toBe(require('currency-codes/iso-4217-publish-date.js'))
  expect([...ours].map(([code, digits]) => [code, digits ?? 0]).sort()).toEqual(
    theirs.map(({ code, digits }) => [code, digits]).sort(),
  )
})

test('the table holds nothing but the list and the amendments, withdrawn codes among them', () => {
  const listed = readCurrencyList(listOne).minorUnits
  expect(currencyCodes.filter(code => !listed.has(code))).toEqual(['XAD', 'XCG', 'ZWL'])
  for (const { adds, withdraws } of currencyAmendments) {
    for (const [code, digits] of Object.entries({ ...adds, ...withdraws }))
      expect(minorUnits(code), code).toBe(digits)
  }
})

test('amendments are in order, dated, and say something', () => {
  const numbers = currencyAmendments.map(({ number }) => number)
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
  expect(new Set(numbers).size).toBe(numbers.length)
  for (const { number, effective, until, adds, withdraws } of currencyAmendments) {
    for (const day of [effective, until ?? effective])
      expect(new Date(day).toISOString().slice(0, 10), String(number)).toBe(day)
    expect(Object.keys({ ...adds, ...withdraws }), String(number)).not.toEqual([])
  }
})

const list = (entries: string) =>
  `<?xml version="1.0"?>\n<ISO_4217 Pblshd="2026-01-01"><CcyTbl>${entries}</CcyTbl></ISO_4217>`
const currency = (code: string, digits: string) =>
  `<CcyNtry><CtryNm>A</CtryNm><CcyNm>B</CcyNm><Ccy>${code}</Ccy><CcyNbr>001</CcyNbr><CcyMnrUnts>${digits}</CcyMnrUnts></CcyNtry>`

test('a list with anything unknown in it is refused', () => {
  expect(readCurrencyList(list(currency('AAA', '2'))).minorUnits).toEqual(new Map([['AAA', 2]]))
  const wrong = [
    listOne.slice(0, -200),
    listOne.replace('<CcyTbl>', '<CcyTbl><New>1</New>'),
    listOne.replace('<CcyNbr>971</CcyNbr>', '<CcyNbr>971</CcyNbr><New>1</New>'),
    listOne.replace('IsFund="true"', 'IsFund="perhaps"'),
    listOne.replace('<CcyMnrUnts>2</CcyMnrUnts>', '<CcyMnrUnts>two</CcyMnrUnts>'),
    listOne.replace('<CcyMnrUnts>2</CcyMnrUnts>', ''),
    list(currency('aaa', '2')),
    list(currency('AAA', '2') + currency('AAA', '3')),
    list(`${currency('AAA', '2')}<!-- more -->${currency('AAB', '2')}`),
    '',
    '<html>not found</html>',
  ]
  for (const xml of wrong) expect(() => readCurrencyList(xml), xml.slice(0, 300)).toThrow(/ISO 4217|digits/)
})

test('an amendment that contradicts the list is refused', () => {
  const source = readCurrencyList(list(currency('AAA', '2')))
  const amendment = { number: 999, effective: '2026-01-01', about: 'A: another minor unit' }
  expect(() => amended(source, [{ ...amendment, adds: { AAA: 3 } }])).toThrow('AAA has 2 and 3 digits')
  expect(amended(source, [{ ...amendment, adds: { AAA: 2 } }])).toEqual(source.minorUnits)
})

test('Intl counts the digits of cash, where the minor unit of ISO 4217 has more', () => {
  const intl = (currency: string) =>
    new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2
  const other = currencyCodes.filter(code => intl(code) !== minorUnits(code))
  expect(other).toEqual(
    expect.arrayContaining(['AFN', 'ALL', 'IQD', 'IRR', 'LAK', 'LBP', 'MMK', 'SOS', 'YER']),
  )
  for (const code of other) expect(intl(code), code).toBeLessThan(minorUnits(code)!)
})
