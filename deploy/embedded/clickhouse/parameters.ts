// What a request asks for besides its SQL: who, which database, which format, which settings (prelude.ts).

import type { IncomingHttpHeaders } from 'node:http'
import { rowsFileParameter } from '../../../schemas/rows/rows-file.js'
import { exceptions } from './exception.js'

export interface Parameters {
  readonly user: string
  readonly password: string
  readonly query: string
  readonly queryId: string | null
  readonly database: string | null
  /** The format of the result (or of the rows to insert) when the statement names none. */
  readonly defaultFormat: string | null
  /** By HTTP's own means, if the client accepts an encoding. */
  readonly compressResponse: boolean
  /** The client wants the result in ClickHouse's compressed blocks. */
  readonly blocks: boolean
  /** The body of the request comes in such blocks. */
  readonly bodyInBlocks: boolean
  /** The revision of ClickHouse's protocol whose Native format the client reads; 0 for the oldest. */
  readonly protocolRevision: number
  /** Every `role=` of the address. */
  readonly roles: readonly string[]
  readonly session: SessionParameters | null
  /** A running query with the same id is stopped first, if it ends in so many milliseconds. */
  readonly replaceWithinMs: number | null
  /** The client wants to see, this often, how far the query has come. */
  readonly progressIntervalMs: number | null
  /** A query that only reads ends when its client goes away. */
  readonly endsWithClient: boolean
  /** The client wants the outcome before the first byte, so nothing is sent in pieces. */
  readonly waitEndOfQuery: boolean
  /** The rows are in a file of this name instead of the body. */
  readonly rowsFile: string | null
  /** Of the engine, by name, and query parameters as `param_<name>`. */
  readonly settings: ReadonlyMap<string, string>
}

export interface SessionParameters {
  readonly id: string
  /** How long it is kept when nobody uses it. */
  readonly timeoutMs: number
  /** It must be there already. */
  readonly mustExist: boolean
  /** It ends with this request. */
  readonly close: boolean
}

/** Each look at a running query costs the engine a query. */
const leastProgressIntervalMs = 100

/** As in ClickHouse: `default_session_timeout`, `max_session_timeout`. */
const defaultSessionSeconds = 60
const maxSessionSeconds = 3600

/** Of the HTTP interface itself: they are read here and are no settings of the engine. */
const ownNames = new Set([
  ...['user', 'password', 'query', 'query_id', 'database', 'default_format', 'compress', 'decompress'],
  ...['session_id', 'session_timeout', 'session_check', 'close_session'],
  ...['quota_key', 'client_protocol_version', 'stacktrace', 'role', 'add_http_cors_header'],
  ...['wait_end_of_query', 'buffer_size', 'enable_http_compression', 'http_zlib_compression_level'],
  ...['send_progress_in_http_headers', 'http_headers_progress_interval_ms'],
  ...['replace_running_query', 'replace_running_query_max_wait_ms'],
  'cancel_http_readonly_queries_on_client_close',
  // Ours: the rows of an insert as a file (schemas/rows/rows-file.ts).
  rowsFileParameter,
])

/** `all`: of the address and of a multipart body. `others`: what belongs neither to HTTP nor to the engine. */
export function readParameters(
  all: ReadonlyMap<string, string>,
  headers: IncomingHttpHeaders,
  roles: readonly string[],
  others: readonly string[],
): Parameters {
  const [user, password] = credentials(all, headers)
  return {
    user,
    password,
    query: all.get('query') ?? '',
    queryId: all.get('query_id') || null,
    database: all.get('database') || header(headers, 'x-clickhouse-database'),
    defaultFormat: all.get('default_format') || header(headers, 'x-clickhouse-format'),
    compressResponse: isOn(all.get('enable_http_compression')),
    blocks: isOn(all.get('compress')),
    bodyInBlocks: isOn(all.get('decompress')),
    protocolRevision: Number(all.get('client_protocol_version') ?? 0) || 0,
    roles,
    session: readSession(all),
    replaceWithinMs: isOn(all.get('replace_running_query'))
      ? Number(all.get('replace_running_query_max_wait_ms') ?? 5_000)
      : null,
    progressIntervalMs: isOn(all.get('send_progress_in_http_headers'))
      ? Math.max(leastProgressIntervalMs, Number(all.get('http_headers_progress_interval_ms') ?? 0))
      : null,
    // ClickHouse leaves it running unless it is asked. Here places are few, so it is asked not to stop.
    endsWithClient: isOn(all.get('cancel_http_readonly_queries_on_client_close') ?? '1'),
    waitEndOfQuery: isOn(all.get('wait_end_of_query')),
    rowsFile: all.get(rowsFileParameter) || null,
    settings: new Map([...all].filter(([name]) => !ownNames.has(name) && !others.includes(name))),
  }
}

function readSession(all: ReadonlyMap<string, string>): SessionParameters | null {
  const id = all.get('session_id')
  if (id === undefined) return null
  if (id === '') throw exceptions.sessionIdEmpty()
  const given = all.get('session_timeout') ?? `${defaultSessionSeconds}`
  if (!/^\d{1,9}$/.test(given)) throw exceptions.sessionTimeout(`Invalid session timeout: '${given}'`)
  if (Number(given) > maxSessionSeconds)
    throw exceptions.sessionTimeout(
      `Session timeout '${given}' is larger than max_session_timeout: ${maxSessionSeconds}`,
    )
  return {
    id,
    timeoutMs: Number(given) * 1_000,
    mustExist: isOn(all.get('session_check')),
    close: isOn(all.get('close_session')),
  }
}

/** The user and password that a request gives, in whichever of ClickHouse's ways. */
export function credentials(
  all: { get(name: string): string | null | undefined },
  headers: IncomingHttpHeaders,
): [string, string] {
  const user = header(headers, 'x-clickhouse-user')
  const key = header(headers, 'x-clickhouse-key')
  if (user !== null || key !== null) return [user ?? 'default', key ?? '']
  const basic = /^Basic\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  if (basic !== undefined) {
    const text = Buffer.from(basic, 'base64').toString('utf8')
    const colon = text.indexOf(':')
    return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
  }
  return [all.get('user') ?? 'default', all.get('password') ?? '']
}

function header(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name]
  return typeof value === 'string' && value !== '' ? value : null
}

function isOn(value: string | undefined): boolean {
  return value === '1' || value === 'true'
}
