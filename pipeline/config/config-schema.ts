// What a configuration file holds: each setting with its bounds and default, and the sections that features bring. The names
// in `WeirConfig` are the same in camelCase; a feature reads its section as it stands in the file.

import { z } from 'zod'
import type { SettingsSection } from './setting.js'

const mib = 1 << 20
const text = z.string().min(1)
const port = z.int().min(0).max(65_535)

const before = {
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
}

const after = {
  /** Catalog files that are published at start when they are new. */
  catalog: z.array(text).default([]),
  log_level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
}

const base = z.strictObject({ ...before, ...after })
export type FileConfig = z.output<typeof base>

/** Unknown keys are refused: a setting that is misspelt must not be a default. */
export function fileSchemaWith(sections: readonly SettingsSection[]): typeof base {
  const ofFeatures: object = Object.fromEntries(sections.map(({ name, schema }) => [name, schema(z)]))
  return z.strictObject({ ...before, ...ofFeatures, ...after })
}
