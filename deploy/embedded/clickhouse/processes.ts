// What clients see of the statements that run: `system.processes`, `SHOW PROCESSLIST` and `KILL QUERY`.
// The engine's own table shows its ids and its one user; a view of it shows the ids and users of requests.
//
// Invariant: nobody stops a statement of another user, except Weir's own user, who may stop all.

import { type Role, roles } from './access.js'
import { type Call, type Engine, tagSetting } from './engine.js'
import { exceptions } from './exception.js'
import { literal } from './literal.js'
import type { RunningStatement, RunningStatements } from './running.js'
import { type Token, tokens } from './sql-tokens.js'

const viewName = 'client_processes'

/** How long `KILL … SYNC` waits for the end of what it stops. */
export type KillMode = 'ASYNC' | 'SYNC' | 'TEST'

interface Killed {
  readonly status: string
  readonly query_id: string
  readonly user: string
  readonly query: string
}

/** To be called once, before the first request. `users`: the name of each role's user. */
export async function createProcessView(
  engine: Engine,
  users: Readonly<Record<Role, string>>,
): Promise<void> {
  // By the name of the table, because the view has a column of the same name without the tag.
  const tag = `p.Settings['${tagSetting}']`
  const role = `splitByChar(' ', ${tag})[1]`
  const id = `substring(${tag}, position(${tag}, ' ') + 1)`
  const user = `transform(${role}, [${roles.map(literal)}], [${roles.map(name => literal(users[name]))}], p.user)`
  const replaced = [
    ...[`${id} AS query_id`, `${id} AS initial_query_id`, `${user} AS user`, `${user} AS initial_user`],
    `mapFilter((name, value) -> name != '${tagSetting}', p.Settings) AS Settings`,
  ]
  await engine.write(
    { role: 'weir', prelude: '' },
    `CREATE VIEW system.${viewName} AS SELECT * REPLACE (${replaced.join(', ')}) FROM system.processes AS p WHERE ${tag} != ''`,
  )
}

/** The statement as it is asked of the engine: with the view in the place of its table, and the role as the user. */
export function asClientsSee(sql: string, role: Role): string {
  if (!/process|grants/i.test(sql)) return sql
  const all = [...tokens(sql)]
  const isShown = all[0]?.text === 'SHOW' && all[1]?.text === 'GRANTS'
  if (isShown && (all[2] === undefined || all[2].text === 'FORMAT'))
    return `SHOW GRANTS FOR ${role}${sql.slice(all[1]?.end)}`
  if (all[0]?.text === 'SHOW' && all[1]?.text === 'PROCESSLIST') {
    const rest = sql.slice(all[1].end)
    return `SELECT * FROM system.${viewName} ORDER BY elapsed DESC${rest}`
  }
  let written = ''
  let from = 0
  all.forEach((token, index) => {
    if (!isProcessTable(sql, all, index)) return
    written += `${sql.slice(from, token.start)}${viewName}`
    from = token.end
  })
  return written + sql.slice(from)
}

/** True for `processes` in `FROM system.processes`, however it is quoted. */
function isProcessTable(sql: string, all: readonly Token[], index: number): boolean {
  const [clause, database, point, table] = [all[index - 3], all[index - 2], all[index - 1], all[index]]
  if (point?.text !== '.' || database === undefined || table === undefined) return false
  const named = (token: Token, name: string) =>
    sql.slice(token.start, token.end).replace(/[`"]/g, '') === name
  return (
    /^(FROM|JOIN|TABLE|DESCRIBE|DESC|,)$/.test(clause?.text ?? '') &&
    named(database, 'system') &&
    named(table, 'processes')
  )
}

/** What a `KILL QUERY` asks for; the text is the statement's own. */
export function readKill(sql: string): { readonly condition: string; readonly mode: KillMode } {
  const all = [...tokens(sql)]
  if (all.some(token => token.text === 'CLUSTER'))
    throw exceptions.notImplemented('KILL QUERY ON CLUSTER: the embedded server is no cluster')
  const where = all.find(token => token.text === 'WHERE' && token.depth === 0)
  if (where === undefined) throw exceptions.syntaxError('KILL QUERY needs WHERE')
  const after = all.filter(token => token.kind === 'word' && token.depth === 0 && token.start > where.start)
  const mode = after.find(token => ['SYNC', 'ASYNC', 'TEST'].includes(token.text))
  const end = after.find(token => token === mode || token.text === 'FORMAT' || token.text === 'SETTINGS')
  return {
    condition: sql.slice(where.end, end?.start ?? sql.length),
    mode: (mode?.text ?? 'ASYNC') as KillMode,
  }
}

/** Stops the statements that the condition names; returns the SELECT that answers the request. */
export async function killQueries(
  engine: Engine,
  running: RunningStatements,
  asker: RunningStatement,
  call: Call,
  sql: string,
): Promise<string> {
  const { condition, mode } = readKill(sql)
  const found = await engine.read(
    call,
    `SELECT query_id, user, query FROM system.${viewName} WHERE (${condition}\n)`,
    'JSONEachRow',
  )
  const named = found.bytes
    .toString()
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Omit<Killed, 'status'>)
    .filter(({ query_id }) => query_id !== asker.queryId)
  const own = named.filter(({ query_id }) => mayStop(asker, running.find(query_id)))
  const [other] = named
  if (own.length === 0 && other !== undefined)
    throw exceptions.accessDenied(asker.role, `stop the query of ${other.user}`)
  if (mode === 'TEST') return answer(own.map(query => ({ ...query, status: 'unknown_status' })))
  const ends = own.map(({ query_id }) => running.find(query_id)?.stop())
  if (mode === 'SYNC') await Promise.all(ends)
  return answer(own.map(query => ({ ...query, status: mode === 'SYNC' ? 'finished' : 'waiting' })))
}

function mayStop(asker: RunningStatement, statement: RunningStatement | undefined): boolean {
  return asker.role === 'weir' || statement === undefined || statement.role === asker.role
}

function answer(rows: readonly Killed[]): string {
  const tuples = rows.map(row => `(${[row.status, row.query_id, row.user, row.query].map(literal)})`)
  const list = `[${tuples}]::Array(Tuple(String, String, String, String))`
  const columns = ['kill_status', 'query_id', 'user', 'query'].map(
    (name, index) => `t.${index + 1} AS ${name}`,
  )
  return `SELECT ${columns} FROM (SELECT arrayJoin(${list}) AS t)`
}
