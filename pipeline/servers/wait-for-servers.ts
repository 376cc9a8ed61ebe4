// A start waits for servers of one's own that are not there yet, for ever, and says so every few seconds. What waiting
// cannot mend (a login, a certificate) ends the start.
//
// Invariant: a signal ends the wait at once.

import { JetStreamApiError } from '@nats-io/jetstream'
import { errors } from '@nats-io/transport-node'
import { backOffMs, pauseFor } from '../broker/back-off.js'
import { StartAborted, StartProblem, stopIfAborted } from './start-problem.js'

export interface Waiting {
  readonly signal: AbortSignal
  /** Gets a line every few seconds for the person who waits. */
  readonly onNotice: (line: string) => void
}

const tellEveryMs = 5_000
const retry = { retryMinMs: 100, retryMaxMs: 1_000 }

/** Calls `work` until it succeeds. `judge` throws, or returns normally when the error may pass. */
export async function whenThere<T>(
  { signal, onNotice }: Waiting,
  what: string,
  work: () => Promise<T>,
  judge: (error: unknown) => void,
): Promise<T> {
  const startedMs = performance.now()
  let tellAtMs = startedMs
  for (let failures = 1; ; failures += 1) {
    try {
      return await unlessAborted(signal, work())
    } catch (error) {
      if (error instanceof StartAborted) throw error
      judge(error)
      const nowMs = performance.now()
      if (nowMs >= tellAtMs) {
        const seconds = Math.round((nowMs - startedMs) / 1_000)
        onNotice(`Waiting for ${what} (${seconds} s, Ctrl-C ends it): ${wordsOf(error)}`)
        tellAtMs = nowMs + tellEveryMs
      }
      await pauseFor(backOffMs(failures, retry), signal)
    }
  }
}

/** Throws `StartAborted` as soon as the signal fires; the work's later result is ignored. */
export async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  work.catch(() => undefined)
  stopIfAborted(signal)
  const over = new AbortController()
  const aborted = new Promise<never>((_resolve, reject) => {
    const abort = (): void => reject(new StartAborted('the start was ended by a signal'))
    signal.addEventListener('abort', abort, { once: true, signal: over.signal })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    over.abort()
  }
}

/** For the connection to a broker: throws what no waiting mends. */
export function judgeBroker(error: unknown): void {
  if (isTooSlow(error)) return
  if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) {
    const detail = `The broker refuses the login (${error.message}). Mend nats.user and nats.password, nats.token or nats.creds.`
    throw new StartProblem('nats_login_refused', detail)
  }
  if (isOfTls(error)) {
    const detail = `No TLS with the broker: ${wordsOf(error)}. Mend nats.url (tls:), nats.ca, nats.cert and nats.key.`
    throw new StartProblem('nats_tls_refused', detail)
  }
  if (error instanceof errors.ConnectionError || error instanceof errors.TimeoutError) return
  if (!isOfNetwork(error)) throw error
}

/** The broker waited for our login and did not get it in time: a busy machine, and no fault of the login. */
function isTooSlow(error: unknown): boolean {
  return error instanceof errors.AuthorizationError && /authentication timeout/i.test(error.message)
}

/** For JetStream: no answer, no leader and no quorum may pass. */
export function judgeJetStream(error: unknown): void {
  const { TimeoutError, ConnectionError, RequestError, NoRespondersError } = errors
  for (const one of [TimeoutError, ConnectionError, RequestError, NoRespondersError]) {
    if (error instanceof one || causeOf(error) instanceof one) return
  }
  if (error instanceof JetStreamApiError && error.status === 503) return
  throw error
}

/** For ClickHouse: only a server that cannot be reached is waited for. */
export function judgeClickHouse(error: unknown): void {
  if (loginCodes.has(codeOf(error))) {
    const detail = `ClickHouse refuses the login (${wordsOf(error)}). Mend clickhouse.user and clickhouse.password.`
    throw new StartProblem('clickhouse_login_refused', detail)
  }
  if (isOfTls(error)) {
    const detail = `No TLS with ClickHouse: ${wordsOf(error)}. Mend clickhouse.url (https:) and clickhouse.ca.`
    throw new StartProblem('clickhouse_tls_refused', detail)
  }
  if (!isOfNetwork(error)) throw error
}

/** ClickHouse's AUTHENTICATION_FAILED, UNKNOWN_USER, WRONG_PASSWORD and REQUIRED_PASSWORD. */
const loginCodes: ReadonlySet<string> = new Set(['516', '192', '193', '194'])

const networkCodes =
  /^(ECONN(REFUSED|RESET|ABORTED)|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE)$/
const tlsCodes = /CERT|SSL|TLS|UNABLE_TO_|ISSUER/

function isOfNetwork(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isOfNetwork)
  return (
    networkCodes.test(codeOf(error)) ||
    (error instanceof Error && /^(timeout|socket hang up)/i.test(error.message))
  )
}

function isOfTls(error: unknown): boolean {
  if (tlsCodes.test(codeOf(error)) || tlsCodes.test(codeOf(causeOf(error)))) return true
  return error instanceof Error && /support 'tls'|wrong version number/.test(error.message)
}

function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : ''
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined
}

/** Node leaves the message of an AggregateError empty; its parts have the messages. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(wordsOf).join('; ')
  return error instanceof Error ? error.message.trim() : String(error)
}
