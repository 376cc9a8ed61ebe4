// The configuration: defaults, a YAML file, `WEIR_*` variables and flags, in rising order. Contract section 5.
// Invariants: no other code reads a configuration file or a `WEIR_*` variable; every problem is reported, not
// only the first, each with its file and line, its variable or its flag.

import { availableParallelism } from 'node:os'
import { dirname, resolve } from 'node:path'
import type { z } from 'zod'
import { issueWords } from '../../schemas/issue-words.js'
import { nearestName } from '../../schemas/nearest-name.js'
import { settingsWith } from './base-settings.js'
import { Layers } from './config-layers.js'
import { type FileConfig, fileSchemaWith } from './config-schema.js'
import { keysAt } from './known-keys.js'
import type { Setting, SettingsSection } from './setting.js'

export interface WeirConfig {
  /**
   * Absolute, like every path here. The embedded servers store their data in `nats` and `clickhouse` below
   * it.
   */
  readonly dataDir: string
  readonly nats: {
    /** The servers of one cluster to connect to; undefined: Weir runs an embedded server. */
    readonly url: readonly string[] | undefined
    /** The user for `url`; an embedded server has users of its own. */
    readonly user: string | undefined
    readonly password: string | undefined
    readonly token: string | undefined
    /** Path of a credentials file. */
    readonly creds: string | undefined
    /** Paths of PEM files, for TLS. */
    readonly ca: string | undefined
    readonly cert: string | undefined
    readonly key: string | undefined
    readonly server: string | undefined
    readonly port: number | undefined
    /** Port of the embedded server's listener for WebSocket; undefined: it has none. */
    readonly websocketPort: number | undefined
    /** Origins of web pages that may connect to it. */
    readonly websocketOrigins: readonly string[]
    /** Replicas of the streams that Weir creates; default 1. */
    readonly replicas: number
    readonly bulk: 'sockets' | 'client'
  }
  readonly clickhouse: {
    readonly url: string | undefined
    /** Undefined: `default` with `url`, else the user that Weir creates. */
    readonly user: string | undefined
    readonly password: string | undefined
    /** Path of a PEM file, for TLS. */
    readonly ca: string | undefined
    readonly database: string
    readonly port: number | undefined
    readonly maxMemoryBytes: number | undefined
    readonly origins: readonly string[]
  }
  readonly http: {
    readonly host: string
    /** 0: a free port. */
    readonly port: number
    /** `open` requires no key. */
    readonly auth: 'keys' | 'open'
  }
  readonly partitions: number
  readonly workers: number
  readonly dedupeHorizonDays: number
  readonly parkedTtlDays: number
  readonly parkedBytes: number
  readonly commit: { readonly maxEvents: number; readonly lingerMs: number }
  readonly backpressure: {
    readonly maxPendingMessages: number
    readonly maxPendingBytes: number
    readonly maxLedgerBytes: number
    readonly maxInFlightBytes: number
  }
  /** The sections of the features, by name; `sectionOf` gives the type. */
  readonly sections: Readonly<Record<string, unknown>>
  /** The folder that paths within a section are relative to: that of the file, else the working directory. */
  readonly folder: string
  /** Reads a variable that a section names, such as one that holds a secret. */
  readonly variable: (name: string) => string | undefined
  /** How long a stop may finish what is in hand. */
  readonly drainMs: number
  readonly catalog: readonly string[]
  readonly logLevel: FileConfig['log_level']
}

export interface ConfigProblem {
  readonly file?: string
  readonly line?: number
  /** The dotted path of the setting; '' for the file as a whole. */
  readonly path: string
  readonly code: string
  readonly message: string
}

export interface ConfigSources {
  /** The sections that features bring. */
  readonly sections: readonly SettingsSection[]
  /** Default: the variable `WEIR_CONFIG`; without both, no file is read. */
  readonly file?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /**
   * Flags by the setting's dotted name in the file: `{ 'http.port': 8080 }`. An undefined value counts as
   * absent.
   */
  readonly flags?: Readonly<Record<string, unknown>>
}

export type LoadedConfig =
  | { readonly kind: 'ok'; readonly config: WeirConfig }
  | { readonly kind: 'invalid'; readonly problems: readonly ConfigProblem[] }

/** The section of a feature, with its type. */
export function sectionOf<T>(config: WeirConfig, { name }: SettingsSection<T>): T {
  return config.sections[name] as T // the section's own schema has read it
}

export function loadConfig({ sections, file, env, flags = {} }: ConfigSources): LoadedConfig {
  const settings = settingsWith(sections)
  const layers = new Layers()
  const path = file ?? env['WEIR_CONFIG']
  const fileName = path === undefined || path === '' ? undefined : path
  if (fileName !== undefined) layers.addFile(fileName, settings)
  layers.addVariables(env, settings)
  layers.addFlags(flags, settings)
  const schema = fileSchemaWith(sections)
  const parsed = schema.safeParse(layers.raw)
  const problems: ConfigProblem[] = layers.problems.map(({ source, line, path, code, message }) =>
    problemAt(source, line, fileName, path, code, message),
  )
  if (!parsed.success) {
    const known: Known = { settings, keysAt: path => keysAt(schema, path) }
    for (const issue of parsed.error.issues) problems.push(...problemsOf(issue, layers, fileName, known))
  } else problems.push(...problemsAcross(sections, parsed.data, layers, fileName))
  if (problems.length > 0 || !parsed.success) return { kind: 'invalid', problems: problems.toSorted(byLine) }
  const folder = fileName === undefined ? resolve('.') : dirname(resolve(fileName))
  const config = { ...toConfig(parsed.data, sections), folder, variable: (name: string) => env[name] }
  return { kind: 'ok', config }
}

/** Orders problems of the file by line; problems without a line come last. */
function byLine(a: ConfigProblem, b: ConfigProblem): number {
  return (a.line ?? Infinity) - (b.line ?? Infinity) || 0
}

/** `weir.yaml:3: http.port: …`, one line for people. */
export function describeProblem({ file, line, path, message }: ConfigProblem): string {
  const place = file === undefined ? '' : `${file}${line === undefined ? '' : `:${line}`}: `
  return `${place}${path === '' ? '' : `${path}: `}${message}`
}

/** What sections say against each other. */
function problemsAcross(
  sections: readonly SettingsSection[],
  values: Readonly<Record<string, unknown>>,
  layers: Layers,
  file: string | undefined,
): ConfigProblem[] {
  return sections
    .flatMap(({ against }) => against?.(values) ?? [])
    .map(({ path, code, message }) => {
      const origin = layers.originOf(path)
      return problemAt(origin?.source, origin?.line, file, named(path), code, message)
    })
}

/** What a misspelt setting may have been. */
interface Known {
  readonly settings: readonly Setting[]
  keysAt(path: readonly PropertyKey[]): readonly string[]
}

function problemsOf(
  issue: z.core.$ZodIssue,
  layers: Layers,
  file: string | undefined,
  known: Known,
): ConfigProblem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => {
      const path = [...issue.path, key]
      const origin = layers.originOf(path)
      return problemAt(
        origin?.source,
        origin?.line,
        file,
        named(path),
        'unknown_key',
        unknownKey(issue.path, key, known),
      )
    })
  }
  const origin = layers.originOf(issue.path)
  const code = issue.code === 'invalid_type' ? 'wrong_type' : 'invalid_value'
  return [problemAt(origin?.source, origin?.line, file, named(issue.path), code, issueWords(issue))]
}

function problemAt(
  source: string | undefined,
  line: number | undefined,
  file: string | undefined,
  path: string,
  code: string,
  message: string,
): ConfigProblem {
  if (source === undefined || source === file) {
    return {
      ...(source === undefined ? {} : { file: source }),
      ...(line === undefined ? {} : { line }),
      path,
      code,
      message,
    }
  }
  return { path, code, message: `${message} (from ${source})` }
}

function named(path: readonly PropertyKey[]): string {
  return path.map(String).join('.')
}

/** The same name in other letters, here or elsewhere, else the nearest name of its own section. */
function unknownKey(section: readonly PropertyKey[], key: string, known: Known): string {
  const beside = known.keysAt(section).map(one => named([...section, one]))
  const all = [...beside, ...known.settings.map(({ path }) => named(path))]
  const nearest =
    all.find(name => lastName(name) === lastName(key)) ??
    nearestName(named([...section, key]), beside.length === 0 ? all : beside)
  return `There is no such setting; the nearest is ${nearest}.`
}

function lastName(path: string): string {
  return path.split('.').at(-1)!.replaceAll(/[-_]/g, '').toLowerCase()
}

function toConfig(
  file: FileConfig,
  sections: readonly SettingsSection[],
): Omit<WeirConfig, 'folder' | 'variable'> {
  const values: Readonly<Record<string, unknown>> = file
  return {
    dataDir: resolve(file.data_dir),
    nats: {
      url: file.nats.url,
      user: file.nats.user,
      password: file.nats.password,
      token: file.nats.token,
      creds: file.nats.creds,
      ca: file.nats.ca,
      cert: file.nats.cert,
      key: file.nats.key,
      server: file.nats.server,
      port: file.nats.port,
      websocketPort: file.nats.websocket_port,
      websocketOrigins: file.nats.websocket_origins,
      replicas: file.nats.replicas,
      bulk: file.nats.bulk,
    },
    clickhouse: {
      url: file.clickhouse.url,
      user: file.clickhouse.user,
      password: file.clickhouse.password,
      ca: file.clickhouse.ca,
      database: file.clickhouse.database,
      port: file.clickhouse.port,
      maxMemoryBytes: file.clickhouse.max_memory_bytes,
      origins: file.clickhouse.origins,
    },
    http: file.http,
    partitions: file.partitions,
    workers: Math.min(file.workers ?? availableParallelism(), file.partitions),
    dedupeHorizonDays: file.dedupe_horizon_days,
    parkedTtlDays: file.parked_ttl_days,
    parkedBytes: file.parked_bytes,
    commit: { maxEvents: file.commit.max_events, lingerMs: file.commit.linger_ms },
    backpressure: {
      maxPendingMessages: file.backpressure.max_pending_messages,
      maxPendingBytes: file.backpressure.max_pending_bytes,
      maxLedgerBytes: file.backpressure.max_ledger_bytes,
      maxInFlightBytes: file.backpressure.max_in_flight_bytes,
    },
    sections: Object.fromEntries(sections.map(({ name }) => [name, values[name]])),
    drainMs: file.drain_seconds * 1_000,
    catalog: file.catalog,
    logLevel: file.log_level,
  }
}
