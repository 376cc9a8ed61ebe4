// Requests made from an OpenAPI document: sound ones, as a client would send them, and odd ones, which break the document
// in one place: the body, a parameter, a header, the key, the path or the method.

import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { Json, Media, OpenApi, Parameter, PlacedOperation } from './document.js'
import { operationsOf } from './document.js'
import { damaged, valuesOf } from './values.js'

/** `own`: a key with that scope alone. */
export type Caller =
  | { readonly kind: 'own'; readonly scope: string }
  | { readonly kind: 'nobody' }
  | { readonly kind: 'wrong'; readonly authorization: string }

/** A part of a path: text, or an id that an earlier answer has shown (`pick` chooses which). */
export type PathPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'seen'; readonly name: string; readonly pick: number; readonly otherwise: string }

export interface SeededRequest {
  /** Undefined: there is no such path or method. */
  readonly operation: PlacedOperation | undefined
  readonly method: string
  readonly path: readonly PathPart[]
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | undefined
  /** The body before it was written as JSON; undefined when it is none. */
  readonly json: unknown
  readonly contentType: string | undefined
  readonly caller: Caller
  /** All of it is as the document says. */
  readonly isSound: boolean
}

export function requestsOf(document: OpenApi, scopes: readonly string[]): fc.Arbitrary<SeededRequest> {
  const sound = operationsOf(document).map(operation => ({
    weight: isLongWork(operation) ? 1 : 50,
    arbitrary: soundRequest(document, operation),
  }))
  const requests = fc.oneof(...sound)
  return fc.oneof(
    { weight: 5, arbitrary: requests },
    { weight: 3, arbitrary: requests.chain(damagedBody) },
    { weight: 2, arbitrary: fc.tuple(requests, oddHeaders).map(withHeaders) },
    { weight: 2, arbitrary: fc.tuple(requests, callersOf(scopes)).map(withCaller) },
    { weight: 1, arbitrary: fc.tuple(requests, oddPaths).map(withPath) },
    { weight: 1, arbitrary: fc.tuple(requests, oddQueries).map(withQuery) },
  )
}

/** Reconciliation waits until everything is still, which it is not here; a replay and what is owed take a copy of the state. */
const longWork = ['reconciliation', 'replays', 'catalog-diffs', 'owed-charges', 'rebuilds']

function isLongWork({ path }: PlacedOperation): boolean {
  return longWork.some(name => path === `/v1/${name}`)
}

function soundRequest(document: OpenApi, operation: PlacedOperation): fc.Arbitrary<SeededRequest> {
  const parameters = operation.parameters ?? []
  const inPath = parameters.filter(one => one.in === 'path')
  const path = fc.tuple(...inPath.map(one => pathPart(document, one)))
  const query = parametersIn('query', document, parameters)
  const headers = parametersIn('header', document, parameters)
  return fc.tuple(path, query, headers, bodyOf(document, operation)).map(([parts, asked, named, body]) => ({
    operation,
    method: operation.method.toUpperCase(),
    path: [...filled(operation.path, inPath, parts), ...queryPart(asked)],
    headers: { ...encodedHeaders(named), ...body.headers },
    body: body.bytes,
    json: body.json,
    contentType: body.contentType,
    caller: { kind: 'own', scope: 'admin' },
    isSound: true,
  }))
}

function pathPart(document: OpenApi, { name, schema }: Parameter): fc.Arbitrary<PathPart> {
  const texts = valuesOf(document, schema).map(String)
  const unknown = texts.map((text): PathPart => ({ kind: 'text', text: encodeURIComponent(text) || '-' }))
  const seen = fc
    .tuple(fc.nat(), texts)
    .map(
      ([pick, text]): PathPart => ({ kind: 'seen', name, pick, otherwise: encodeURIComponent(text) || '-' }),
    )
  return fc.oneof({ weight: 1, arbitrary: unknown }, { weight: 3, arbitrary: seen })
}

function filled(path: string, parameters: readonly Parameter[], parts: readonly PathPart[]): PathPart[] {
  return path.split(/(\{\w+\})/).map(piece => {
    const at = parameters.findIndex(({ name }) => piece === `{${name}}`)
    return parts[at] ?? { kind: 'text', text: piece }
  })
}

function parametersIn(
  place: 'query' | 'header',
  document: OpenApi,
  parameters: readonly Parameter[],
): fc.Arbitrary<Record<string, unknown>> {
  const own = parameters.filter(one => one.in === place)
  const values = Object.fromEntries(own.map(({ name, schema }) => [name, valuesOf(document, schema)]))
  const requiredKeys = own.filter(one => one.required).map(one => one.name) as never[]
  const needed = Object.fromEntries(requiredKeys.map(name => [name, values[name]!]))
  // A client sends optional parameters seldom, and then one or two of them.
  const some = fc.record<Record<string, unknown>>(values, { requiredKeys, noNullPrototype: true })
  return fc.oneof({ weight: 3, arbitrary: fc.record(needed) }, { weight: 1, arbitrary: some })
}

function queryPart(asked: Readonly<Record<string, unknown>>): PathPart[] {
  const text = new URLSearchParams(
    Object.entries(asked).flatMap(([name, value]) =>
      [value].flat().map((one): [string, string] => [name, String(one)]),
    ),
  )
  return text.size === 0 ? [] : [{ kind: 'text', text: `?${text}` }]
}

/** CloudEvents' rule for text in headers, which also keeps other values printable. */
function encodedHeaders(named: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(named).map(([name, value]) => [name, encodeURIComponent(String(value)).slice(0, 255)]),
  )
}

interface Body {
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Uint8Array | undefined
  readonly json: unknown
  readonly contentType: string | undefined
}

function bodyOf(document: OpenApi, { requestBody }: PlacedOperation): fc.Arbitrary<Body> {
  const none: Body = { headers: {}, bytes: undefined, json: undefined, contentType: undefined }
  if (requestBody === undefined) return fc.constant(none)
  const bodies = Object.entries(requestBody.content).flatMap(([contentType, media]) =>
    media.example === undefined ? [] : [bodyOfType(document, contentType, media)],
  )
  return requestBody.required ? fc.oneof(...bodies) : fc.oneof(...bodies, fc.constant(none))
}

function bodyOfType(document: OpenApi, contentType: string, media: Media): fc.Arbitrary<Body> {
  const isJson = contentType.endsWith('json') && media.schema['type'] !== 'string'
  const values = isJson
    ? fc.oneof({ weight: 5, arbitrary: valuesOf(document, media.schema) }, fc.constant(media.example))
    : fc.constant(media.example)
  return fc.tuple(values, fc.boolean()).map(([value, isCompressed]) => {
    const text = Buffer.from(isJson ? JSON.stringify(value) : String(value))
    const coding = isCompressed ? { 'content-encoding': 'gzip' } : {}
    return {
      headers: { 'content-type': contentType, ...coding },
      bytes: isCompressed ? gzipSync(text) : text,
      json: isJson ? value : undefined,
      contentType,
    }
  })
}

/** Odd bodies: damaged JSON values, texts that are no JSON, and bytes. */
function damagedBody(request: SeededRequest): fc.Arbitrary<SeededRequest> {
  const { 'content-encoding': _none, ...headers } = request.headers
  const type = { 'content-type': request.contentType ?? 'application/json' }
  const asJson = damaged(request.json ?? {}).map((json): SeededRequest => {
    const body = Buffer.from(JSON.stringify(json) ?? '')
    return { ...request, headers: { ...headers, ...type }, body, json, isSound: false }
  })
  const bytes = fc.oneof(
    fc.constantFrom(
      '{',
      '[',
      'nul',
      '{"a":1}{"a":2}',
      '\ufeff{}',
      '[{}]',
      '{"__proto__":{"x":1}}',
      '"',
      '\n\n',
      '1'.repeat(400),
    ),
    fc.constantFrom('['.repeat(5_000), '{"a":'.repeat(2_000), 'x'.repeat(70_000)),
    fc.string({ unit: 'binary', maxLength: 40 }),
  )
  const asText = fc
    .oneof(
      bytes.map(text => Buffer.from(text)),
      fc.uint8Array({ maxLength: 200 }),
    )
    .map(
      (body): SeededRequest => ({
        ...request,
        headers: { ...headers, ...type },
        body,
        json: undefined,
        isSound: false,
      }),
    )
  return fc.oneof({ weight: 3, arbitrary: asJson }, { weight: 1, arbitrary: asText })
}

const oddHeaders: fc.Arbitrary<Readonly<Record<string, string>>> = fc.constantFrom<Record<string, string>>(
  { 'content-type': 'text/yaml' },
  { 'content-type': 'garbage' },
  { 'content-type': '' },
  { 'content-type': 'application/json; charset=utf-16' },
  { 'content-type': 'application/json; charset="utf-8"; boundary=x' },
  { 'content-type': 'APPLICATION/JSON' },
  { 'content-type': 'application/vnd.apache.arrow.stream' },
  { 'content-type': 'multipart/form-data' },
  { 'content-encoding': 'gzip' },
  { 'content-encoding': 'br' },
  { 'content-encoding': 'gzip, br' },
  { 'content-encoding': 'none-such' },
  { accept: 'image/png' },
  { accept: ';;;' },
  { 'accept-encoding': 'identity;q=0' },
  { 'idempotency-key': 'k'.repeat(300) },
  { 'idempotency-key': '' },
  { 'idempotency-key': 'the-same-key' },
  { 'ce-id': 'a' },
  { 'ce-id': '%ff', 'ce-specversion': '1.0' },
  { 'ce-specversion': '1.0', 'ce-id': 'h', 'ce-source': 's', 'ce-type': 't', 'ce-subject': 'acme' },
  { origin: 'https://evil.example' },
  { host: 'evil.example' },
  { 'x-forwarded-for': '10.0.0.1' },
  { forwarded: 'for=10.0.0.1' },
  { upgrade: 'websocket', connection: 'Upgrade' },
  { range: 'bytes=0-1' },
  { 'if-none-match': '*' },
  { 'x-http-method-override': 'DELETE' },
  { cookie: '='.repeat(200) },
  { traceparent: 'junk' },
  { __proto__x: 'x', constructor: 'x' },
  { 'x-large': 'x'.repeat(20_000) },
)

function withHeaders([request, odd]: [SeededRequest, Readonly<Record<string, string>>]): SeededRequest {
  return { ...request, headers: { ...request.headers, ...odd }, isSound: false }
}

function callersOf(scopes: readonly string[]): fc.Arbitrary<Caller> {
  const wrong = fc.constantFrom(
    ...[
      'Bearer',
      'Bearer weir_000000000000_nothing',
      'Basic YTpi',
      'weir',
      'Bearer  a b',
      '\u00ff',
      'Bearer ../x',
    ],
  )
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...scopes).map((scope): Caller => ({ kind: 'own', scope })) },
    { weight: 1, arbitrary: fc.constant<Caller>({ kind: 'nobody' }) },
    { weight: 1, arbitrary: wrong.map((authorization): Caller => ({ kind: 'wrong', authorization })) },
  )
}

/** The key is none of the document's shapes, so the request stays as sound as it was. */
function withCaller([request, caller]: [SeededRequest, Caller]): SeededRequest {
  return { ...request, caller }
}

const oddPaths = fc.constantFrom(
  ...[
    '/',
    '//',
    '/v1',
    '/v1/',
    '/v2/events',
    '/V1/EVENTS',
    '/v1/events/x',
    '/v1/keys/%ff',
    '/v1/keys/%00/rotate',
    '/%2e%2e/x',
  ],
  ...[
    '/v1/events;x=1',
    '/v1/events%20',
    '/openapi.yaml',
    '/__proto__',
    '/constructor',
    '/*',
    `/v1/keys/${'k'.repeat(600)}`,
  ],
  ...[
    '/v1/billing-runs//batches',
    '/v1/billing-runs/../keys',
    '/favicon.ico',
    '/api/v1/meters',
    `/${'p/'.repeat(2_000)}`,
  ],
)

function withPath([request, text]: [SeededRequest, string]): SeededRequest {
  return { ...request, operation: undefined, path: [{ kind: 'text', text }], isSound: false }
}

const oddQueries = fc.constantFrom(
  ...[
    '?',
    '?after=',
    '?after=%ff',
    '?after[]=1',
    '?after=1&after=2',
    '?__proto__=1',
    '?constructor[a]=1',
    '?=&&=',
    '?a=%zz',
  ],
  ...[
    `?after=${'a'.repeat(300)}`,
    `?x=${'y'.repeat(9_000)}`,
    '?after=%00',
    '??',
    '?after=\u0001'.replace('\u0001', '%01'),
  ],
)

function withQuery([request, text]: [SeededRequest, string]): SeededRequest {
  const path = request.path.filter(part => part.kind !== 'text' || !part.text.startsWith('?'))
  return { ...request, path: [...path, { kind: 'text', text }], isSound: false }
}

/** The scopes of which one is enough, as the document says; undefined: no key is needed at all. */
export function scopesNeeded({ security }: PlacedOperation): readonly string[] | undefined {
  return security.length === 0
    ? undefined
    : security.flatMap((one: Json) => (one['apiKey'] ?? []) as string[])
}
