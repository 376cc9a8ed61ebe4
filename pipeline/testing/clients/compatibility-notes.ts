// What docs/compatibility.md says beside its table: a run of the tests that ClickHouse's JavaScript clients have of their own.

/** The run was by hand. What fails in it is held by `clickhouse-client-limits.test.ts`, the size of a document by `clickhouse-memory.test.ts`. */
export const clickhouseNotes = `
## ClickHouse's own tests of its JavaScript clients

Run on 27 November 2026 with \`@clickhouse/client\` and \`@clickhouse/client-web\` 1.23.1, against the ClickHouse that \`weir start\` embeds
(26.7.2), as its user \`weir\`, over HTTP and for the tests of TLS through a TLS front. The tests are those of the clients' repository
that talk to a server, in the newest form that we could get of each file rather than of one release, brought to one test runner
(vitest); those that the repository skips (keep-alive, a query cancelled on the server, progress in the web client) were run too.

| tests | pass | fail | cannot begin | of what |
| --- | --- | --- | --- | --- |
| for both clients, with the client for Node | 173 | 6 | 20 | aborts, logins, settings, types, times, errors, exec, command, inserts, columns, parameters, multipart, sessions, totals, compression, ping, roles |
| the client's for Node | 116 | 5 | 0 | aborts, streams of every JSON and text format, Parquet, RowBinary, connections, keep-alive, summaries, errors in a stream, logger, agents, TLS |
| for both clients, with the client for browsers | 172 | 6 | 20 | as above, without packed requests, which it does not have |
| the client's for browsers | 29 | 0 | 0 | aborts, streams, exec, errors in a stream, ping |

Left out: tests of a server that the test itself plays, of types alone, of tokens of ClickHouse Cloud, of certificates as logins, of live
views, which ClickHouse no longer has, of another JSON parser, and of what 1.23.1 does not have (templates for SQL, external data,
decoded RowBinary). In one the Parquet file was made by the server. Why tests fail or cannot begin, counted with the client for Node:

| what they ask | what they get | why |
| --- | --- | --- |
| rows of \`system.query_log\` and \`system.opentelemetry_span_log\` (4 tests) | 60, unknown table | the engine is a library: it writes no logs into tables |
| \`CREATE USER\`, \`CREATE ROLE\`, then what these may do (20 tests, which cannot begin) | refused in words | the users are fixed, \`weir\` and \`analyst\`; what the tests then ask of a read-only user holds for \`analyst\` |
| the order of lines of \`JSONEachRowWithProgress\` (2 tests; one passed in one run of four) | all lines, the progress behind the rows | the engine hands out this format only when the result is complete |
| an error among the lines of \`JSONEachRowWithProgress\` (1 test) | the same error, before the first line | the same |
| a \`JSON\` document of 50 million rows, too long for a string (2 tests) | refused (396) before the client can find it too long | a document is made whole in memory, so it has a limit; the same rows as \`JSONEachRow\` come as a stream |
| an error in streamed CSV whose lines end in CR LF (1 test) | an error of the client's own | 1.23.1 takes every CR LF of a stream for the beginning of an error; \`text()\` and lines that end in LF are read |
| an insert that excludes every column (1 test) | refused (90): \`Empty list of columns to insert\` | ClickHouse takes it and drops the rows; rows are not dropped in silence here |

With a ClickHouse server of your own (\`clickhouse.url\`) they are as ClickHouse has them; the client's own error stays.
`
