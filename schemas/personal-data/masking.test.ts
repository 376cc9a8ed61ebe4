// What is kept of numbers that must not be stored whole.

import { expect, test } from 'vitest'
import { maskAccount, maskCard, maskNumbers, paperStatus } from './masking.js'

test('of a card number at most the first six digits and the last four are kept', () => {
  expect(maskCard('4111 1111 1111 1111')).toBe('411111******1111')
  expect(maskCard('378282246310005')).toBe('378282*****0005')
  expect(maskCard('12345678')).toBe('******78') // too short for a card: next to nothing is kept
  expect(maskCard(maskCard('4111111111111111'))).toBe('411111******1111')
})

test('of an account number the last four characters are kept, of an IBAN the first four too', () => {
  expect(maskAccount('DE89 3704 0044 0532 0130 00')).toBe('DE89**************3000')
  expect(maskAccount('000123456789')).toBe('********6789')
  expect(maskAccount('1234')).toBe('***4')
})

test('card numbers and IBANs are found in a text; numbers that only look alike stay', () => {
  expect(maskNumbers('paid with 4111-1111-1111-1111, then DE89370400440532013000.')).toBe(
    'paid with 411111******1111, then DE89**************3000.',
  )
  const untouched = [
    'order 4111111111111112',
    'ref 9007199254740993',
    'DE88370400440532013000',
    '2026-11-27T12:00:00Z',
  ]
  for (const text of untouched) expect(maskNumbers(text)).toBe(text)
})

test('of a paper only a status is kept', () => {
  expect([paperStatus('verified'), paperStatus('C01X00T47')]).toEqual(['verified', 'provided'])
})
