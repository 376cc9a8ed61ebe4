// Sends usage batches to the gateway: POST /v1/events. Contract section 7.
// Invariant: only a 202 means accepted; 400, 413, 415 and 422 mean that these bytes can never be accepted;
// every other answer, a refused key included, may be temporary and the batch is sent again.

import { Deadline } from '../../sinks/deadline.js'
import type { BatchBody, RefusedRow, SendOutcome, Transport } from './transport.js'

export interface HttpTarget {
  /** The gateway's URL, such as `http://127.0.0.1:8080`. */
  readonly url: string
  /** An API key with the scope `ingest`. */
  readonly key?: string
}

/** The gateway's limit, less a margin. */
const maxBatchBytes = 7_900_000
const maxBatchEvents = 10_000
const final: ReadonlySet<number> = new Set([400, 413, 415, 422])
const longestRetryAfterMs = 60_000

export class HttpTransport implements Transport {
  readonly maxBatchBytes = maxBatchBytes
  readonly maxBatchEvents = maxBatchEvents
  readonly #url: URL
  readonly #key: string | undefined
  readonly #timeoutMs: number

  constructor(target: HttpTarget, timeoutMs: number) {
    this.#url = new URL('/v1/events', target.url)
    this.#key = target.key
    this.#timeoutMs = timeoutMs
  }

  async start(): Promise<void> {
    // The first batch shows whether the gateway answers; a producer with a spool may start before the
    // gateway.
  }

  laneOf(): string {
    return ''
  }

  /** Always true: the gateway sorts the rows of any batch. */
  knowsLane(): boolean {
    return true
  }

  async send(body: BatchBody, signal: AbortSignal): Promise<SendOutcome> {
    const headers: Record<string, string> = { 'content-type': body.contentType }
    if (body.contentEncoding !== undefined) headers['content-encoding'] = body.contentEncoding
    if (this.#key !== undefined) headers['authorization'] = `Bearer ${this.#key}`
    const deadline = new Deadline(this.#timeoutMs, signal)
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers,
        body: body.bytes,
        signal: deadline.signal,
      })
      return outcomeOf(response, await response.text())
    } catch (error) {
      return { kind: 'again', detail: reasonOf(error) }
    } finally {
      deadline.end()
    }
  }

  async close(): Promise<void> {
    // The runtime owns the sockets and closes idle ones.
  }
}

function outcomeOf(response: Response, text: string): SendOutcome {
  const { status, headers } = response
  if (status === 202) {
    const answer = jsonOf(text) as { rejected?: readonly RefusedRow[] } | undefined
    if (Array.isArray(answer?.rejected)) {
      // These events are valid, so the batch is sent again; Weir recognises the rows that have landed.
      const stopped = answer.rejected.find(({ code }) => code === 'partition_stopped')
      if (stopped !== undefined) return { kind: 'again', detail: `${stopped.code}: ${stopped.detail}` }
      return { kind: 'landed', refused: answer.rejected }
    }
    return { kind: 'again', detail: 'the answer of the gateway is not one of Weir' }
  }
  const problem = (jsonOf(text) ?? {}) as { code?: unknown; detail?: unknown }
  const code = typeof problem.code === 'string' ? problem.code : `http_${status}`
  const detail = typeof problem.detail === 'string' ? problem.detail : `The gateway answered ${status}.`
  // A refusal is final only when its code shows that it is Weir's own, not that of a proxy in between.
  if (final.has(status) && typeof problem.code === 'string') {
    return { kind: 'refused', refusal: { code, detail } }
  }
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  const afterMs = Number.isFinite(seconds) ? Math.min(seconds * 1_000, longestRetryAfterMs) : undefined
  return { kind: 'again', detail: `${code}: ${detail}`, ...(afterMs === undefined ? {} : { afterMs }) }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}

/** The error's text with its cause, since the message of `fetch` itself is only "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
