// Which codes a route may refuse with: its own, and those that follow from how it is called. The OpenAPI document lists
// them for each operation.

import type { ProblemCode } from './problem-codes.js'
import type { ApiRoute } from './route.js'

const ofEvery: readonly ProblemCode[] = [
  'bad_request',
  'request_timeout',
  'headers_too_large',
  'internal_error',
]
const ofKeys: readonly ProblemCode[] = [
  'missing_api_key',
  'invalid_token',
  'insufficient_scope',
  'broker_unavailable',
]
const ofBodies: readonly ProblemCode[] = [
  'malformed_json',
  'malformed_encoding',
  'body_too_large',
  'unsupported_content_type',
  'unsupported_content_encoding',
]

/** Each code once. */
export function problemsOf(route: ApiRoute): readonly ProblemCode[] {
  return [
    ...new Set<ProblemCode>([
      ...ofEvery,
      ...(route.isAlwaysOpen === true ? [] : (['draining', 'server_unavailable'] as const)),
      ...(route.access.kind === 'anyone' ? [] : ofKeys),
      ...(route.params === undefined ? [] : (['uri_too_long'] as const)),
      ...(route.query === undefined ? [] : (['invalid_request'] as const)),
      ...(route.body === undefined ? [] : ofBodies),
      ...(route.problems ?? []),
    ]),
  ]
}
