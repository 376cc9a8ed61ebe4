// The rows of docs/compatibility.md, in the order of clients, then of what was run. A row says only what its test
// runs: who adds or changes one runs `WEIR_WRITE_DOCS=1 npx vitest run pipeline/testing/clients/compatibility.test.ts`.

import type { CompatibilityRow } from './compatibility.js'

export const compatibilityRows: readonly CompatibilityRow[] = [
  {
    client: 'ClickHouse client for JavaScript, Node',
    package: '@clickhouse/client',
    test: 'clickhouse-client-inserts.test.ts',
    what: 'inserts: every JSON and text format, columns, types, times, streams',
    result: 'works',
  },
  {
    client: 'ClickHouse client for JavaScript, Node',
    package: '@clickhouse/client',
    test: 'clickhouse-client.test.ts',
    what: 'queries: statements, formats, parameters, settings, errors, packing, aborts',
    result: 'works',
  },
  {
    client: 'ClickHouse client for JavaScript, web',
    package: '@clickhouse/client-web',
    test: 'clickhouse-client-inserts.test.ts',
    what: 'inserts: every JSON format, columns, types, times',
    result: 'works',
  },
  {
    client: 'ClickHouse client for JavaScript, web',
    package: '@clickhouse/client-web',
    test: 'clickhouse-client.test.ts',
    what: 'queries: statements, formats, parameters, settings, errors, packing, aborts',
    result: 'works',
  },
  {
    client: 'CloudEvents SDK for JavaScript',
    package: 'cloudevents',
    test: 'cloudevents.test.ts',
    what: 'structured, binary and batch mode over HTTP; events without data, with data as bytes',
    result: 'works',
  },
  {
    client: 'CloudEvents SDK for JavaScript',
    package: 'cloudevents',
    test: 'cloudevents.test.ts',
    what: 'the messages that it makes, published over NATS: structured, and binary with `ce-` headers',
    result: 'works',
  },
  {
    client: 'Cube',
    package: '@cubejs-backend/clickhouse-driver',
    version: '1.7.43',
    test: 'clickhouse-recorded.test.ts',
    what: 'requests recorded from it: schema, questions, downloads, streams',
    result: 'works',
  },
  {
    client: 'Grafana, ClickHouse data source',
    package: 'grafana-clickhouse-datasource',
    version: 'sources of 2026',
    test: 'clickhouse-recorded.test.ts',
    what: 'requests over HTTP, made from its sources: health, schema, suggestions, panels',
    result:
      'works; settings that the plugin enforces need a user who may change them, which the reader may not',
  },
  {
    client: 'Metabase',
    package: 'metabase-clickhouse-driver',
    version: 'sources of 2026',
    test: 'clickhouse-recorded.test.ts',
    what: 'requests made from its sources: check, zone, version, sync, questions',
    result: 'works; `SET ROLE` is refused (497)',
  },
  {
    client: 'clickhouse-go over HTTP',
    package: 'github.com/ClickHouse/clickhouse-go/v2',
    version: '2.46.0',
    test: 'clickhouse-recorded.test.ts',
    what: 'requests made from its sources: handshake, ping, Native answers and batches, LZ4, gzip',
    result: 'works; columns of aggregation states, Dynamic and JSON (except as text) are refused (48)',
  },
  {
    client: 'clickhouse-jdbc',
    package: 'com.clickhouse:clickhouse-jdbc',
    version: 'sources of 2026',
    test: 'clickhouse-recorded.test.ts',
    what: 'requests made from its sources: connection, metadata, prepared statements, LZ4',
    result: 'works',
  },
  {
    client: 'curl',
    package: 'curl',
    version: 'any',
    test: 'clickhouse-recorded.test.ts',
    what: 'statements, logins, formats, parameters and rows in the address, headers and body',
    result: 'works',
  },
  {
    client: 'knex',
    package: '@dnap/knex-clickhouse-dialect',
    version: '1.0.2',
    test: 'clickhouse-recorded.test.ts',
    what: 'requests recorded from it: raw, create, insert, select, count, delete, drop',
    result: 'works',
  },
  {
    client: 'kysely',
    package: '@founderpath/kysely-clickhouse',
    test: 'clickhouse-builders.test.ts',
    what: 'inserts, selects, groups, introspection',
    result: 'works',
  },
]
