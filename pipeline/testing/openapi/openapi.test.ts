// The OpenAPI document of a running Weir, as clients get it: it passes a linter, it is whole, its examples are as it says, and
// requests made from it get only what it names.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { until } from '../engine-harness.js'
import { AnswerChecker, type HttpAnswer } from './answers.js'
import { type OpenApi, operationsOf, type PlacedOperation } from './document.js'
import { metricFaults } from './metric-names.js'
import { metricRows, pageFaults } from './metrics-page.js'
import { decideConflict, renamingMapping } from './one-conflict.js'
import { billOneMonth } from './one-month.js'
import type { Call } from './one-month-of-others.js'
import { requestsOf, type SeededRequest, scopesNeeded } from './requests.js'
import { Sender } from './sender.js'

const generousMs = 300_000
const seed = 4711
const count = Number(process.env['WEIR_OPENAPI_REQUESTS'] ?? 1000)
const lanes = 8
const scopes = [
  'admin',
  'read',
  'billing',
  'operate',
  'approve',
  'reveal',
  'ingest:usage',
  'ingest:lifecycle',
  'ingest:catalog',
]

const webhookSecret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const configuration = `connections: [ { name: books, kind: file, folder: books, format: csv } ]
sources:
  - { name: billing, kind: standard, secrets: [ { variable: WEBHOOK_SECRET } ], mapping: billing.yaml }
  - { name: stripe, kind: stripe, secrets: [ { variable: WEBHOOK_SECRET } ] }
systems_of_record: [ { object: customer, field: name, owner: [ billing, api ] } ]
`

let folder: string
let weir: SupervisedWeir
let adminKey: string
let text: string
let document: OpenApi
let checker: AnswerChecker
/** Operations with the statuses that they were seen to answer. */
const seen = new Set<string>()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-openapi-'))
  const config = join(folder, 'weir.yaml')
  // A connection and a source, for the routes that are about one.
  await writeFile(config, configuration)
  await writeFile(join(folder, 'billing.yaml'), renamingMapping)
  weir = await SupervisedWeir.start({ env: { WEIR_CONFIG: config, WEBHOOK_SECRET: webhookSecret } })
  await weir.ready()
  adminKey = (await readFile(join(weir.dataDir, 'api-key'), 'utf8')).trim()
  text = await (await fetch(`${weir.url}/openapi.json`)).text()
  document = JSON.parse(text) as OpenApi
  checker = new AnswerChecker(document)
}, generousMs)

afterAll(async () => {
  await weir?.stop()
  await rm(folder, { recursive: true, force: true })
}, generousMs)

/** Rules of the linter that do not hold here, each with the reason. */
const exceptions = {
  // The document is served by the Weir that it describes, at whatever address a client reached it: the server is `/`.
  'no-server-example.com': 'off',
} as const

async function lint(source: string) {
  const config = await createConfig({
    extends: ['recommended-strict'],
    rules: {
      'operation-description': 'error',
      'operation-operationId': 'error',
      'operation-singular-tag': 'error',
      'operation-tag-defined': 'error',
      'operation-4xx-problem-details-rfc7807': 'error',
      'tag-description': 'error',
      'parameter-description': 'error',
      'no-invalid-parameter-examples': 'error',
      'no-invalid-media-type-examples': { severity: 'error', allowAdditionalProperties: true },
      'no-invalid-schema-examples': { severity: 'error', allowAdditionalProperties: true },
      ...exceptions,
    },
  })
  const problems = await lintFromString({ source, absoluteRef: '/openapi.json', config })
  // How Lago's clients are told what is wrong with their events: they know no problems.
  const isLagos = (pointer = '') =>
    /producers~1lago|events~1batch/.test(pointer) && pointer.endsWith('/responses/422')
  const ours = problems.filter(
    ({ ruleId, location }) => !(ruleId.endsWith('rfc7807') && isLagos(location[0]?.pointer)),
  )
  return ours.map(({ ruleId, message, location }) => `${ruleId} ${location[0]?.pointer}: ${message}`)
}

test('a linter finds no error and no warning', async () => {
  expect(await lint(text)).toEqual([])
})

test('canary: the linter finds an operation without a description, and an example of another type', async () => {
  const broken = text
    .replace(/"description":"For a probe that restarts[^"]*",/, '')
    .replace('"count":1}', '"count":"1"}')
  const rules = (await lint(broken)).map(problem => problem.split(' ')[0])
  expect(rules.sort()).toEqual(['no-invalid-media-type-examples', 'operation-description'])
})

test('every operation says what it is, who may call it, and shows each body; every code is explained', () => {
  const operations = operationsOf(document)
  expect(operations.length).toBeGreaterThan(12)
  for (const { operationId, tags, summary, description, security, responses, requestBody } of operations) {
    expect(operationId).toMatch(/^[a-z][A-Za-z]+$/)
    expect([operationId, tags.length]).toEqual([operationId, 1])
    expect(summary.length, operationId).toBeLessThan(60)
    expect(description, operationId).toMatch(/\.$/)
    expect(security, operationId).toBeInstanceOf(Array)
    for (const [type, media] of Object.entries(requestBody?.content ?? {}))
      expect(type.includes('arrow') || media.example !== undefined, `${operationId} ${type}`).toBe(true)
    for (const [status, { content = {} }] of Object.entries(responses))
      for (const [type, media] of Object.entries(content)) {
        const codes = type === 'application/problem+json' ? Object.keys(media.examples ?? {}) : []
        for (const code of codes) expect(document.info.description).toContain(`| \`${code}\` | ${status} |`)
        expect(media.example ?? media.examples, `${operationId} ${status}`).toBeDefined()
      }
  }
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
})

test('every example is as its schema says', () => {
  for (const { operationId, path, method, requestBody, responses } of operationsOf(document)) {
    const bodies = Object.entries(responses).map(([status, answer]) => ({
      at: ['responses', status, 'content'],
      content: answer.content ?? {},
    }))
    const all = [...bodies, { at: ['requestBody', 'content'], content: requestBody?.content ?? {} }]
    for (const { at, content } of all) {
      for (const [type, { example, examples = {} }] of Object.entries(content)) {
        const values = [
          ...(example === undefined ? [] : [example]),
          ...Object.values(examples).map(one => one.value),
        ]
        for (const value of values) {
          const fault = checker.valueFault(['paths', path, method, ...at, type, 'schema'], value)
          expect([operationId, ...at, type, fault]).toEqual([operationId, ...at, type, undefined])
        }
      }
    }
  }
})

test('a month that is sent, billed and acknowledged is answered as the document says', async () => {
  const faults: string[] = []
  const acknowledged = await billOneMonth(weir.url, adminKey, (operationId, answer) => {
    seen.add(`${operationId} ${answer.status}`)
    const operation = operationsOf(document).find(one => one.operationId === operationId)
    const fault = checker.faultOf(operation, answer)
    if (fault !== undefined) faults.push(`${operationId}: ${fault}`)
  })
  expect(faults).toEqual([])
  expect(acknowledged).toBeGreaterThan(0)
})

test('what a source sends, signed, is answered as the document says, and is told of', async () => {
  const [id, at, body] = ['msg_1', new Date(), JSON.stringify({ type: 'ping' })]
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(webhookSecret).sign(id, at, body),
  }
  const taken = await fetch(`${weir.url}/v1/webhooks/billing`, { method: 'POST', headers, body })
  seen.add(`takeWebhook ${taken.status}`)
  expect([taken.status, await taken.json()]).toEqual([200, { arrivals: 1, duplicates: 0 }])
  const authorization = `Bearer ${adminKey}`
  const show = () => fetch(`${weir.url}/v1/sources/billing/arrivals/${id}`, { headers: { authorization } })
  await until(async () => (await show()).status === 200)
  seen.add('getArrival 200')
  expect(await (await show()).json()).toMatchObject({ arrival: { state: 'ignored', code: 'nothing' }, body })
})

test('two systems that disagree are told of, and decided, as the document says', async () => {
  const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' }
  const call: Call = async (operationId, method, path, body) => {
    const answer = await fetch(`${weir.url}${path}`, { method, headers, body: JSON.stringify(body) })
    seen.add(`${operationId} ${answer.status}`)
    return answer.json() as Promise<never>
  }
  await decideConflict(call, weir.url, webhookSecret)
  expect(seen).toContain('resolveOwnerConflict 200')
})

test('a schema is tried, published once, read by its ETag, and what would break it is named', async () => {
  const operations = operationsOf(document)
  const ask = async (operationId: string, path: string, init: RequestInit = {}) => {
    const headers = {
      ...init.headers,
      authorization: `Bearer ${adminKey}`,
      'content-type': 'application/json',
    }
    const answer = await fetch(`${weir.url}${path}`, { ...init, headers })
    const body = await answer.text()
    seen.add(`${operationId} ${answer.status}`)
    const told = { status: answer.status, headers: Object.fromEntries(answer.headers), body }
    const operation = operations.find(one => one.operationId === operationId)
    expect(checker.faultOf(operation, told)).toBeUndefined()
    return { ...told, json: body === '' ? {} : (JSON.parse(body) as Record<string, unknown>) }
  }
  const publish = (schema: object, dry_run = false) => {
    const body = JSON.stringify({ event_type: 'llm.request', schema, dry_run })
    return ask('publishSchema', '/v1/schemas', { method: 'POST', body })
  }
  const schema = { type: 'object', properties: { tokens: { type: 'integer' } } }
  expect((await publish(schema, true)).json).toMatchObject({ version: 1, published: false, breaks: [] })
  expect((await publish(schema)).json).toMatchObject({ version: 1, published: true })
  expect((await publish(schema)).json).toMatchObject({ version: 1, published: false })
  const other = { ...schema, required: ['tokens'] }
  expect(await publish(other)).toMatchObject({
    status: 409,
    json: { code: 'schema_incompatible', errors: [{ pointer: '/data/tokens' }] },
  })
  expect((await publish(other, true)).json).toMatchObject({ version: 2, breaks: [{ pointer: '/tokens' }] })
  const { headers, json } = await ask('getNewestSchema', '/v1/schemas/llm.request')
  expect(json).toMatchObject({ version: 1, schema })
  const etag = String(headers['etag'])
  const cached = await ask('getSchema', '/v1/schemas/llm.request/1', { headers: { 'if-none-match': etag } })
  expect(cached).toMatchObject({ status: 304, body: '' })
  expect((await ask('getSchema', '/v1/schemas/llm.request/1')).json).toEqual(json)
  expect((await ask('getSchema', '/v1/schemas/llm.request/2')).status).toBe(404)
})

test(
  'requests made from the document are answered as it says: no bug, no unnamed status, header or shape',
  async () => {
    const sender = new Sender(weir.url, await keysOf(scopes))
    const requests = fc.sample(requestsOf(document, scopes), { numRuns: count, seed })
    const faults: string[] = []
    let next = 0
    const lane = async () => {
      for (let at = next++; at < requests.length; at = next++) {
        const request = requests[at]!
        const answer = await sender.send(request)
        seen.add(`${request.operation?.operationId} ${answer.status}`)
        const fault = checker.faultOf(request.operation, answer) ?? promiseFault(request, answer)
        if (fault !== undefined) faults.push(`${at} ${told(request)}: ${fault}`)
      }
    }
    await Promise.all(Array.from({ length: lanes }, lane))
    sender.close()
    expect(faults).toEqual([])
  },
  generousMs,
)

test('every operation was seen to succeed, and every one that needs a key to refuse a wrong one', async () => {
  const neverSeen: string[] = []
  for (const { operationId, path, method, responses, security } of operationsOf(document)) {
    const successes = Object.keys(responses).filter(status => status < '300')
    const isSeen = successes.some(status => seen.has(`${operationId} ${status}`))
    if (!isSeen && !needingHeldBatch.has(operationId)) neverSeen.push(operationId)
    if (security.length === 0) continue
    const headers = { authorization: 'Bearer weir_000000000000_wrong' }
    const { status } = await fetch(`${weir.url}${path.replaceAll(/\{\w+\}/g, 'x')}`, { method, headers })
    expect([operationId, status]).toEqual([operationId, 401])
  }
  expect(neverSeen).toEqual([])
})

test('the metrics after all that keep the rules of promtool: help, type, _total, base units, labels', async () => {
  const metrics = await (await fetch(`${weir.url}/metrics`)).text()
  expect(metrics).toContain('weir_gateway_request_seconds_bucket')
  expect(metrics).toContain('weir_partition_running{partition="0"} 1')
  expect(metricFaults(metrics)).toEqual([])
  expect(pageFaults(metricRows(), metrics)).toEqual([])
})

test('canary: a page that tells of metrics otherwise than they are', () => {
  const metrics =
    '# TYPE weir_a gauge\nweir_a{feed="x"} 1\n# TYPE weir_b counter\n# TYPE weir_c gauge\nweir_c 1\n'
  const row = (name: string, type: string, ...labels: string[]) => ({ name, type, labels })
  const page = [row('weir_a', 'gauge', 'partition'), row('weir_b', 'gauge'), row('weir_d', 'gauge')]
  expect(pageFaults(page, metrics)).toEqual([
    'weir_c is not on the page',
    'weir_a has the labels feed, the page says partition',
    'weir_b is a counter, the page says gauge',
    'weir_d is on the page and is not there',
  ])
  const text = '| `weir_a` | gauge | feed, state | says |\n| `weir_b` | counter | | says |\n'
  expect(metricRows(text)).toEqual([row('weir_a', 'gauge', 'feed', 'state'), row('weir_b', 'counter')])
})

test('canary: metrics that break the rules', () => {
  const help = (name: string, type: string) => `# HELP ${name} Text\n# TYPE ${name} ${type}\n`
  expect(metricFaults(help('weir_commits', 'counter'))).toEqual([
    'weir_commits is a counter and does not end in _total',
  ])
  expect(metricFaults(help('weir_parked_total', 'gauge'))).toEqual([
    'weir_parked_total ends in _total and is no counter',
  ])
  expect(metricFaults(help('weir_lag_ms', 'gauge'))).toEqual([
    'weir_lag_ms has the unit ms, which is no base unit',
  ])
  expect(metricFaults(help('weir_commit', 'histogram'))).toEqual(['weir_commit does not end in its unit'])
  expect(metricFaults('# TYPE weir_a gauge\nweir_a 1\n')).toEqual(['weir_a has no help'])
  expect(metricFaults('weir_lost 1\n')).toEqual(['weir_lost has no HELP and TYPE'])
  expect(metricFaults(`${help('weir_a', 'gauge')}weir_a{le="1"} 1\n`)).toEqual(['weir_a has the label le'])
})

/**
 * They need a batch that a rule holds, and a second person: pipeline/approvals/approvals.test.ts has both; and a delivery that
 * waits for another: pipeline/deliveries/deliveries.test.ts.
 */
const needingHeldBatch: ReadonlySet<string> = new Set([
  'getApproval',
  'approve',
  'reject',
  'releaseDelivery',
  'settleDelivery',
])

/** A key for each scope, made with the first key, which is not among the ids that requests revoke. */
async function keysOf(wanted: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const keys = new Map<string, string>()
  for (const scope of wanted) {
    const response = await fetch(`${weir.url}/v1/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: scope, scopes: [scope] }),
    })
    keys.set(scope, ((await response.json()) as { token: string }).token)
  }
  return keys
}

/** What the document promises of this request beside shapes: who is let in, and that what is sound is taken. */
function promiseFault(request: SeededRequest, { status, body }: HttpAnswer): string | undefined {
  const { operation, caller, isSound, json, contentType } = request
  if (operation === undefined) return undefined
  const needed = scopesNeeded(operation)
  const isOptional = operation.security.some(one => Object.keys(one).length === 0)
  if (needed !== undefined) {
    const isLetIn = caller.kind === 'own' && (caller.scope === 'admin' || needed.includes(caller.scope))
    if (caller.kind === 'wrong' && status !== 401) return `${status} with a wrong key`
    if (caller.kind === 'nobody' && !isOptional && status !== 401) return `${status} without a key`
    if (caller.kind === 'own' && !isLetIn)
      return status === 403 ? undefined : `${status} with the scope ${caller.scope}`
    if (isLetIn && (status === 401 || status === 403)) return `${status} with the scope ${caller.scope}`
    if (!isLetIn) return undefined
  }
  const ofShape = [400, 405, 408, 413, 414, 415, 431]
  if (isSound && ofShape.includes(status) && !isBeyondShapes(operation, body))
    return `a sound request is refused: ${body}`
  const isEvents = operation.path.endsWith('/events') // a malformed event is refused alone, in a 202
  if (isSound || isEvents || json === undefined || contentType === undefined || status >= 400)
    return undefined
  return checker.takes(operation, contentType, json)
    ? undefined
    : `${status} for a body that the document refuses`
}

/** What no schema says: which types of events need a subject, that a key ends in the future, where a list goes on. */
function isBeyondShapes({ path }: PlacedOperation, body: string): boolean {
  const words = [
    'not in the future',
    'invalid_cursor',
    'is no cursor of this list',
    'unknown_group',
    'There is no group rule',
    'redrives dead letters alone',
    'A step is an object with',
    'minutes in the future',
    'JSON Schema 2020-12',
    'Types beginning with weir.',
  ]
  return path === '/api/v1/events' ? body.includes('malformed_events') : words.some(one => body.includes(one))
}

function told({ method, path, headers, body, caller }: SeededRequest): string {
  const target = path.map(part => (part.kind === 'text' ? part.text : `{${part.name}}`)).join('')
  const sent = body === undefined ? '' : ` ${Buffer.from(body).toString().slice(0, 200)}`
  return `${method} ${target.slice(0, 100)} ${JSON.stringify(caller)} ${JSON.stringify(headers).slice(0, 200)}${sent}`
}
