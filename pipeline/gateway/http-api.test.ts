// The HTTP API as a whole: refusals, routes, and the OpenAPI document that describes them.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseInstant } from '../../schemas/time.js'
import { batchesCommand } from '../billing/billing-run-command.js'
import { type BillingApi, type BillingRunRequest, billingRunRoutes } from '../billing/routes.js'
import { reconciliationRoute } from '../reconcile/routes.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { type Broker, post, type Served, serve, startBroker } from '../testing/gateway-fixture.js'

let broker: Broker
let served: Served
let bare: Served
const requests: BillingRunRequest[] = []

const run = { billing_run_id: 'br_1', cutoff: '2026-02-01T00:00:00Z', entity_id: null, status: 'sealing' }

const billing: BillingApi = {
  async create(request) {
    requests.push(request)
    if (request.entityId === 'none')
      return { kind: 'refused', code: 'unknown_entity', detail: 'No such entity.' }
    if (request.idempotencyKey === 'used')
      return { kind: 'refused', code: 'idempotency_key_reused', detail: 'Another request had this key.' }
    const created =
      requests.filter(({ idempotencyKey }) => idempotencyKey === request.idempotencyKey).length < 2
    return { kind: 'ok', value: { run, created } }
  },
  async get(id) {
    if (id === 'bug') throw new Error('secret of the implementation')
    return id === 'br_1'
      ? { kind: 'ok', value: run }
      : { kind: 'refused', code: 'not_found', detail: `There is no run ${id}.` }
  },
  list: async () => [run],
  async batches(id, after) {
    if (id === 'br_old') return { kind: 'refused', code: 'preview_expired', detail: 'It was kept for a day.' }
    const batches = [{ batch_id: `${id}-after-${after ?? 'start'}` }]
    return { kind: 'ok', value: { batches, next_after: null, held: null, held_batches: [] } }
  },
  ack: async (_id, batchId) => ({ kind: 'ok', value: { batch_id: batchId, acknowledged: true } }),
}

beforeAll(async () => {
  broker = await startBroker(1)
  served = await serve(broker, 1, {
    routes: [...billingRunRoutes(billing), reconciliationRoute(async () => ({ ok: false }))],
  })
  bare = await serve(broker, 1)
})

afterAll(async () => {
  await served?.gateway.close()
  await bare?.gateway.close()
  await broker?.close()
})

async function problemOf(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const problem = (await response.json()) as Record<string, unknown>
  expect(problem).toMatchObject({
    status: response.status,
    title: expect.any(String),
    detail: expect.any(String),
  })
  expect(problem['type']).toBe(`urn:weir:problem:${problem['code']}`)
  return problem
}

test('an unknown path is 404 and a known one with another method 405 with what is allowed', async () => {
  expect(await problemOf(await fetch(`${served.url}/nothing`))).toMatchObject({
    status: 404,
    code: 'not_found',
  })
  expect(await problemOf(await fetch(`${served.url}/%ff`))).toMatchObject({ status: 400 })
  const wrong = await fetch(`${served.url}/v1/events`, { method: 'DELETE' })
  expect(wrong.headers.get('allow')).toBe('POST')
  expect(await problemOf(wrong)).toMatchObject({ status: 405, code: 'method_not_allowed' })
  const both = await fetch(`${served.url}/v1/billing-runs?x=1`, { method: 'PUT' })
  expect(both.headers.get('allow')).toBe('POST, GET, HEAD')
})

test('a billing run is created once per request; the idempotency key is handed on', async () => {
  const body = { cutoff: '2026-02-01T01:00:00+01:00', entity_id: 'eu' }
  const first = await post(`${served.url}/v1/billing-runs`, body, { 'idempotency-key': 'k1' })
  const again = await post(`${served.url}/v1/billing-runs`, body, { 'idempotency-key': 'k1' })
  expect([first.status, again.status]).toEqual([201, 200])
  expect(first.headers.get('location')).toBe('/v1/billing-runs/br_1')
  expect(await first.json()).toEqual(run)
  expect(requests[0]).toEqual({ cutoffNs: parseInstant(run.cutoff), entityId: 'eu', idempotencyKey: 'k1' })
})

test('a preview is asked for as such', async () => {
  await post(`${served.url}/v1/billing-runs`, { cutoff: run.cutoff, preview: true })
  expect(requests.at(-1)).toMatchObject({ preview: true })
  await post(`${served.url}/v1/billing-runs`, { cutoff: run.cutoff, preview: false })
  expect(requests.at(-1)).toMatchObject({ preview: false })
})

test('a billing run that cannot be is refused with code and pointer', async () => {
  const create = (body: unknown, headers = {}) => post(`${served.url}/v1/billing-runs`, body, headers)
  const errors = async (body: unknown) => (await problemOf(await create(body)))['errors']
  expect(await errors({})).toMatchObject([{ pointer: '/cutoff' }])
  expect(await errors({ cutoff: 'tomorrow' })).toMatchObject([{ pointer: '/cutoff' }])
  expect(await errors({ cutoff: run.cutoff, 'enti/ty': 1 })).toMatchObject([{ pointer: '/enti~1ty' }])
  expect(await errors('[')).toMatchObject([{ code: 'malformed_json' }])
  expect(await errors({ cutoff: run.cutoff, preview: 'yes' })).toMatchObject([{ pointer: '/preview' }])
  const unknown = await create({ cutoff: run.cutoff, entity_id: 'none' })
  expect(await problemOf(unknown)).toMatchObject({ status: 404, code: 'unknown_entity' })
  const conflict = await create({ cutoff: run.cutoff }, { 'idempotency-key': 'used' })
  expect(await problemOf(conflict)).toMatchObject({ status: 409, code: 'idempotency_key_reused' })
  const keyless = await create({ cutoff: run.cutoff }, { 'idempotency-key': '' })
  expect((await problemOf(keyless))['status']).toBe(400)
  expect((await problemOf(await create('x'.repeat(70_000))))['status']).toBe(413)
  expect((await problemOf(await create('a: 1', { 'content-type': 'text/yaml' })))['status']).toBe(415)
})

test('runs and batches are read, paged and acknowledged', async () => {
  const get = async (path: string) => (await fetch(`${served.url}/v1/billing-runs${path}`)).json()
  expect(await get('')).toEqual({ billing_runs: [run] })
  expect(await get('/br_1')).toEqual(run)
  expect(await get('/br_1/batches')).toMatchObject({ batches: [{ batch_id: 'br_1-after-start' }] })
  expect(await get('/br_1/batches?after=bb_7')).toMatchObject({ batches: [{ batch_id: 'br_1-after-bb_7' }] })
  expect((await problemOf(await fetch(`${served.url}/v1/billing-runs/br_2`)))['status']).toBe(404)
  const twice = await fetch(`${served.url}/v1/billing-runs/br_1/batches?after=a&after=b`)
  expect((await problemOf(twice))['errors']).toMatchObject([{ pointer: '?after' }])
  const headers = { 'content-type': 'of no body' }
  const ack = await fetch(`${served.url}/v1/billing-runs/br_1/batches/bb_7/ack`, { method: 'POST', headers })
  expect(await ack.json()).toEqual({ batch_id: 'bb_7', acknowledged: true })
})

test('batches that are gone are 410 with a code, in the OpenAPI document too, and the command line says so', async () => {
  const problem = await problemOf(await fetch(`${served.url}/v1/billing-runs/br_old/batches`))
  expect(problem).toMatchObject({ status: 410, title: 'Gone', code: 'preview_expired' })
  const document = (await (await fetch(`${served.url}/openapi.json`)).json()) as OpenApi
  const { responses } = document.paths['/v1/billing-runs/{id}/batches']!['get']!
  expect(responses['410']!.description).toContain('`preview_expired`')
  expect(responses['410']!.content).toHaveProperty(['application/problem+json'])
  const said: string[] = []
  const write = (text: string) => said.push(text)
  const gateway = { url: served.url, apiKey: undefined }
  const io = { stdout: { write: () => expect.unreachable() }, stderr: { write } } as unknown as CliIo
  expect(await batchesCommand({ gateway, id: 'br_old', json: true }, io)).toBe(exitCodes.failed)
  expect(said).toEqual(['410 preview_expired: It was kept for a day.\n'])
})

test('a bug is 500 and says nothing of its cause', async () => {
  const problem = await problemOf(await fetch(`${served.url}/v1/billing-runs/bug`))
  expect(problem).toMatchObject({ status: 500, code: 'internal_error' })
  expect(JSON.stringify(problem)).not.toContain('secret')
})

test('what nobody implements is not there', async () => {
  expect((await fetch(`${bare.url}/v1/billing-runs`)).status).toBe(404)
  expect((await fetch(`${bare.url}/v1/reconciliation`)).status).toBe(404)
  const paths = Object.keys(((await (await fetch(`${bare.url}/openapi.json`)).json()) as OpenApi).paths)
  expect(paths.some(path => path.includes('billing'))).toBe(false)
})

interface OpenApi {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string }
  readonly paths: Record<string, Record<string, OpenApiOperation>>
  readonly components: { readonly schemas: Record<string, unknown> }
}
interface OpenApiOperation {
  readonly operationId: string
  readonly parameters?: readonly { name: string; in: string; required: boolean; schema: object }[]
  readonly requestBody?: { readonly content: Record<string, { schema: object }> }
  readonly responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>
}

test('the OpenAPI document is whole and holds every route, and every route is served', async () => {
  const document = (await (await fetch(`${served.url}/openapi.json`)).json()) as OpenApi
  expect(document.openapi).toBe('3.1.0')
  expect(document.info.version).toBe('0.0.0-test')
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  expect(operations.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
    'get /livez',
    'get /metrics',
    'get /openapi.json',
    'get /readyz',
    'get /v1/billing-runs',
    'get /v1/billing-runs/{id}',
    'get /v1/billing-runs/{id}/batches',
    'get /v1/reconciliation',
    'get /version',
    'post /api/v1/events',
    'post /v1/billing-runs',
    'post /v1/billing-runs/{id}/batches/{batch_id}/ack',
    'post /v1/events',
  ])
  expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length)
  for (const { path, method, operation } of operations) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(match => match[1])
    const inPath = (operation.parameters ?? []).filter(parameter => parameter.in === 'path')
    expect(inPath.map(({ name }) => name)).toEqual(named)
    expect(inPath.every(({ required }) => required)).toBe(true)
    for (const { description } of Object.values(operation.responses)) expect(description).not.toBe('')
    expect(operation.responses['500']!.content).toHaveProperty(['application/problem+json'])
    const response = await fetch(`${served.url}${path.replaceAll(/\{\w+\}/g, 'br_1')}`, { method })
    expect(response.status, path).not.toBe(405)
    await response.body?.cancel()
  }
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(match => match[1]!)
  expect(references.length).toBeGreaterThan(5)
  for (const reference of references) {
    const name = /^#\/components\/schemas\/(\w+)$/.exec(reference)?.[1]
    expect(document.components.schemas, reference).toHaveProperty(name!)
  }
  expect(Object.keys(document.paths['/v1/events']!['post']!.requestBody!.content)).toHaveLength(6)
})

test('metrics are in the Prometheus text format and name the routes that were asked', async () => {
  const response = await fetch(`${served.url}/metrics`)
  expect(response.headers.get('content-type')).toContain('text/plain')
  const text = await response.text()
  expect(text).toContain('route="/v1/billing-runs/:id"')
  expect(text).toContain('route="none"')
})
