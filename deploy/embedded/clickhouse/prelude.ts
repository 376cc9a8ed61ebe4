// The statements that bring a connection into the state that a request asks for, and, in a session, back again.
// Outside a session the connection ends with the request. In one, what the request says holds for it alone, as
// in ClickHouse, while what `SET` and `USE` say stays.

import { type Call, type Engine, tagSetting } from './engine.js'
import { exceptions } from './exception.js'
import { literal, quotedName } from './literal.js'
import type { Parameters } from './parameters.js'
import type { RunningStatement } from './running.js'

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

/** What a request changes on its connection. */
export interface RequestSettings {
  readonly values: readonly (readonly [name: string, value: string])[]
  readonly database: string | null
  /** `1` and `2` as in ClickHouse: nothing can be written, and with 1 no setting changed. */
  readonly readonly: string | null
}

/** `methodIsSafe`: all methods but POST may only read, as in ClickHouse. */
export function requestSettings(
  parameters: Parameters,
  statement: RunningStatement,
  methodIsSafe: boolean,
): RequestSettings {
  const values: [string, string][] = []
  let readonly = methodIsSafe || statement.role === 'analyst' ? '2' : null
  for (const [name, value] of parameters.settings) {
    if (!/^[A-Za-z_][A-Za-z0-9_.]*$/.test(name)) throw exceptions.unknownSetting(name)
    if (name === 'readonly') readonly = value === '0' ? readonly : value
    else if (name === 'profile')
      throw exceptions.accessDenied(statement.role, 'change the profile of a request')
    else values.push([name, value])
  }
  values.push([tagSetting, statement.tag])
  return { values, database: parameters.database, readonly }
}

/** For a connection that nobody has used. */
export function opening(rolePrelude: string): string {
  return `${rolePrelude}SET ${serverDefaults.join(', ')}; `
}

export function applying({ values, database, readonly }: RequestSettings): string {
  const assignments = values.map(([name, value]) => `${name} = ${literal(value)}`)
  const statements = [`SET ${assignments.join(', ')}`]
  if (database !== null) statements.push(`USE ${quotedName(database)}`)
  // Last: after it, nothing more can be set.
  if (readonly !== null) statements.push(`SET readonly = ${literal(readonly)}`)
  return `${statements.join('; ')}; `
}

/** The statements that undo `applying` without its `readonly`, which cannot be undone. */
export async function undoing(engine: Engine, call: Call, settings: RequestSettings): Promise<string> {
  const names = settings.values.map(([name]) => literal(name))
  const sql = `SELECT currentDatabase() AS database, (
    SELECT groupArray((name, value)) FROM system.settings WHERE name IN (${names})) AS settings`
  const { bytes } = await engine.read({ ...call, prelude: '' }, sql, 'JSONEachRow')
  const before = JSON.parse(bytes.toString()) as { database: string; settings: [string, string][] }
  const assignments = before.settings.map(([name, value]) => `${name} = ${literal(value)}`)
  return `USE ${quotedName(before.database)}; SET ${assignments.join(', ')}; `
}
