// Answers of 2xx and 404 that prove nothing: no connector takes them for a record that is there, or for one that is not. And the
// place of a record, which counts more than the mapping.

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { chargebeeKind } from '../chargebee/kind.js'
import type { Connector, ConnectorRecord } from '../connector.js'
import type { ConnectorKind } from '../connector-kind.js'
import { netsuiteKind } from '../netsuite/kind.js'
import { recurlyKind } from '../recurly/kind.js'
import { stripeKind } from '../stripe/kind.js'
import { batchLineRecord } from './batch-line-record.js'
import { journalRecord } from './journal-record.js'
import { openConnector } from './open-connector.js'

const { signal } = new AbortController()
const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

interface Answer {
  readonly status?: number
  readonly type?: string
  readonly body: string
}

interface Subject {
  readonly kind: ConnectorKind
  readonly settings: object
  readonly mapping: string
  readonly record: ConnectorRecord
}

const key = { variable: 'KEY' }
const line = batchLineRecord(1)
const subjects: Readonly<Record<string, Subject>> = {
  stripe: {
    kind: stripeKind as ConnectorKind,
    settings: { auth: { secret_key: key } },
    mapping: 'customers: { acme: cus_acme }',
    record: line,
  },
  'stripe meter events': {
    kind: stripeKind as ConnectorKind,
    settings: { auth: { secret_key: key }, send: 'meter_events' },
    mapping: 'customers: { acme: cus_acme }\nevent_name: { calls: calls }',
    record: line,
  },
  chargebee: {
    kind: chargebeeKind as ConnectorKind,
    settings: { site: 'acme', auth: { api_key: key } },
    mapping: 'subscription: { s_1: s_1 }\nitem_price: { calls: calls }',
    record: line,
  },
  recurly: {
    kind: recurlyKind as ConnectorKind,
    settings: { auth: { api_key: key } },
    mapping: 'subscription: { s_1: s-1 }\nadd_on: { calls: code-calls }',
    record: line,
  },
  netsuite: {
    kind: netsuiteKind as ConnectorKind,
    settings: {
      account: '1234567',
      auth: { consumer_key: key, consumer_secret: key, token_id: key, token_secret: key },
    },
    mapping: 'accounts: { "1200": "1", "4000": "2" }\ncurrency: { USD: "1" }\ncustomers: { acme: "3" }',
    record: journalRecord(1),
  },
}

async function connectorTo(
  subject: Subject,
  { status = 200, type, body }: Answer,
  asked: string[] = [],
): Promise<Connector> {
  const server = createServer(async (request, response) => {
    let sent = `${request.url} `
    for await (const part of request) sent += String(part)
    asked.push(sent)
    response.writeHead(status, { 'content-type': type ?? 'application/json' }).end(body)
  })
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { kind, settings, mapping } = subject
  const given = { secrets: { KEY: 'sk_test_1' }, mapping, nowMs: Date.now, rate: {} }
  return openConnector(kind, { ...settings, url }, given)
}

const places: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  stripe: { customer: 'cus_earlier' },
  'stripe meter events': { customer: 'cus_earlier', event_name: 'earlier' },
  recurly: {
    path: '/subscriptions/s-earlier/add_ons/code-earlier/usage',
    usage_timestamp: '2026-10-31T00:00:00Z',
  },
}
for (const [name, place] of Object.entries(places)) {
  test(`${name}: a record is put where its place says, and looked up there, whatever the mapping says by then`, async () => {
    const asked: string[] = []
    const connector = await connectorTo(subjects[name]!, { body: '{}' }, asked)
    const record = { ...subjects[name]!.record, place }
    await connector.put([record], signal)
    await connector.find(record, signal)
    expect(asked).toHaveLength(name === 'stripe meter events' ? 1 : 2)
    for (const sent of asked) {
      expect(sent).toContain('earlier')
      expect(sent).not.toMatch(/acme|s-1|code-calls/)
    }
  })
}

const empty: readonly Answer[] = [
  { body: '{}' },
  { body: '' },
  { type: 'text/html', body: '<html>Log in</html>' },
]

for (const name of ['stripe', 'stripe meter events', 'chargebee', 'recurly', 'netsuite']) {
  test(`${name}: an answer of 200 without the record in it is unclear`, async () => {
    for (const answer of empty) {
      const connector = await connectorTo(subjects[name]!, answer)
      const [outcome] = await connector.put([subjects[name]!.record], signal)
      expect(outcome, answer.body).toMatchObject({ kind: 'unclear', code: 'no_answer' })
    }
  })
}

for (const name of ['stripe', 'chargebee', 'recurly', 'netsuite']) {
  test(`${name}: an answer of 200 that is no list proves that nothing is absent`, async () => {
    for (const answer of empty) {
      const connector = await connectorTo(subjects[name]!, answer)
      expect(await connector.find(subjects[name]!.record, signal), answer.body).toMatchObject({
        kind: 'unknown_yet',
        code: 'no_answer',
      })
    }
  })
}

test('recurly: a list that has more and does not say where is no whole list', async () => {
  const connector = await connectorTo(subjects['recurly']!, {
    body: '{"object":"list","has_more":true,"next":null,"data":[]}',
  })
  expect(await connector.find(line, signal)).toMatchObject({ kind: 'unknown_yet', code: 'no_answer' })
})

test('netsuite: 404 with a page for people does not say that the entry is absent', async () => {
  const page = { status: 404, type: 'text/html', body: '<html>This account has moved</html>' }
  const connector = await connectorTo(subjects['netsuite']!, page)
  expect(await connector.find(journalRecord(1), signal)).toMatchObject({
    kind: 'stopped',
    code: 'receiver_not_found',
  })
})
