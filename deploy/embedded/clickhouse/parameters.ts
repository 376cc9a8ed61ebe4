// What a request asks for besides its SQL: who, which database, which format, which settings.
// Settings become a prelude of SET statements on the request's own connection, which ends with the request.

import type { IncomingHttpHeaders } from 'node:http'
import { rowsFileParameter } from '../../../schemas/rows/rows-file.js'
import { type Role, rolePrelude } from './access.js'
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
  /** The client wants the outcome before the first byte, so nothing is sent in pieces. */
  readonly waitEndOfQuery: boolean
  /** The rows are in a file of this name instead of the body. */
  readonly rowsFile: string | null
  /** Of the engine, by name, and query parameters as `param_<name>`. */
  readonly settings: ReadonlyMap<string, string>
}

/** Of the HTTP interface itself: they are read here and are no settings of the engine. */
const ownNames = new Set([
  ...['user', 'password', 'query', 'query_id', 'database', 'default_format', 'compress', 'decompress'],
  // Sessions: nothing outlives a request here, so a session has no temporary tables and keeps no settings.
  ...[
    'session_id',
    'session_timeout',
    'session_check',
    'close_session',
    'quota_key',
    'client_protocol_version',
  ],
  ...[
    'wait_end_of_query',
    'buffer_size',
    'enable_http_compression',
    'http_zlib_compression_level',
    'stacktrace',
  ],
  // Ours: the rows of an insert as a file (schemas/rows/rows-file.ts).
  rowsFileParameter,
  ...['send_progress_in_http_headers', 'http_headers_progress_interval_ms', 'add_http_cors_header', 'role'],
])

/**
 * Differences between the engine as a library and as a server, and one choice of ours: 64-bit integers and decimals are
 * quoted in JSON, because a JavaScript reader would lose their digits. A request may choose otherwise.
 */
const serverDefaults = [
  'implicit_select = 0',
  'allow_introspection_functions = 0',
  'output_format_json_quote_64bit_integers = 1',
  'output_format_json_quote_decimals = 1',
  // A retry with the same token must cut the same rows into the same blocks.
  'input_format_parquet_preserve_order = 1',
]

/** `form` holds the fields of a multipart body; they count like those of the address. */
export function readParameters(
  search: URLSearchParams,
  headers: IncomingHttpHeaders,
  form: ReadonlyMap<string, string>,
): Parameters {
  const all = new Map<string, string>([...search, ...form])
  if (all.has('role')) throw exceptions.notImplemented('the embedded server has no roles')
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
    waitEndOfQuery: isOn(all.get('wait_end_of_query')),
    rowsFile: all.get(rowsFileParameter) || null,
    settings: new Map([...all].filter(([name]) => !ownNames.has(name))),
  }
}

/**
 * The statements that bring a fresh connection into the state that the request asks for. `methodIsSafe`: all methods but
 * POST may only read, as in ClickHouse.
 */
export function prelude(parameters: Parameters, role: Role, methodIsSafe: boolean): string {
  const assignments = [...serverDefaults]
  let readonly = methodIsSafe || role === 'analyst' ? '2' : null
  for (const [name, value] of parameters.settings) {
    if (!/^[A-Za-z_][A-Za-z0-9_.]*$/.test(name)) throw exceptions.unknownSetting(name)
    if (name === 'readonly') readonly = value === '0' ? readonly : value
    else if (name === 'profile') throw exceptions.accessDenied(role, 'change the profile of a request')
    else assignments.push(`${name} = ${literal(value)}`)
  }
  const statements = [rolePrelude(role).replace(/; $/, ''), `SET ${assignments.join(', ')}`]
  if (parameters.database !== null) statements.push(`USE \`${escaped(parameters.database)}\``)
  // Last: after it, nothing more can be set.
  if (readonly !== null) statements.push(`SET readonly = ${literal(readonly)}`)
  return `${statements.join('; ')}; `
}

export function literal(text: string): string {
  return `'${escaped(text)}'`
}

function escaped(text: string): string {
  return text.replace(/[\\'`]/g, '\\$&')
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
