// Refuses statements that grants cannot refuse: functions that read files or the network without a grant,
// INFILE and OUTFILE of a client, and any change of a request's role.
//
// The engine's own parser rewrites a statement with `formatQuerySingleLine`, which accepts exactly one
// statement, drops comments and normalises quoting. Only that text is checked, so no spelling that the engine
// understands can pass unrecognised.

import type { Role } from './access.js'
import type { Engine } from './engine.js'
import { exceptions } from './exception.js'
import { type Token, tokens } from './sql-tokens.js'

/** Allowed statements by first word. No role may run others (ATTACH, BACKUP, RESTORE, EXECUTE, GRANT, …). */
const statements: Readonly<Record<Role, ReadonlySet<string>>> = {
  analyst: new Set(['SELECT', 'WITH', '(', 'SHOW', 'DESCRIBE', 'EXPLAIN', 'EXISTS', 'USE', 'SET', 'KILL']),
  weir: new Set([
    ...[
      'SELECT',
      'WITH',
      '(',
      'SHOW',
      'DESCRIBE',
      'EXPLAIN',
      'EXISTS',
      'USE',
      'SET',
      'INSERT',
      'CREATE',
      'DROP',
    ],
    ...['TRUNCATE', 'ALTER', 'DELETE', 'UPDATE', 'OPTIMIZE', 'RENAME', 'EXCHANGE', 'CHECK', 'KILL', 'SYSTEM'],
    ...['REPLACE', 'DETACH'],
  ]),
}

/** What follows SYSTEM: `STOP MERGES`, `START TTL MERGES`, `FLUSH LOGS`; the grants decide which of them. */
const tuning = new Set(['STOP', 'START', 'FLUSH'])

/** Table functions that touch no file, no network and no other program; all others of the engine are refused. */
const harmlessTables = new Set([
  ...[
    'numbers',
    'numbers_mt',
    'zeros',
    'zeros_mt',
    'primes',
    'generaterandom',
    'generate_series',
    'generateseries',
  ],
  ...['values', 'sqlstandardvalues', 'view', 'viewifpermitted', 'merge', 'null', 'format', 'input'],
  ...['mergetreeindex', 'mergetreeprojection', 'mergetreetextindex', 'mergetreeanalyzeindexes'],
  ...['mergetreeanalyzeindexesuuid', 'fuzzjson', 'fuzzquery'],
])

/** Functions that need no grant and read files or programs. `disk` is a function of table settings. */
const outwardFunctions = ['file', 'catboostevaluate', 'evalmlmethod', 'disk']

/** Engines of tables and databases that keep their rows in our own directory, or nowhere. */
const ownEngines =
  /^(?:(?:Replacing|Summing|Aggregating|Collapsing|VersionedCollapsing|Coalescing)?MergeTree|Memory|Null|Set|Join|Log|TinyLog|StripeLog|Buffer|Merge|Atomic)$/

export class StatementGuard {
  private readonly engine: Engine
  /** Called as a function in any place, in lower case. */
  private readonly refusedCalls: ReadonlySet<string>
  /** Also without brackets, as `APPLY(file)` and `arrayMap(file, …)` name them. */
  private readonly refusedNames: ReadonlySet<string>

  private constructor(engine: Engine, refusedTables: readonly string[], outward: readonly string[]) {
    this.engine = engine
    this.refusedCalls = new Set([...refusedTables, ...outward])
    this.refusedNames = new Set(outward)
  }

  static async of(engine: Engine): Promise<StatementGuard> {
    const tables = await names(engine, 'SELECT name FROM system.table_functions')
    const models = await names(
      engine,
      "SELECT name FROM system.functions WHERE match(name, '^[Aa][Ii][A-Z]')",
    )
    const refused = tables.filter(name => !harmlessTables.has(name))
    return new StatementGuard(engine, refused, [...outwardFunctions, ...models])
  }

  /**
   * Throws when this role may not run the statement; returns it as the engine's parser writes it. `rowsFile`:
   * the one file that Weir's own INSERT reads. `parameters`: of the request, as `param_<name>`.
   */
  async admit(
    sql: string,
    role: Role,
    rowsFile?: string,
    parameters: ReadonlyMap<string, string> = new Map(),
  ): Promise<string> {
    const canonical = await this.engine.canonical(sql)
    const all = [...tokens(canonical)]
    const first = all[0]?.text ?? ''
    if (role === 'weir' && isAboutUsers(all)) throw exceptions.usersAreFixed(`${first} ${all[1]?.text ?? ''}`)
    if (!statements[role].has(first)) throw exceptions.accessDenied(role, `run ${first} statements`)
    if (first === 'SYSTEM' && !tuning.has(all[1]?.text ?? ''))
      throw exceptions.accessDenied(role, `run SYSTEM ${all[1]?.text ?? ''}`)
    if (first === 'KILL' && role === 'analyst' && all[1]?.text !== 'QUERY')
      throw exceptions.accessDenied(role, `run KILL ${all[1]?.text ?? ''}`)
    if (first === 'SET' && all.slice(1, 4).some(token => token.text === 'ROLE'))
      throw exceptions.accessDenied(role, 'change the role of a request')
    const infiles: Token[] = []
    let inSettings = first === 'SET'
    for (let i = 0; i < all.length; i++) {
      const token = all[i] as Token
      const [before, after] = [all[i - 1], all[i + 1]]
      if (token.kind === 'word') {
        if (token.text === 'OUTFILE' && before?.text === 'INTO') throw exceptions.intoOutfile()
        if (token.text === 'INFILE' && before?.text === 'FROM') infiles.push(after as Token)
        if (token.text === 'WITH' && before?.text === 'PARALLEL')
          throw exceptions.accessDenied(role, 'run statements in parallel')
        if (token.text === 'SETTINGS') inSettings = true
      }
      if (startsProgram(canonical, all, i, parameters))
        throw exceptions.accessDenied(role, 'read system.models')
      const name = nameOf(canonical, token)
      if (name === undefined) continue
      this.admitName(role, name, before, after)
      const isEngine = before?.text === '=' && all[i - 2]?.text === 'ENGINE'
      if (isEngine && first !== 'SELECT' && first !== 'WITH' && !ownEngines.test(name))
        throw exceptions.accessDenied(role, `use the engine ${name}`)
      if (inSettings && role === 'analyst' && name.toLowerCase() === 'profile' && after?.text === '=')
        throw exceptions.accessDenied(role, 'change the profile of a request')
    }
    admitInfiles(canonical, infiles, rowsFile)
    return canonical
  }

  private admitName(role: Role, name: string, before: Token | undefined, after: Token | undefined): void {
    const lower = name.toLowerCase()
    const isCall = after?.text === '('
    const isColumn = before?.text === '.' || before?.text === 'AS'
    if (isCall ? this.refusedCalls.has(lower) : this.refusedNames.has(lower) && !isColumn)
      throw exceptions.accessDenied(role, `use the function ${name}`)
  }
}

/** `CREATE USER`, `DROP ROW POLICY`, `GRANT`, `SET DEFAULT ROLE` and the like. */
function isAboutUsers(all: readonly Token[]): boolean {
  const [first, second] = all.map(token => token.text)
  if (first === 'GRANT' || first === 'REVOKE') return true
  if (first === 'SET') return second === 'DEFAULT'
  if (!['CREATE', 'ALTER', 'DROP', 'MOVE'].includes(first ?? '')) return false
  return ['USER', 'ROLE', 'QUOTA', 'ROW', 'POLICY', 'SETTINGS', 'PROFILE'].includes(second ?? '')
}

/** Reading `system.models` starts a program. A parameter after a point names it too, or something unknown. */
function startsProgram(
  canonical: string,
  all: readonly Token[],
  index: number,
  parameters: ReadonlyMap<string, string>,
): boolean {
  const token = all[index] as Token
  if (all[index - 1]?.text !== '.') return false
  if (token.text === '{') {
    const { start, end } = all[index + 1] as Token
    const value = parameters.get(`param_${canonical.slice(start, end)}`) ?? ''
    return value === 'models' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(value)
  }
  const database = all[index - 2]
  if (database === undefined || nameOf(canonical, token) !== 'models') return false
  return database.text === '}' || nameOf(canonical, database) === 'system'
}

/** An INSERT of ours reads one file, the one that we have written ourselves; no other statement reads any. */
function admitInfiles(canonical: string, infiles: readonly Token[], rowsFile: string | undefined): void {
  if (infiles.length === 0 && rowsFile === undefined) return
  const [only] = infiles
  const isOurs =
    infiles.length === 1 &&
    only?.kind === 'string' &&
    rowsFile !== undefined &&
    canonical.slice(only.start, only.end) === `'${rowsFile.replace(/[\\']/g, '\\$&')}'`
  if (!isOurs) throw exceptions.unknownTypeOfQuery('Query has infile and was send directly to server')
}

/** The name that a word or a quoted name stands for; the canonical text escapes only what has to be. */
function nameOf(canonical: string, token: Token): string | undefined {
  if (token.kind === 'word') return canonical.slice(token.start, token.end)
  if (token.kind !== 'quoted') return undefined
  return canonical.slice(token.start + 1, token.end - 1).replace(/\\(.)/g, '$1')
}

async function names(engine: Engine, query: string): Promise<string[]> {
  const { bytes } = await engine.watch(query, 'TabSeparated')
  return bytes.toString().trim().toLowerCase().split('\n')
}
