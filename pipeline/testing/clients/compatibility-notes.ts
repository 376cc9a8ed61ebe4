// What docs/compatibility.md says beside its table: clients whose own tests were read.

/** Each of these is held by `clickhouse-client-limits.test.ts`. */
export const clickhouseNotes = `
## ClickHouse's own tests of its JavaScript clients

Most of the integration tests of \`@clickhouse/client\` and \`@clickhouse/client-web\` that talk to a server were read, and what they
ask of it is run by \`clickhouse-client*.test.ts\`; that suite itself was not run. What they would find different in the embedded
ClickHouse, and why:

| what they ask | what they get | why |
| --- | --- | --- |
| rows of \`system.query_log\` and \`system.opentelemetry_span_log\` (4 tests) | 60, unknown table | the engine is a library: it writes no logs into tables |
| \`CREATE USER\`, \`CREATE ROLE\`, then what these may do (20 tests) | refused in words | the users are fixed, \`weir\` and \`analyst\`; what the tests then ask of a read-only user holds for \`analyst\` |
| the order of lines of \`JSONEachRowWithProgress\` (2 tests) | all lines, the progress behind the rows | the engine hands out this format only when the result is complete |
| an error among the lines of \`JSONEachRowWithProgress\` (1 test) | the same error, before the first line | the same |
| an insert that excludes every column (1 test) | refused: \`Empty list of columns to insert\` | ClickHouse takes it and drops the rows; rows are not dropped in silence here |

With a ClickHouse server of your own (\`clickhouse.url\`) all of them are as ClickHouse has them.
`
