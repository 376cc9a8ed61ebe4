// The connection to ClickHouse, and the settings of every insert.

import {
  type ClickHouseClient,
  ClickHouseLogLevel,
  type ClickHouseSettings,
  createClient,
} from '@clickhouse/client'

export interface ClickHouseConfig {
  /** `http://host:port`; the embedded ClickHouse or any server. */
  readonly url: string
  readonly user: string
  readonly password: string
  /** Created by the migrations. */
  readonly database: string
  /** PEM text: who vouches for the server of an https URL. Default: the authorities that Node knows. */
  readonly caCertificate?: string
  /** gzip for inserts. Default false: on loopback and in a data centre it costs more time than it saves. */
  readonly compressInserts?: boolean
  /** Time-out of one request, also of an insert. Default 120 s. */
  readonly requestTimeoutMs?: number
  /** Default 10. */
  readonly maxConnections?: number
}

/** A client whose session database is ours, or `default` while ours may not exist yet. */
export function openClickHouse(config: ClickHouseConfig, database = config.database): ClickHouseClient {
  return createClient({
    url: config.url,
    username: config.user,
    password: config.password,
    database,
    application: 'weir',
    request_timeout: config.requestTimeoutMs ?? 120_000,
    max_open_connections: config.maxConnections ?? 10,
    ...(config.caCertificate === undefined ? {} : { tls: { ca_cert: Buffer.from(config.caCertificate) } }),
    // Every error becomes an outcome; the client's log would repeat it, with the statement.
    log: { level: ClickHouseLogLevel.OFF },
    compression: { request: config.compressInserts ?? false, response: false },
    // The cache lost rows that were there in some releases (deploy/embedded/clickhouse/access.ts); a server may have one of them.
    clickhouse_settings: { use_query_condition_cache: 0 },
  })
}

/**
 * An insert that returns has been written, once per token.
 * - One block per insert: deduplication works block by block, so a retry must not be cut differently.
 * - 10,000 parts are remembered per table (`non_replicated_deduplication_window` in the migrations).
 */
export function insertSettings(token: string): ClickHouseSettings {
  return {
    insert_deduplication_token: token,
    insert_deduplicate: 1,
    async_insert: 0,
    wait_end_of_query: 1,
    max_insert_threads: '1',
    input_format_parallel_parsing: 0,
    max_insert_block_size: '100000000',
    min_insert_block_size_rows: '100000000',
    min_insert_block_size_bytes: '0',
    // One range may touch many months (a replay); each becomes a part of its own, deduplicated by the same token.
    max_partitions_per_insert_block: '0',
    date_time_input_format: 'best_effort',
    input_format_skip_unknown_fields: 0,
  }
}
