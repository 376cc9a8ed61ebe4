// ClickHouse's exceptions as its HTTP interface shows them: code, text, status.
// The engine's messages pass through; only what our own spool file adds to them is taken out.

/** An error that has a ClickHouse code. `message` is the text without `Code: … DB::Exception:`. */
export class ClickhouseException extends Error {
  override readonly name = 'ClickhouseException'
  readonly code: number
  readonly type: string

  constructor(code: number, type: string, message: string) {
    super(message)
    this.code = code
    this.type = type
  }
}

export const exceptions = {
  syntaxError: (message: string) => new ClickhouseException(62, 'SYNTAX_ERROR', message),
  unknownSetting: (name: string) =>
    new ClickhouseException(115, 'UNKNOWN_SETTING', `Unknown setting '${name}'.`),
  notImplemented: (message: string) => new ClickhouseException(48, 'NOT_IMPLEMENTED', message),
  unknownTypeOfQuery: (message: string) => new ClickhouseException(78, 'UNKNOWN_TYPE_OF_QUERY', message),
  intoOutfile: () => new ClickhouseException(358, 'INTO_OUTFILE_NOT_ALLOWED', 'INTO OUTFILE is not allowed.'),
  unsupportedMediaType: (message: string) => new ClickhouseException(779, 'UNSUPPORTED_MEDIA_TYPE', message),
  cannotReadAllData: (message: string) => new ClickhouseException(33, 'CANNOT_READ_ALL_DATA', message),
  checksumDoesNotMatch: () =>
    new ClickhouseException(
      40,
      'CHECKSUM_DOESNT_MATCH',
      'The checksum of a compressed block does not match.',
    ),
  unknownCompression: (message: string) => new ClickhouseException(89, 'UNKNOWN_COMPRESSION_METHOD', message),
  cannotDecompress: (message: string) => new ClickhouseException(271, 'CANNOT_DECOMPRESS', message),
  badArguments: (message: string) => new ClickhouseException(36, 'BAD_ARGUMENTS', message),
  noSuchRowsFile: (name: string) =>
    new ClickhouseException(76, 'CANNOT_OPEN_FILE', `There is no file of rows ${name}.`),
  tooManyQueries: () =>
    new ClickhouseException(202, 'TOO_MANY_SIMULTANEOUS_QUERIES', 'Too many queries wait for their turn.'),
  bodyTooLarge: (limit: number) =>
    new ClickhouseException(229, 'QUERY_IS_TOO_LARGE', `The query text is larger than ${limit} bytes.`),
  accessDenied: (role: string, what: string) =>
    new ClickhouseException(497, 'ACCESS_DENIED', `${role}: Not enough privileges: nobody may ${what} here.`),
  foreignVisitor: (why: string) =>
    new ClickhouseException(497, 'ACCESS_DENIED', `Only programs of this machine are served: ${why}.`),
  cancelled: () => new ClickhouseException(394, 'QUERY_WAS_CANCELLED', 'Query was cancelled'),
  sameIdRuns: (queryId: string) =>
    new ClickhouseException(
      216,
      'QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING',
      `Query with id = ${queryId} is already running.`,
    ),
  sessionNotFound: (id: string) =>
    new ClickhouseException(372, 'SESSION_NOT_FOUND', `Session ${id} not found`),
  sessionIsLocked: (id: string) =>
    new ClickhouseException(373, 'SESSION_IS_LOCKED', `Session ${id} is locked by a concurrent client`),
  sessionTimeout: (message: string) => new ClickhouseException(374, 'INVALID_SESSION_TIMEOUT', message),
  sessionIdEmpty: () =>
    new ClickhouseException(
      701,
      'SESSION_ID_EMPTY',
      'Session id query parameter was provided, but it was empty',
    ),
  tooManySessions: (limit: number) =>
    new ClickhouseException(
      700,
      'USER_SESSION_LIMIT_EXCEEDED',
      `There are ${limit} sessions. Close one (close_session=1) or wait for its session_timeout.`,
    ),
  noSuchRole: (name: string) =>
    new ClickhouseException(
      511,
      'UNKNOWN_ROLE',
      `There is no role \`${name}\`. The embedded server has the roles weir and analyst, one for each of its users.`,
    ),
  roleNotGranted: (user: string, name: string) =>
    new ClickhouseException(512, 'SET_NON_GRANTED_ROLE', `Role ${name} should be granted to ${user} to set`),
  usersAreFixed: (statement: string) => {
    const [code, type]: [number, string] = statement.startsWith('CREATE')
      ? [514, 'ACCESS_STORAGE_FOR_INSERTION_NOT_FOUND']
      : [495, 'ACCESS_STORAGE_READONLY']
    const why =
      'the users of the embedded server are fixed: `weir` writes, `analyst` reads; their passwords are'
    const what = 'For users and roles of your own, run a ClickHouse server and set clickhouse.url'
    const where = 'files in clickhouse/passwords of the data directory'
    return new ClickhouseException(code, type, `${statement} is not possible: ${why} ${where}. ${what}.`)
  },
  readonlyMode: () => new ClickhouseException(164, 'READONLY', 'Cannot execute query in readonly mode.'),
  readonlyMethod: () =>
    new ClickhouseException(164, 'READONLY', 'Cannot execute query in readonly mode: use the method POST.'),
  authenticationFailed: (user: string) =>
    new ClickhouseException(
      516,
      'AUTHENTICATION_FAILED',
      `${user}: Authentication failed: password is incorrect, or there is no user with such name.`,
    ),
}

/** Type and version, which an exception that was caught and thrown again bears several times. */
const suffixes = /(?: \(version [^()]*(?:\([^()]*\))?\)\.?| \([A-Z][A-Z0-9_]+\))+\s*$/

/** Reads the engine's error text. Whatever has no code is an exception of the program itself (1002). */
export function fromEngine(error: unknown): ClickhouseException {
  if (error instanceof ClickhouseException) return error
  const text = error instanceof Error ? error.message : String(error)
  const code = /Code: (\d+)\. DB::Exception: /.exec(text)
  if (code === null) return new ClickhouseException(1002, 'UNKNOWN_EXCEPTION', text)
  const type = /\(([A-Z][A-Z0-9_]+)\)\s*$/.exec(text)?.[1] ?? 'UNKNOWN_EXCEPTION'
  const message = text
    .replace(/^(?:.*?Code: \d+\. DB::Exception: )+/s, '')
    .replace(suffixes, '')
    .replace(/: \(in file\/uri [^)]*\)/, '')
    .replace(/: While executing File: data for INSERT was parsed from file\.?/, '.')
  return new ClickhouseException(Number(code[1]), type, message)
}

export function exceptionText(exception: ClickhouseException, version: string): string {
  const { code, message, type } = exception
  return `Code: ${code}. DB::Exception: ${message} (${type}) (version ${version} (official build))\n`
}

const statuses = new Map<number, number>([
  // Bad text, bad values, bad statements.
  ...codesWith(400, [6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321]),
  ...codesWith(400, [376, 427, 441, 675, 676]),
  // Unknown things: tables, functions, identifiers, types, databases, settings, formats.
  ...codesWith(404, [46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511]),
  ...codesWith(403, [164, 192, 193, 497, 512, 516]),
  ...codesWith(503, [76, 209, 439]),
  [194, 401],
  [159, 408],
  [381, 411],
  [229, 413],
  [779, 415],
  [48, 501],
])

/** The status that ClickHouse answers an exception with; 500 for every code that it does not list. */
export function httpStatus(code: number): number {
  return statuses.get(code) ?? 500
}

function codesWith(status: number, codes: readonly number[]): [number, number][] {
  return codes.map(code => [code, status])
}
