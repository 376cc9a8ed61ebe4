// What the bucket holds of an acknowledgement is read as it was written, also by an older program.

import { expect, test } from 'vitest'
import { acknowledgementFromText } from './acknowledgement.js'

test('the instant alone, as it was kept once, is an acknowledgement by nobody known', () => {
  const at = '2026-02-01T06:05:00Z'
  expect(acknowledgementFromText(at)).toEqual({ acknowledged_at: at, acknowledged_by: null })
})

test('one with its key is read whole, and one that is neither is a bug', () => {
  const by = { kind: 'api_key', id: '0123456789ab', name: 'billing' }
  const whole = { acknowledged_at: '2026-02-01T06:05:00Z', acknowledged_by: by }
  expect(acknowledgementFromText(JSON.stringify(whole))).toEqual(whole)
  expect(() => acknowledgementFromText('{"acknowledged_by":{"kind":"unheard"}}')).toThrow()
})
