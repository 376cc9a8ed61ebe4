// A route of the HTTP API: one value that the server registers and the OpenAPI document describes, so that
// the two always agree. Handlers do not use Fastify.

import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { z } from 'zod'
import { jsonType } from '../../schemas/event/media-types.js'
import { decodeUtf8, parseJson } from '../../schemas/json/json-text.js'
import { invalidRequest, malformedBody, Problem } from './problem.js'
import type { ProblemCode } from './problem-codes.js'
import { readBody } from './read-body.js'
import type { Caller, Scope } from './scopes.js'

/**
 * Who may call: anyone, or a key with one of the scopes. `scope_or_loopback` also lets a caller on this
 * machine in without a key. With `basic` the key may also be the user name of basic authentication.
 */
export type Access =
  | { readonly kind: 'anyone' }
  | { readonly kind: 'scope'; readonly anyOf: readonly [Scope, ...Scope[]]; readonly basic?: true }
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
  /** Of the peer: behind a proxy that of the proxy. */
  readonly address?: string
}

export interface ApiReply {
  readonly status: number
  /** An object is sent as JSON, a string and bytes unchanged; absent: no body. */
  readonly body?: unknown
  /** Default `application/json`. */
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A group of operations in the document. */
export interface ApiTag {
  readonly name: string
  readonly description: string
}

export interface ApiContentDoc {
  readonly schema: z.ZodType
  /** As it may look: the schema takes it. Absent: it is binary. */
  readonly example?: unknown
}

export interface ApiResponseDoc {
  readonly description: string
  /** Absent: the answer has no body. */
  readonly schema?: z.ZodType
  /** With every schema: an answer as it may look. */
  readonly example?: unknown
  /** Default `application/json`, when there is a schema. */
  readonly contentType?: string
  /** Headers of the answer by name in lower case, and what each says. */
  readonly headers?: Readonly<Record<string, string>>
}

export interface ApiBodyDoc {
  /** False: no body is the same as `{}`. */
  readonly required: boolean
  readonly content: Readonly<Record<string, ApiContentDoc>>
}

/** How a route tells its refusals where its clients are those of another system, which know no problems. */
export interface RefusalShape {
  readonly schema: z.ZodType
  readonly example: unknown
  /** The headers that it adds, by name in lower case, and what each says. */
  readonly headers?: Readonly<Record<string, string>>
  answer(problem: Problem): ApiReply
}

/** The acts that a route records before it does them, or why it records none. */
export type RouteAudits = readonly [string, ...string[]] | { readonly exempt: string }

/** A route that changes something says what it records of it (audit-trail.ts), so that none can forget. */
export type ApiRoute = RouteFacts &
  ({ readonly method: 'GET' } | { readonly method: 'POST' | 'PUT' | 'DELETE'; readonly audits: RouteAudits })

interface RouteFacts {
  /** OpenAPI form: `/v1/billing-runs/{id}`. */
  readonly path: string
  readonly access: Access
  /** Unique; camelCase. */
  readonly operationId: string
  readonly tag: ApiTag
  /** A few words. */
  readonly summary: string
  /** Sentences: what a caller must know beyond the shapes. */
  readonly description: string
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  /** Headers that the document names; they are not checked. */
  readonly headers?: z.ZodObject
  readonly body?: ApiBodyDoc
  /** The answers that are no refusals, by status. */
  readonly responses: Readonly<Record<number, ApiResponseDoc>>
  /** The codes of its own that it refuses with; route-problems.ts adds those of every route of its kind. */
  readonly problems?: readonly ProblemCode[]
  /** Further members of its refusals, by status. */
  readonly problemMembers?: Readonly<Record<number, z.ZodObject>>
  /** Absent: its refusals are problems. */
  readonly refusals?: RefusalShape
  /**
   * Two routes may have one path and method, if all but one of them tell which requests are theirs. Such a route is not in
   * the document. It may look at the first bytes of the body (first-bytes.ts).
   */
  readonly claims?: (call: ApiCall) => Promise<boolean>
  /** True: it answers while Weir is shutting down. */
  readonly isAlwaysOpen?: true
  handle(call: ApiCall): Promise<ApiReply>
}

/** Bytes of a body on a route other than the event routes. */
const maxControlBodyBytes = 64 * 1024
const controlBodyTimeoutMs = 10_000

/** The body of a route that reads it with `readJson`. */
export function jsonBody(schema: z.ZodType, example: unknown): ApiBodyDoc {
  return { required: !schema.safeParse({}).success, content: { [jsonType]: { schema, example } } }
}

/** Reads a small JSON body and checks it against the schema; an empty body counts as `{}`. */
export async function readJson<T extends z.ZodType>(
  call: ApiCall,
  schema: T,
  maxBytes = maxControlBodyBytes,
): Promise<z.output<T>> {
  const type = call.headers['content-type']
  if (type !== undefined && !/^application\/(?:[\w.-]+\+)?json\b/i.test(type)) {
    throw new Problem('unsupported_content_type', 'The body is application/json.', {
      headers: { accept: jsonType },
    })
  }
  const bytes = await readBody(call.body, call.headers, {
    maxBytes,
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
