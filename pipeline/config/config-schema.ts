// Every setting: its name in the file, its variable, its bounds and default. The names in `WeirConfig` are the same in
// camelCase.

import { z } from 'zod'

const mib = 1 << 20
const text = z.string().min(1)
const port = z.int().min(0).max(65_535)

/** What a configuration file holds. Unknown keys are refused: a setting that is misspelt must not be a default. */
export const fileSchema = z.strictObject({
  data_dir: text.default('weir-data'),
  nats: z
    .strictObject({
      /** A server or cluster to connect to; without it one is run here. */
      url: text
        .refine(
          url => !url.includes('@'),
          'no credentials here: set nats.user and nats.password, or others below nats',
        )
        .optional(),
      /** Of a server of one's own; what is not given is not sent. */
      user: text.optional(),
      password: text.optional(),
      token: text.optional(),
      /** A credentials file (JWT and seed). */
      creds: text.optional(),
      /** The binary to run. */
      server: text.optional(),
      port: port.optional(),
      replicas: z.int().min(1).max(5).default(1),
    })
    .prefault({}),
  clickhouse: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .refine(url => !url.includes('@'), 'no credentials here: set clickhouse.user and clickhouse.password')
        .optional(),
      /** Default: `default` with `url`; without it `weir`, whose password is made at the first start. */
      user: text.optional(),
      password: z.string().optional(),
      database: z
        .string()
        .regex(/^[A-Za-z_]\w*$/, 'a name of letters, digits and _')
        .default('weir'),
      port: port.optional(),
    })
    .prefault({}),
  http: z
    .strictObject({
      host: text.default('127.0.0.1'),
      port: port.default(8080),
      /** `open`: nobody is asked for a key. For a machine of one's own. */
      auth: z.enum(['keys', 'open']).default('keys'),
    })
    .prefault({}),
  /** Fixed when the streams are made. */
  partitions: z.int().min(1).max(32).default(4),
  /** Threads. Without it: one less than there are processors. */
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
  /** When the gateway tells clients to slow down (pressure.ts). */
  backpressure: z
    .strictObject({
      /** Of one partition, waiting to be processed. */
      max_pending_messages: z.int().min(1).default(100_000),
      /** Of `METERING`, waiting to be processed. */
      max_pending_bytes: z
        .int()
        .min(mib)
        .default(4096 * mib),
      /** Of `LEDGER`, waiting to be in ClickHouse; beyond it usage is left unprocessed. */
      max_ledger_bytes: z
        .int()
        .min(mib)
        .default(8192 * mib),
      /** Bodies of requests that are at work in the gateway. */
      max_in_flight_bytes: z.int().min(8_000_000).default(128_000_000),
    })
    .prefault({}),
  erp: z.strictObject({ accounts: text.optional(), csv_dir: text.optional() }).prefault({}),
  /** Catalog files that are published at start when they are new. */
  catalog: z.array(text).default([]),
  log_level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
})

export type FileConfig = z.output<typeof fileSchema>

export interface Setting {
  /** Path in the file. */
  readonly path: readonly string[]
  readonly kind: 'text' | 'number' | 'list'
  /** A path on disk: relative to the file that names it, else to the working directory. */
  readonly isPath: boolean
  readonly variable: string
}

const setting = (path: string, kind: Setting['kind'] = 'text', isPath = false): Setting => ({
  path: path.split('.'),
  kind,
  isPath,
  variable: `WEIR_${path.replaceAll('.', '_').toUpperCase()}`,
})

/** What a variable or a flag can set. `http.port` is the flag's key, `WEIR_HTTP_PORT` the variable. */
export const settings: readonly Setting[] = [
  setting('data_dir', 'text', true),
  setting('nats.url'),
  setting('nats.user'),
  setting('nats.password'),
  setting('nats.token'),
  setting('nats.creds', 'text', true),
  setting('nats.server', 'text', true),
  setting('nats.port', 'number'),
  setting('nats.replicas', 'number'),
  setting('clickhouse.url'),
  setting('clickhouse.user'),
  setting('clickhouse.password'),
  setting('clickhouse.database'),
  setting('clickhouse.port', 'number'),
  setting('http.host'),
  setting('http.port', 'number'),
  setting('http.auth'),
  setting('partitions', 'number'),
  setting('workers', 'number'),
  setting('dedupe_horizon_days', 'number'),
  setting('parked_ttl_days', 'number'),
  setting('parked_bytes', 'number'),
  setting('commit.max_events', 'number'),
  setting('commit.linger_ms', 'number'),
  setting('backpressure.max_pending_messages', 'number'),
  setting('backpressure.max_pending_bytes', 'number'),
  setting('backpressure.max_ledger_bytes', 'number'),
  setting('backpressure.max_in_flight_bytes', 'number'),
  setting('erp.accounts', 'text', true),
  setting('erp.csv_dir', 'text', true),
  setting('catalog', 'list', true),
  setting('log_level'),
]
