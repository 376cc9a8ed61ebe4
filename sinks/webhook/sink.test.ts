// The webhook connector against a real receiver that checks signatures with the library of the specification.

import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { limiterOf } from '../http/limiter.js'
import { conformanceOf } from '../testing/conformance.js'
import { keyOfSecret } from './config.js'
import { requestOf, signatureOf } from './records.js'
import { WebhookConnector } from './sink.js'
import { type Answer, given, WebhookReceiver } from './testing/fake.js'

const secret = `whsec_${Buffer.from('a secret of thirty-two bytes ...').toString('base64')}`
const newer = `whsec_${Buffer.from('another secret of more than 24').toString('base64')}`
const vectors = JSON.parse(
  readFileSync(new URL('testing/standard-webhooks.vectors.json', import.meta.url), 'utf8'),
) as { vectors: { secret: string; headers: Record<string, string>; body: string }[] }

function recordOf(n: number): ConnectorRecord {
  const entry = { journal_id: `je_${n}`, entity_id: 'eu', note: 'Zoë, 12.50 €' }
  const recordedAt = '2026-11-01T00:00:00Z'
  return { kind: 'journal', id: `je_${n}`, key: `je_${n}`, recordedAt, document: entry }
}

const receivers: WebhookReceiver[] = []

async function receiverOf(secrets = [secret]): Promise<WebhookReceiver> {
  const receiver = await WebhookReceiver.start(secrets)
  receivers.push(receiver)
  return receiver
}

afterEach(async () => {
  vi.restoreAllMocks()
  for (const receiver of receivers.splice(0)) await receiver.close()
})

async function putOne(connector: WebhookConnector, n = 1): Promise<PutOutcome> {
  const [outcome] = await connector.put([recordOf(n)], new AbortController().signal)
  return outcome!
}

conformanceOf({
  name: 'a webhook',
  // The signature is of the time that the suite has.
  start: async nowMs => {
    vi.spyOn(Date, 'now').mockImplementation(nowMs)
    return WebhookReceiver.start([secret], { nowMs })
  },
  faults: [
    'timeout_before_commit',
    'timeout_after_commit',
    '429_without',
    '429_with_retry_after',
    'outage',
    'credentials_refused',
  ],
  refuses: true,
  recordOf,
})

describe('what is sent', () => {
  test('the signature is that of the vectors of Standard Webhooks', () => {
    for (const { secret: text, headers, body } of vectors.vectors) {
      const [id, timestamp] = [headers['webhook-id']!, headers['webhook-timestamp']!]
      const signatures = headers['webhook-signature']!.split(' ')
      expect(signatures).toContain(signatureOf(keyOfSecret(text)!, id, timestamp, body))
    }
  })

  test('with two secrets each receiver finds its signature, the old one and the new one', async () => {
    for (const known of [secret, newer]) {
      const receiver = await receiverOf([known])
      const connector = new WebhookConnector({ url: receiver.url, secrets: given([newer, secret]) })
      expect(await putOne(connector)).toEqual({ kind: 'accepted', externalId: 'je_1' })
      expect(receiver.requests[0]!.headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/)
    }
  })

  test('a receiver with another secret stops the connection, and the secret is in no detail', async () => {
    const receiver = await receiverOf([newer])
    const outcome = await putOne(new WebhookConnector({ url: receiver.url, secrets: given([secret]) }))
    expect(outcome).toMatchObject({ kind: 'stopped', code: 'credentials_refused' })
  })

  test('the body of a record is the same bytes at every attempt', () => {
    const [first, second] = [0, 3_600_000].map(nowMs => requestOf(recordOf(1), 'http://x', [], nowMs))
    expect(second!.body).toBe(first!.body)
  })

  test('a secret is base64 of 24 to 64 bytes', () => {
    expect(keyOfSecret('whsec_c2hvcnQ=')).toBeUndefined()
    expect(keyOfSecret('whsec_not base64 at all, and long')).toBeUndefined()
    expect(keyOfSecret(secret)).toHaveLength(32)
  })
})

describe('what an answer means', () => {
  const answers: [string, Answer, Partial<PutOutcome>][] = [
    [
      '410 stops the connection',
      (_, r) => !!r.writeHead(410).end(),
      { kind: 'stopped', code: 'receiver_gone' },
    ],
    [
      '404 of the URL stops the connection and sets no record aside',
      (_, r) => !!r.writeHead(404).end(),
      { kind: 'stopped', code: 'receiver_not_found' },
    ],
    [
      'a redirect stops the connection and is not followed',
      (_, r) => !!r.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
      { kind: 'stopped', code: 'redirected' },
    ],
    [
      '400 refuses, in the receiver’s own words and without the secret',
      (_, r) => !!r.writeHead(400).end(`no such account; sent with ${secret}`),
      { kind: 'refused', code: 'receiver_refused', detail: 'HTTP 400: no such account; sent with [secret]' },
    ],
    [
      '503 with a date is waited for',
      (_, r) =>
        !!r.writeHead(503, { 'retry-after': new Date(Date.now() + 90_000).toUTCString() }).end('maintenance'),
      {
        kind: 'throttled',
        code: 'receiver_unavailable',
        retryAfterMs: expect.closeTo(90_000, -4) as unknown as number,
      },
    ],
    [
      '500 may have done its work',
      (_, r) => !!r.writeHead(500).end(),
      { kind: 'unclear', code: 'no_answer' },
    ],
    [
      'a connection cut after the request is unclear',
      (_, r) => !!r.destroy(),
      { kind: 'unclear', code: 'no_answer' },
    ],
    ['no answer in time is unclear', () => true, { kind: 'unclear', code: 'no_answer' }],
    [
      'an endless answer is read up to a limit',
      (_, r) => !!r.writeHead(400).end('x'.repeat(5_000_000)),
      { kind: 'refused', detail: expect.stringMatching(/^HTTP 400: x{900,}$/) as unknown as string },
    ],
  ]
  for (const [claim, answer, expected] of answers) {
    test(claim, async () => {
      const receiver = await receiverOf()
      receiver.answer = answer
      const connector = new WebhookConnector({ url: receiver.url, secrets: given([secret]), attemptMs: 300 })
      expect(await putOne(connector)).toMatchObject(expected)
    })
  }

  test('a connection that was never made is no unclear answer', async () => {
    const receiver = await receiverOf()
    await receiver.close()
    receivers.pop()
    const outcome = await putOne(new WebhookConnector({ url: receiver.url, secrets: given([secret]) }))
    expect(outcome).toMatchObject({ kind: 'throttled', code: 'receiver_unavailable' })
  })
})

test('a rate is kept over the requests of a page', async () => {
  const receiver = await receiverOf()
  const connector = new WebhookConnector({
    url: receiver.url,
    secrets: given([secret]),
    limiter: limiterOf({ per_second: 4 }),
  })
  const startedMs = performance.now()
  const records = Array.from({ length: 6 }, (_, n) => recordOf(n))
  const outcomes = await connector.put(records, new AbortController().signal)
  expect(outcomes.map(({ kind }) => kind)).toEqual(records.map(() => 'accepted'))
  expect(performance.now() - startedMs).toBeGreaterThan(900) // the fifth waits for the next second
})
