// Permissions in the embedded ClickHouse. The engine has one user, so each user of the HTTP interface is a
// role in it: the grants, the constraints on settings and the refusals are the engine's own (497, 452, 164).
//
// Invariants:
// 1. No role holds a grant on a source (FILE, URL, S3, …) or on an engine that touches one, so neither does
//    the one user.
// 2. Every statement runs after `SET ROLE`; statements that could change the role are refused (guard.ts).
// 3. Functions that the engine grants to everybody and that read files or the network are refused (guard.ts).

import { type MemoryLimits, memorySettings } from './memory.js'

export const roles = ['weir', 'analyst'] as const
export type Role = (typeof roles)[number]

/**
 * Clients name `default` as the database of a connection if their user gives none. An analyst may name these, and finds
 * nothing in them that he could not read anyway. Not `system`: a bare name in it could start a program (guard.ts).
 */
const openedDatabases = ['default', 'information_schema', 'INFORMATION_SCHEMA']

/** Grants of Weir's own user: tables, views and rows; no dictionaries, functions, backups or freezing. */
const weirGrants = [
  'SELECT, SHOW, INSERT, TRUNCATE, OPTIMIZE, CHECK',
  'CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP DATABASE, DROP TABLE, DROP VIEW',
  'ALTER UPDATE, ALTER DELETE, ALTER COLUMN, ALTER ORDER BY, ALTER SAMPLE BY, ALTER INDEX, ALTER STATISTICS',
  'ALTER PROJECTION, ALTER CONSTRAINT, ALTER TTL, ALTER MATERIALIZE TTL, ALTER SETTINGS, ALTER VIEW',
  'SYSTEM MERGES, SYSTEM TTL MERGES, SYSTEM FLUSH',
]

/**
 * Settings that name files or addresses, or choose another language than the checked one. No user can change
 * them, in whatever way a setting is given.
 */
const fixedSettings = [
  ...['dialect', 'format_schema', 'format_schema_source', 'format_schema_message_name'],
  ...['output_format_schema', 'format_avro_schema_registry_url', 'format_template_resultset'],
  ...['format_template_row', 'filesystem_cache_name', 'url_base'],
  ...['default_materialized_view_sql_security', 'default_normal_view_sql_security', 'default_view_definer'],
]

const gibibyte = 2 ** 30

/**
 * The cache of which granules a condition met is off: several of its faults lost rows that were there, and releases since
 * have it off for questions with ORDER BY and LIMIT (ClickHouse/ClickHouse issues 104781, 108519 and request 111492).
 */
const exactSettings = { use_query_condition_cache: 0 }

/** Limits of an analyst's query; a request may choose a lower value, a higher one is refused (452). */
function analystLimits(
  memory: MemoryLimits,
): Readonly<Record<string, { readonly value: number; readonly max: number }>> {
  return {
    max_execution_time: { value: 60, max: 600 },
    max_memory_usage: memory.analyst,
    max_result_bytes: { value: 2 * gibibyte, max: 2 * gibibyte },
    max_bytes_before_external_sort: memory.spill,
    max_bytes_before_external_group_by: memory.spill,
  }
}

/** Each thread has buffers of its own. */
const maxAnalystThreads = 64

export interface Access {
  /** The engine's configuration of users. The engine does not start if a setting in it is unknown. */
  readonly usersText: string
  /** The statements that run before every other statement of a request. */
  readonly prelude: Readonly<Record<Role, string>>
}

/** `database`: the one that an analyst may read. */
export function accessTo(database: string, memory: MemoryLimits): Access {
  return {
    usersText: usersText(database, memory),
    prelude: { weir: 'SET ROLE weir; ', analyst: analystPrelude(memory) },
  }
}

function usersText(database: string, memory: MemoryLimits): string {
  const limits = Object.entries(analystLimits(memory))
  const ours = { ...exactSettings, ...memorySettings('weir', memory), max_memory_usage: memory.ours }
  const fixed = fixedSettings.map(name => `<${name}><const/></${name}>`).join('')
  const fixedMemory = Object.keys(memorySettings('analyst', memory))
    .map(name => `<${name}><const/></${name}>`)
    .join('')
  const limited = limits.map(([name, { max }]) => `<${name}><min>1</min><max>${max}</max></${name}>`).join('')
  const threads = `<max_threads><max>${maxAnalystThreads}</max></max_threads>`
  const opened = openedDatabases.map(name => `<query>GRANT SHOW DATABASES ON ${name}.*</query>`).join('')
  const granted = weirGrants.map(grants => `<query>GRANT ${grants} ON *.*</query>`).join('')
  return `<clickhouse>
  <profiles>
    <default>${values(Object.entries(ours))}<constraints>${fixed}</constraints></default>
    <analyst>${values(limits.map(([name, { value }]) => [name, value]))}
      <constraints>${fixed}${fixedMemory}${limited}${threads}</constraints>
    </analyst>
  </profiles>
  <roles>
    <weir><grants>${granted}</grants></weir>
    <analyst><grants><query>GRANT SELECT, SHOW ON \`${database}\`.*</query>${opened}</grants></analyst>
  </roles>
  <users><default>
    <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
    <grants><query>GRANT weir, analyst</query></grants>
  </default></users>
  <quotas><default></default></quotas>
</clickhouse>
`
}

function values(settings: readonly (readonly [string, number])[]): string {
  return settings.map(([name, value]) => `<${name}>${value}</${name}>`).join('')
}

/** `SET profile` brings the constraints and no values, so values that it fixes are set before it. */
function analystPrelude(memory: MemoryLimits): string {
  const limits = Object.entries(analystLimits(memory)).map(([name, { value }]) => `${name} = ${value}`)
  const fixed = Object.entries(memorySettings('analyst', memory)).map(([name, value]) => `${name} = ${value}`)
  return `SET ${fixed.join(', ')}; SET profile = 'analyst'; SET ${limits.join(', ')}; SET ROLE analyst; `
}
