// External tables: files of a multipart request that the query of the same request reads as temporary tables.
// `<name>_structure` or `<name>_types` and `<name>_format` say what is in them, as in ClickHouse.
//
// Invariant: the tables are made with more rights than an analyst has, so their columns can be nothing but columns.

import type { Spool, SpooledRows } from './body.js'
import { exceptions } from './exception.js'
import type { StatementGuard } from './guard.js'
import { literal, quotedName } from './literal.js'
import type { FormFile } from './multipart.js'
import { tokens } from './sql-tokens.js'

export interface ExternalTables {
  /** The statements that make them. */
  readonly sql: string
  /** Removes the files that the statements read. */
  remove(): void
}

/** The parameters that describe a table are no settings of the engine. */
export function tableParameters(files: readonly FormFile[]): readonly string[] {
  return files.flatMap(({ name }) => [`${name}_format`, `${name}_structure`, `${name}_types`])
}

export async function spoolTables(
  files: readonly FormFile[],
  parameters: ReadonlyMap<string, string>,
  spool: Spool,
  guard: StatementGuard,
): Promise<ExternalTables> {
  const spooled: SpooledRows[] = []
  const statements: string[] = []
  const remove = () => {
    for (const rows of spooled) rows.remove()
  }
  try {
    for (const { name, bytes } of files) {
      const format = parameters.get(`${name}_format`) ?? 'TabSeparated'
      if (!/^\w+$/.test(format)) throw exceptions.badArguments(`Unknown format of table ${name}: ${format}`)
      const create = `CREATE TEMPORARY TABLE ${quotedName(name)} (${columns(name, parameters)}\n)`
      await guard.admit(create, 'weir')
      const rows = await spool.write(bytes, null, 'none')
      spooled.push(rows)
      const from = `FROM INFILE ${literal(rows.path)} COMPRESSION 'none' FORMAT ${format}`
      statements.push('SET ROLE weir', create, `INSERT INTO ${quotedName(name)} ${from}`)
    }
  } catch (error) {
    remove()
    throw error
  }
  return { sql: statements.map(statement => `${statement}; `).join(''), remove }
}

function columns(name: string, parameters: ReadonlyMap<string, string>): string {
  const structure = parameters.get(`${name}_structure`)
  if (structure !== undefined) return onlyColumns(name, structure)
  const types = parameters.get(`${name}_types`)
  if (types === undefined)
    throw exceptions.badArguments(`Neither structure nor types have been provided for external table ${name}`)
  const list = onlyColumns(name, types)
  const starts = [0]
  for (const token of tokens(list)) if (token.text === ',' && token.depth === 0) starts.push(token.end)
  return starts
    .map((start, index) => {
      const end = starts[index + 1]
      return `_${index + 1} ${list.slice(start, end === undefined ? undefined : end - 1)}`
    })
    .join(', ')
}

/** Refuses what ends the brackets around the columns, and expressions, which could read tables. */
function onlyColumns(name: string, text: string): string {
  const expressions = ['DEFAULT', 'MATERIALIZED', 'ALIAS', 'EPHEMERAL', 'SELECT', 'TTL', 'CONSTRAINT']
  for (const token of tokens(text))
    if (token.depth < 0 || token.text === ';' || expressions.includes(token.text))
      throw exceptions.badArguments(`The structure of external table ${name} may hold names and types only`)
  return text
}
