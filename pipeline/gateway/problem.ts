// How the API refuses: application/problem+json (RFC 9457) on every route, 404 and 405 included.
// The codes and what they mean are in problem-codes.ts; the status follows from the code.
// Invariant: no answer shows the message or stack of a bug.

import { z } from 'zod'
import { issueWords } from '../../schemas/issue-words.js'
import { pointerTo } from '../../schemas/rejection.js'
import { meaningOf, type ProblemCode } from './problem-codes.js'

export const problemErrorSchema = z.object({
  pointer: z.string().describe('JSON pointer (RFC 6901) into the body, or `?name` for a query parameter'),
  code: z.string(),
  detail: z.string(),
})

export const problemSchema = z
  .looseObject({
    type: z.string().describe('urn:weir:problem:<code>'),
    title: z.string(),
    status: z.int(),
    code: z.string().describe('Stable; switch on this'),
    detail: z.string(),
    errors: z.array(problemErrorSchema).optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details' })

export type ProblemError = z.infer<typeof problemErrorSchema>
export type ProblemBody = z.infer<typeof problemSchema>

export interface ProblemOptions {
  readonly errors?: readonly ProblemError[]
  readonly headers?: Readonly<Record<string, string>>
  /** Further members of the body. */
  readonly extra?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/** A handler throws this to refuse a request; the server turns it into the response. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly status: number
  readonly code: ProblemCode
  readonly headers: Readonly<Record<string, string>>
  readonly #options: ProblemOptions

  constructor(code: ProblemCode, detail: string, options: ProblemOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.status = meaningOf(code).status
    this.code = code
    this.headers = options.headers ?? {}
    this.#options = options
  }

  body(): ProblemBody {
    const { errors, extra } = this.#options
    return {
      type: `urn:weir:problem:${this.code}`,
      title: titleOf(this.status),
      status: this.status,
      code: this.code,
      detail: this.message,
      ...(errors === undefined ? {} : { errors: [...errors] }),
      ...extra,
    }
  }
}

/** A temporary refusal: a later attempt may succeed. `Retry-After` is in whole seconds, at least one. */
export function unavailable(
  code: ProblemCode,
  detail: string,
  retryAfterSeconds: number,
  extra?: Readonly<Record<string, unknown>>,
): Problem {
  const seconds = String(Math.max(1, Math.ceil(retryAfterSeconds)))
  return new Problem(code, detail, {
    headers: { 'retry-after': seconds },
    ...(extra === undefined ? {} : { extra }),
  })
}

/** A `Problem` for a value that a zod schema refused. `root` is put before each pointer (`?` for a query). */
export function invalidRequest(error: z.ZodError, root: '' | '?' = ''): Problem {
  const errors = error.issues.flatMap(issue => {
    const names = issue.code === 'unrecognized_keys' ? issue.keys : [undefined]
    return names.map(name => ({
      pointer: pointerOf(name === undefined ? issue.path : [...issue.path, name], root),
      code: issue.code,
      detail: issueWords(issue),
    }))
  })
  return new Problem('invalid_request', errors[0]?.detail ?? 'The request is not valid.', { errors })
}

export function malformedBody(detail: string): Problem {
  return new Problem('malformed_json', `The body is not JSON: ${detail}`, {
    errors: [{ pointer: '', code: 'malformed_json', detail }],
  })
}

function pointerOf(path: readonly PropertyKey[], root: '' | '?'): string {
  if (root === '?') return `?${path.map(String).join('.')}`
  return path.reduce<string>((pointer, key) => pointerTo(pointer, String(key)), '')
}

export function titleOf(status: number): string {
  return titles.get(status) ?? 'Refused'
}

const titles: ReadonlyMap<number, string> = new Map([
  [400, 'Bad request'],
  [401, 'Not authenticated'],
  [403, 'Not allowed'],
  [404, 'Not found'],
  [405, 'Method not allowed'],
  [408, 'Request timed out'],
  [409, 'Conflict'],
  [410, 'Gone'],
  [413, 'Too large'],
  [414, 'URI too long'],
  [415, 'Unsupported media type'],
  [422, 'Cannot be done'],
  [429, 'Too many requests'],
  [431, 'Headers too large'],
  [500, 'Internal error'],
  [503, 'Not available now'],
])
