// What a person reads when the API refuses: the code, what is wrong and where, each fault once.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { callGateway } from './gateway-client.js'

let answered = ''
const server = createServer((_request, response) => response.writeHead(400).end(answered))

beforeAll(() => new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => server.close())

function told(body: unknown): Promise<string> {
  answered = typeof body === 'string' ? body : JSON.stringify(body)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return callGateway({ url, apiKey: undefined }, '/').then(
    () => 'ok',
    (error: Error) => error.message,
  )
}

test('a refusal names each fault once, with its place', async () => {
  const [code, missing] = ['invalid_request', 'It is missing.']
  expect(await told({ code, detail: missing, errors: [{ pointer: '/time_zone', detail: missing }] })).toBe(
    '400 invalid_request: time_zone: It is missing.',
  )
  const charges = ['a', 'b'].map(one => ({ pointer: '', detail: `The charge ${one} was billed.` }))
  expect(await told({ code: 'charges_billed', detail: 'Amend instead.', errors: charges })).toBe(
    '400 charges_billed: Amend instead.\n  The charge a was billed.\n  The charge b was billed.',
  )
  expect(await told({ code: 'not_found', detail: 'There is none.' })).toBe('400 not_found: There is none.')
  const many = Array.from({ length: 500 }, (_, n) => ({ pointer: `?${n}`, detail: 'no' }))
  expect((await told({ code, detail: 'no', errors: many })).split('\n')).toHaveLength(11)
  expect(await told('proxy says no')).toBe('400 proxy says no')
})
