// One HTTP request with a deadline, and what is known of it afterwards.
// Invariants:
// 1. Never throws for what a network or a receiver may do.
// 2. `not_sent` only where the receiver cannot have seen the request: no connection was made. Everything else that ends
//    without an answer is `no_answer`: it may have been carried out.
// 3. No redirect is followed: a signed document goes where the configuration says and nowhere else.

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export type HttpAnswer =
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly headers: Headers
      /** Its beginning, up to `maxAnswerBytes`. */
      readonly body: string
    }
  | { readonly kind: 'not_sent' | 'no_answer'; readonly code: string; readonly detail: string }

const maxAnswerBytes = 256 * 1024

/** Codes of Node and undici for a connection that was never made. */
const neverConnected = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

export async function send(
  request: HttpRequest,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  if (signal.aborted) return { kind: 'not_sent', code: 'aborted', detail: 'stopped before the request' }
  const timeout = AbortSignal.timeout(deadlineMs)
  try {
    const { method, url, headers, body } = request
    const response = await fetch(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      redirect: 'manual',
      signal: AbortSignal.any([timeout, signal]),
    })
    const text = await beginningOf(response)
    return { kind: 'answer', status: response.status, headers: response.headers, body: text }
  } catch (error) {
    if (timeout.aborted)
      return { kind: 'no_answer', code: 'timeout', detail: `no answer within ${deadlineMs} ms` }
    const code = codeOf(error)
    if (neverConnected.has(code)) return { kind: 'not_sent', code: 'no_connection', detail: wordsOf(error) }
    return { kind: 'no_answer', code: 'connection_lost', detail: wordsOf(error) }
  }
}

/** The status is known even where the body breaks off. */
async function beginningOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk as Uint8Array)
      length += (chunk as Uint8Array).byteLength
      if (length >= maxAnswerBytes) break // leaving the loop lets go of the connection
    }
  } catch {
    // What arrived is what there is.
  }
  return Buffer.concat(chunks).subarray(0, maxAnswerBytes).toString('utf8')
}

/** fetch hides what happened in the cause; several addresses of one host hide it one level deeper. */
function codeOf(error: unknown): string {
  for (const one of causesOf(error)) {
    const { code } = one as { code?: unknown }
    if (typeof code === 'string') return code
  }
  return ''
}

function wordsOf(error: unknown): string {
  return causesOf(error)
    .map(one => (one instanceof Error ? one.message : String(one)))
    .filter(text => text !== '' && text !== 'fetch failed')
    .join('; ')
}

/** The innermost first. */
function causesOf(error: unknown): unknown[] {
  if (error === undefined || error === null) return []
  const { cause, errors } = error as { cause?: unknown; errors?: unknown[] }
  return [...causesOf(cause), ...(errors ?? []), error]
}
