// Tests how a request's SQL is classified, with any content in strings, names and comments.

import { expect, test } from 'vitest'
import { readMultipart } from './multipart.js'
import { tokens } from './sql-tokens.js'
import { readStatement } from './statement.js'

function insertParts(sql: string) {
  const statement = readStatement(sql)
  if (statement.kind !== 'insert_data') throw new Error(statement.kind)
  return {
    head: sql.slice(0, statement.headEnd).trim(),
    settings: statement.settings.trim(),
    format: statement.format,
    data: sql.slice(statement.dataStart),
  }
}

test('words inside strings, names, comments and here-documents are no clauses', () => {
  const sql = `SELECT 'FORMAT '' \\' x', "FORMAT", \`a\`\`b\` /* ; */ -- ;\n, $t$ ; FORMAT $t$ # ;\n, x`
  expect([...tokens(sql)].filter(token => token.kind === 'word').map(token => token.text)).toEqual([
    'SELECT',
    'X',
  ])
  expect(readStatement(sql)).toMatchObject({ kind: 'read', format: null })
})

test.each([
  ['SELECT 1', 'read', null, true],
  ['  -- note\n select 1 FORMAT JSONEachRow;', 'read', 'JSONEachRow', true],
  ['SELECT format FROM t', 'read', null, true],
  ['SELECT 1 AS format', 'read', null, true],
  ['SELECT 1 FORMAT CSV SETTINGS max_threads = 1', 'read', 'CSV', true],
  ['SELECT (SELECT 1) FORMAT CSV', 'read', 'CSV', false],
  ['SELECT a, sum(b) FROM t GROUP BY a WITH TOTALS', 'read', null, false],
  ['(SELECT 1) UNION ALL (SELECT 2)', 'read', null, false],
  ['WITH 1 AS x SELECT x', 'read', null, false],
  ['SHOW TABLES', 'read', null, false],
])('%s is read', (sql, kind, format, joinable) => {
  expect(readStatement(sql)).toMatchObject({ kind, format, joinable })
})

test('what changes things is told from what reads', () => {
  expect(readStatement('CREATE TABLE t (a Int8) ENGINE = Memory')).toMatchObject({
    kind: 'change',
    format: null,
  })
  expect(readStatement('INSERT INTO t SELECT 1')).toMatchObject({ kind: 'change' })
  expect(readStatement('INSERT INTO t (a) (SELECT 1)')).toMatchObject({ kind: 'change' })
  expect(readStatement(' /* nothing */ ;')).toEqual({ kind: 'empty' })
  expect(readStatement("KILL QUERY WHERE query_id = 'x'")).toMatchObject({ kind: 'kill' })
  expect(readStatement('KILL QUERY WHERE 1 SYNC FORMAT JSON')).toMatchObject({
    what: 'queries',
    format: 'JSON',
  })
  expect(() => readStatement('KILL MUTATION WHERE 1 SYNC')).toThrow('never returns')
})

test('the rows of an insert begin where the engine would see them', () => {
  expect(insertParts('INSERT INTO t FORMAT CSV\n1,2\n')).toEqual({
    head: 'INSERT INTO t',
    settings: '',
    format: 'CSV',
    data: '1,2\n',
  })
  expect(insertParts('INSERT INTO t (a, b) VALUES (1), (2);')).toMatchObject({
    format: 'Values',
    data: '(1), (2);',
  })
  expect(insertParts("INSERT INTO db.values (format) SETTINGS a = 'x' FORMAT TSV \r\n\n1")).toEqual({
    head: 'INSERT INTO db.values (format)',
    settings: "SETTINGS a = 'x'",
    format: 'TSV',
    data: '\n1',
  })
  expect(insertParts("INSERT INTO FUNCTION file(a) FORMAT CSV SETTINGS a = -1, b = 'x'\n5")).toEqual({
    head: 'INSERT INTO FUNCTION file(a)',
    settings: "SETTINGS a = -1, b = 'x'",
    format: 'CSV',
    data: '5',
  })
  expect(insertParts('INSERT INTO t')).toEqual({
    head: 'INSERT INTO t',
    settings: '',
    format: null,
    data: '',
  })
})

test('several statements, files of the server and its outfiles are refused', () => {
  expect(() => readStatement('SELECT 1; SELECT 2')).toThrow('Multi-statements are not allowed')
  expect(() => readStatement("INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV")).toThrow(/infile/)
  expect(() => readStatement("SELECT 1 INTO OUTFILE '/tmp/x'")).toThrow(/OUTFILE/)
  expect(readStatement("SELECT 'a;b';  -- end;")).toMatchObject({ kind: 'read', end: 12 })
})

test('fields and files of a form keep their bytes', () => {
  const part = (head: string, value: string) =>
    `--B\r\nContent-Disposition: form-data; ${head}\r\n\r\n${value}\r\n`
  const body = `${part('name="query"', "SELECT 'é\r\n'")}${part('name="t"; filename="t.tsv"', '1\r\n2\n')}--B--\r\n`
  const { fields, files } = readMultipart(Buffer.from(body), 'B')
  expect(fields).toEqual(new Map([['query', "SELECT 'é\r\n'"]]))
  expect(files.map(({ name, bytes }) => [name, `${bytes}`])).toEqual([['t', '1\r\n2\n']])
})
