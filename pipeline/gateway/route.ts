// A route of the HTTP API: one value that the server registers and the OpenAPI document describes, so that
// the two always agree. Handlers do not use Fastify.

import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { z } from 'zod'
import { jsonType } from '../../schemas/event/media-types.js'
import { decodeUtf8, parseJson } from '../../schemas/json/json-text.js'
import { invalidRequest, malformedBody, Problem } from './problem.js'
import { readBody } from './read-body.js'
import type { Caller, Scope } from './scopes.js'

/**
 * Who may call: anyone, or a key with one of the scopes. `scope_or_loopback` also lets a caller on this
 * machine in without a key.
 */
export type Access =
  | { readonly kind: 'anyone' }
  | { readonly kind: 'scope'; readonly anyOf: readonly [Scope, ...Scope[]] }
  | { readonly kind: 'scope_or_loopback'; readonly anyOf: readonly [Scope, ...Scope[]] }

export function needs(...anyOf: [Scope, ...Scope[]]): Access {
  return { kind: 'scope', anyOf }
}

export interface ApiCall {
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, unknown>>
  readonly headers: IncomingHttpHeaders
  /** The request's body, unread. */
  readonly body: Readable
  /** Routes that are open to anyone show more to a caller with the scope `read`. */
  readonly caller: Caller
}

export interface ApiReply {
  readonly status: number
  /** An object is sent as JSON, a string unchanged; absent: no body. */
  readonly body?: unknown
  /** Default `application/json`. */
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface ApiResponseDoc {
  readonly description: string
  readonly schema?: z.ZodType
  /** Default `application/json`, when there is a schema. */
  readonly contentType?: string
}

export interface ApiBodyDoc {
  readonly contentTypes: readonly string[]
  readonly schema: z.ZodType
  /** A binary form of the body, which no schema describes. */
  readonly binary?: { readonly contentType: string; readonly description: string }
}

export interface ApiRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** OpenAPI form: `/v1/billing-runs/{id}`. */
  readonly path: string
  readonly access: Access
  /** Unique; camelCase. */
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  /** Headers that the document names; they are not checked. */
  readonly headers?: z.ZodObject
  readonly body?: ApiBodyDoc
  /** By status. A `default` with a problem is added for all. */
  readonly responses: Readonly<Record<number, ApiResponseDoc>>
  handle(call: ApiCall): Promise<ApiReply>
}

/** Bytes of a body on a route other than the event routes. */
const maxControlBodyBytes = 64 * 1024
const controlBodyTimeoutMs = 10_000

/** Reads a small JSON body and checks it against the schema; an empty body counts as `{}`. */
export async function readJson<T extends z.ZodType>(call: ApiCall, schema: T): Promise<z.output<T>> {
  const type = call.headers['content-type']
  if (type !== undefined && !/^application\/(?:[\w.-]+\+)?json\b/i.test(type)) {
    throw new Problem('unsupported_content_type', 'The body is application/json.', {
      headers: { accept: jsonType },
    })
  }
  const bytes = await readBody(call.body, call.headers, {
    maxBytes: maxControlBodyBytes,
    timeoutMs: controlBodyTimeoutMs,
    idleMs: controlBodyTimeoutMs,
    retryAfterSeconds: 1,
  })
  const text = decodeUtf8(bytes)
  if (text === undefined) throw malformedBody('it is not UTF-8')
  const json = parseJson(text === '' ? '{}' : text)
  if (json.kind === 'malformed') throw malformedBody(json.detail)
  const parsed = schema.safeParse(json.value)
  if (!parsed.success) throw invalidRequest(parsed.error)
  return parsed.data
}

/** Checks the query parameters against the schema. */
export function readQuery<T extends z.ZodObject>(call: ApiCall, schema: T): z.output<T> {
  const parsed = schema.safeParse(call.query)
  if (!parsed.success) throw invalidRequest(parsed.error, '?')
  return parsed.data
}
