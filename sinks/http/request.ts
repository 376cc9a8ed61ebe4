// Sends one HTTP request with a deadline, and says whether the receiver may have seen it.
// Invariants:
// 1. Failures of the network or the receiver never throw.
// 2. `not_sent` means that no connection was made, so the receiver cannot have seen the request. Any other
//    end without an answer is `no_answer`: the receiver may have carried the request out.
// 3. No redirect is followed: a signed document goes only to the address in the configuration.
// 4. Nothing is written to a connection after the end of the attempt (attempt-signal.ts), however long it took to be made and
//    whatever has kept this process from running.

import { Agent, DecoratorHandler, type Dispatcher, fetch } from 'undici'
import { Deadline } from '../deadline.js'
import { type AttemptSignal, isOver } from './attempt-signal.js'

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export type HttpAnswer =
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly headers: Headers
      /** The beginning of the body, up to `maxAnswerBytes`. */
      readonly body: string
    }
  | { readonly kind: 'not_sent' | 'no_answer'; readonly code: string; readonly detail: string }

/** A page of documents in a look-up is the longest. */
const maxAnswerBytes = 8 << 20

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
  signal: AttemptSignal,
): Promise<HttpAnswer> {
  if (isOver(signal)) return notBegun
  const gate = new Gate(signal)
  const deadline = new Deadline(deadlineMs, signal)
  try {
    const { method, url, headers, body } = request
    const response = await fetch(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      redirect: 'manual',
      signal: deadline.signal,
      dispatcher: gate.dispatcher,
    })
    const text = await beginningOf(response)
    return {
      kind: 'answer',
      status: response.status,
      headers: new Headers([...response.headers]),
      body: text,
    }
  } catch (error) {
    if (gate.isClosed) return notBegun
    if (deadline.hasPassed)
      return { kind: 'no_answer', code: 'timeout', detail: `no answer within ${deadlineMs} ms` }
    const code = codeOf(error)
    if (neverConnected.has(code)) return { kind: 'not_sent', code: 'no_connection', detail: wordsOf(error) }
    return { kind: 'no_answer', code: 'connection_lost', detail: wordsOf(error) }
  } finally {
    deadline.end()
  }
}

const notBegun: HttpAnswer = { kind: 'not_sent', code: 'aborted', detail: 'stopped before the request' }

const agent = new Agent()

/** Lets a request go to its connection while the attempt lasts: asked right before the first byte is written (invariant 4). */
class Gate {
  isClosed = false
  readonly dispatcher: Dispatcher

  constructor(signal: AttemptSignal) {
    const mayGo = (): boolean => {
      if (isOver(signal)) this.isClosed = true
      return !this.isClosed
    }
    this.dispatcher = agent.compose(
      dispatch => (options, handler) => dispatch(options, new GatedHandler(handler, mayGo)),
    )
  }
}

class GatedHandler extends DecoratorHandler implements Dispatcher.DispatchHandlers {
  readonly #mayGo: () => boolean
  readonly #next: Dispatcher.DispatchHandlers

  constructor(next: Dispatcher.DispatchHandlers, mayGo: () => boolean) {
    super(next)
    this.#mayGo = mayGo
    this.#next = next
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#next.onConnect?.(abort)
    if (!this.#mayGo()) abort(new Error('the attempt is over'))
  }
}

/** Reads the beginning of the body. Does not throw when the body is cut off, since the status is known. */
export async function beginningOf(
  response: Pick<Response, 'body'>,
  mostBytes = maxAnswerBytes,
): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk as Uint8Array)
      length += (chunk as Uint8Array).byteLength
      if (length >= mostBytes) break // leaving the loop frees the connection
    }
  } catch {
    // The body was cut off: keep what arrived.
  }
  return Buffer.concat(chunks).subarray(0, mostBytes).toString('utf8')
}

/**
 * fetch puts the error in `cause`; for a host with several addresses it is one level deeper. A network that is lost under
 * a connection has the same codes as one that was never reached, but in reading or writing.
 */
function codeOf(error: unknown): string {
  for (const one of causesOf(error)) {
    const { code, syscall } = one as { code?: unknown; syscall?: unknown }
    if (typeof code === 'string')
      return syscall === 'read' || syscall === 'write' ? `${syscall} ${code}` : code
  }
  return ''
}

function wordsOf(error: unknown): string {
  return causesOf(error)
    .map(one => (one instanceof Error ? one.message : String(one)))
    .filter(text => text !== '' && text !== 'fetch failed')
    .join('; ')
}

/** The error and its causes, the innermost first. */
function causesOf(error: unknown): unknown[] {
  if (error === undefined || error === null) return []
  const { cause, errors } = error as { cause?: unknown; errors?: unknown[] }
  return [...causesOf(cause), ...(errors ?? []), error]
}
