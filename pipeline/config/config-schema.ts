// The schema of a configuration file: each setting with its bounds and default, and the sections that
// features bring. `WeirConfig` has the same names in camelCase; a feature gets its section with the names of
// the file.

import { z } from 'zod'
import { leastEngineBytes } from '../../deploy/embedded/clickhouse/memory.js'
import type { SettingsSection } from './setting.js'

const mib = 1 << 20
const text = z.string().min(1)
const port = z.int().min(0).max(65_535)

const noCredentials = 'no credentials here: set nats.user and nats.password, or others below nats'
const natsUrl = text
  .refine(url => !url.includes('@'), { error: noCredentials, abort: true })
  .regex(
    /^((nats|tls):\/\/)?(\[[0-9a-f:]+\]|[^\s:/@,]+)(:\d{1,5})?\/?$/i,
    'is nats://host:port or tls://host:port; several stand in a list, or with commas between them',
  )
/** One URL, several with commas between them, or a list. */
const natsUrls = z
  .union([text, z.array(text).min(1)], 'is a URL, several with commas between them, or a list of URLs')
  .transform(urls => (typeof urls === 'string' ? urls.split(',') : urls).map(url => url.trim()))
  .pipe(z.array(natsUrl))

const before = {
  data_dir: text.default('weir-data'),
  nats: z
    .strictObject({
      /** A server, or servers of one cluster, to connect to; without it Weir runs an embedded server. */
      url: natsUrls.optional(),
      /** Login for the server of `url`; values that are absent are not sent. */
      user: text.optional(),
      password: text.optional(),
      token: text.optional(),
      /** A credentials file (JWT and seed). */
      creds: text.optional(),
      /** PEM files for TLS: who vouches for the servers, and our own certificate with its key. */
      ca: text.optional(),
      cert: text.optional(),
      key: text.optional(),
      /** The binary to run. */
      server: text.optional(),
      port: port.optional(),
      /** The embedded server takes clients over WebSocket too, on this port of loopback. Absent: it does not. */
      websocket_port: port.min(1).optional(),
      /** The web pages whose scripts may connect, such as `https://app.example`; empty: no page may. */
      websocket_origins: z
        .array(
          text.regex(
            /^https?:\/\/[^\s/?#"]+$/,
            'an origin is a scheme, a host and perhaps a port, such as https://app.example',
          ),
        )
        .default([]),
      /** Copies of each stream that is made now; an odd number, since more than half must agree. */
      replicas: z.literal([1, 3, 5], 'is 1, 3 or 5').default(1),
      /** What inputs, commits and snapshots go over: sockets of our own, or the stock client's connection. */
      bulk: z.enum(['sockets', 'client']).default('sockets'),
    })
    .superRefine(refuseWithoutServer)
    .prefault({}),
  clickhouse: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .refine(url => !url.includes('@'), 'no credentials here: set clickhouse.user and clickhouse.password')
        .optional(),
      /**
       * Default: `default` with `url`; without `url` it is `weir`, whose password is made at the first start.
       */
      user: text.optional(),
      password: z.string().optional(),
      /** A PEM file: who vouches for the server of an https URL. */
      ca: text.optional(),
      database: z
        .string()
        .regex(/^[A-Za-z_]\w*$/, 'a name of letters, digits and _')
        .default('weir'),
      port: port.optional(),
      /**
       * Memory of the embedded engine: its statements, merges and caches. Default: half of what the machine or the
       * container has.
       */
      max_memory_bytes: z.int().min(leastEngineBytes).optional(),
      /** Origins whose web pages may send requests to the embedded server, as a browser names them. Default: none. */
      origins: z
        .array(
          z
            .string()
            .refine(
              text => URL.canParse(text) && new URL(text).origin === text,
              'an origin, as in https://dashboards.example.com',
            ),
        )
        .default([]),
    })
    .prefault({}),
  http: z
    .strictObject({
      host: text.default('127.0.0.1'),
      port: port.default(8080),
      /** `open` requires no key; for a machine that only its owner can reach. */
      auth: z.enum(['keys', 'open']).default('keys'),
    })
    .prefault({}),
  /** The number of partitions; fixed when the streams are made. */
  partitions: z.int().min(1).max(32).default(4),
  /** Worker threads. Default: one less than the number of processors. */
  workers: z.int().min(1).max(128).optional(),
  dedupe_horizon_days: z.int().min(35, 'at least 35: nothing may count twice within that time').default(35),
  parked_ttl_days: z.number().positive().max(365).default(7),
  parked_bytes: z
    .int()
    .min(48 * mib)
    .default(64 * mib),
  commit: z
    .strictObject({
      max_events: z.int().min(1).max(1_000_000).default(50_000),
      linger_ms: z.int().min(0).max(10_000).default(200),
    })
    .prefault({}),
  /** When the gateway tells clients to slow down (pipeline/health/pressure.ts). */
  backpressure: z
    .strictObject({
      /** Messages of one partition that wait to be processed. */
      max_pending_messages: z.int().min(1).default(100_000),
      /** Bytes of `METERING` that wait to be processed. */
      max_pending_bytes: z
        .int()
        .min(mib)
        .default(4096 * mib),
      /** Bytes of `LEDGER` that wait to be in ClickHouse; above this limit usage is left unprocessed. */
      max_ledger_bytes: z
        .int()
        .min(mib)
        .default(8192 * mib),
      /** Bytes of request bodies that the gateway holds at once. */
      max_in_flight_bytes: z.int().min(8_000_000).default(128_000_000),
    })
    .prefault({}),
}

const after = {
  /** How long a stop may finish what is in hand. What is not finished waits on disk for the next start. */
  drain_seconds: z.number().min(1).max(3_600).default(25),
  /** Catalog files that are published at start when they are new. */
  catalog: z.array(text).default([]),
  log_level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
}

const base = z.strictObject({ ...before, ...after })
export type FileConfig = z.output<typeof base>

/**
 * The schema of the file. It refuses unknown keys, so that a misspelt setting does not silently get its
 * default.
 */
export function fileSchemaWith(sections: readonly SettingsSection[]): typeof base {
  const ofFeatures: object = Object.fromEntries(sections.map(({ name, schema }) => [name, schema(z)]))
  return z.strictObject({ ...before, ...ofFeatures, ...after })
}

interface NatsSettings {
  readonly url?: readonly string[] | undefined
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly replicas: number
}

/** Refuses what only servers of one's own can do, and half of a certificate. */
function refuseWithoutServer(
  { url, ca, cert, key, replicas }: NatsSettings,
  context: { addIssue: (issue: { code: 'custom'; path: PropertyKey[]; message: string }) => void },
): void {
  const refuse = (path: string, message: string): void =>
    context.addIssue({ code: 'custom', path: [path], message })
  if (url === undefined && replicas > 1)
    refuse('replicas', 'more than 1 needs a cluster: set nats.url; the embedded server is one server')
  if (url === undefined && (ca ?? cert ?? key) !== undefined)
    refuse(ca === undefined ? 'cert' : 'ca', 'TLS is for servers of your own: set nats.url')
  if ((cert === undefined) !== (key === undefined))
    refuse(cert === undefined ? 'key' : 'cert', 'nats.cert and nats.key belong together')
}
