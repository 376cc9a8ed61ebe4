// What of a broker's refusals a start waits for, and what ends it.

import { errors } from '@nats-io/transport-node'
import { expect, test } from 'vitest'
import { judgeBroker } from './wait-for-servers.js'

test('a login that came too late on a busy machine is tried again; one that is refused ends the start', () => {
  const late = errors.AuthorizationError.parse('Authentication Timeout')
  expect(late).toBeInstanceOf(errors.AuthorizationError)
  expect(() => judgeBroker(late)).not.toThrow()
  const refused = errors.AuthorizationError.parse('Authorization Violation')
  expect(() => judgeBroker(refused)).toThrow(/refuses the login/)
})
