// What may be kept of a receiver's words, and what it costs to find out.

import { expect, test } from 'vitest'
import { redactor } from './redact.js'

const token = 'eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl'

test('a token of three parts is taken out wherever it stands, and its first part alone stays', () => {
  const redact = redactor([])
  expect(redact(`got ${token}, eyJhbGciOiJI-${token} and eyJhbGciOiJI`)).toBe(
    'got [secret], [secret] and eyJhbGciOiJI',
  )
})

test('a receiver that answers with the beginnings of a million tokens keeps nobody waiting', () => {
  expect(redactor(['key-1'])('eyJabcdefgh-'.repeat(30_000))).toHaveLength(1_000)
})
