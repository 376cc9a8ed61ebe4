// The names of the settings that belong to no feature, and the list of all settings. config-schema.ts says
// what values each setting may have.

import { type Setting, type SettingsSection, setting } from './setting.js'

const before: readonly Setting[] = [
  setting('data_dir', 'text', true),
  setting('nats.url', 'list'),
  setting('nats.user'),
  setting('nats.password'),
  setting('nats.token'),
  setting('nats.creds', 'text', true),
  setting('nats.ca', 'text', true),
  setting('nats.cert', 'text', true),
  setting('nats.key', 'text', true),
  setting('nats.server', 'text', true),
  setting('nats.port', 'number'),
  setting('nats.websocket_port', 'number'),
  setting('nats.websocket_origins', 'list'),
  setting('nats.replicas', 'number'),
  setting('nats.bulk'),
  setting('clickhouse.url'),
  setting('clickhouse.user'),
  setting('clickhouse.password'),
  setting('clickhouse.ca', 'text', true),
  setting('clickhouse.database'),
  setting('clickhouse.port', 'number'),
  setting('clickhouse.max_memory_bytes', 'number'),
  setting('clickhouse.origins', 'list'),
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
]
const after: readonly Setting[] = [
  setting('drain_seconds', 'number'),
  setting('catalog', 'list', true),
  setting('log_level'),
]

/** The settings that a variable or a flag can set. For `http.port`, `WEIR_HTTP_PORT` is the variable. */
export function settingsWith(sections: readonly SettingsSection[]): readonly Setting[] {
  return [...before, ...sections.flatMap(section => section.settings), ...after]
}
