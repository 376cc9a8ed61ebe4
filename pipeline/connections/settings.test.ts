// The settings of connections as `weir validate` reads them, and their secrets.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { webhookKind } from '../../sinks/webhook/kind.js'
import { validateCommand } from '../cli/validate-command.js'
import { describeProblem, loadConfig, sectionOf } from '../config/config.js'
import { readSecret } from '../config/secrets.js'
import { AccountLimiters } from './account-limiters.js'
import { connectorKinds } from './kinds.js'
import { connectionsSettings } from './settings.js'

const folder = mkdtempSync(join(tmpdir(), 'weir-settings-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function load(text: string) {
  const file = join(folder, 'weir.yaml')
  writeFileSync(file, text)
  return loadConfig({ sections: [connectionsSettings], file, env: { HOOK: 'not-a-secret', EMPTY: '' } })
}

test('what is wrong with a connection is told with its line', () => {
  const loaded = load(`connections:
  - { name: hook, kind: webhook, url: "https://a:b@x.example", auth: { secrets: [ whsec_plain ] } }
  - { name: books, kind: file, folder: out, format: xlsx }
  - { name: ledger, kind: webhok }
  - { name: late, kind: file, folder: late, format: csv, mode: shadow }
`)
  const problems = loaded.kind === 'invalid' ? loaded.problems.map(describeProblem) : []
  expect(problems.map(text => text.replace(folder, ''))).toEqual([
    '/weir.yaml:2: connections.0.url: no credentials here: a webhook is signed with auth.secrets.',
    '/weir.yaml:2: connections.0.auth.secrets.0: a secret is named by { file: … } or { variable: … }.',
    '/weir.yaml:3: connections.1.format: It must be one of ndjson, csv, parquet.',
    `/weir.yaml:4: connections.2.kind: is one of ${connectorKinds.map(one => one.kind).join(', ')}; the nearest known name is webhook.`,
    '/weir.yaml:5: connections.3.mode: It must be one of read_only, controlled, automatic.',
  ])
})

test('a controlled connection names whose records go; without a mode every record goes', () => {
  const loaded = load(`connections:
  - { name: a, kind: file, folder: a, format: csv, mode: controlled }
`)
  expect(loaded.kind === 'invalid' ? loaded.problems.map(describeProblem) : []).toEqual([
    `${folder}/weir.yaml:2: connections.0.allow: names the entities or the customers whose records go, with the mode controlled.`,
  ])
  const valid = load(`connections:
  - { name: a, kind: file, folder: a, format: csv, mode: controlled, allow: { customers: [ acme ] } }
  - { name: b, kind: file, folder: b, format: csv, class: state }
`)
  if (valid.kind === 'invalid') throw new Error(valid.problems.map(describeProblem).join())
  expect(sectionOf(valid.config, connectionsSettings)).toMatchObject([
    { mode: 'controlled', allow: { entities: [], customers: ['acme'] }, class: 'money' },
    { mode: 'automatic', allow: { entities: [], customers: [] }, class: 'state' },
  ])
})

test('connections of one account have one rate, and wait for each other', async () => {
  const hook = 'kind: webhook, url: "https://x.example", auth: { secrets: [ { variable: HOOK } ] }'
  const loaded = load(`connections:
  - { name: a, ${hook}, rate: { concurrent: 1, account: books } }
  - { name: b, ${hook}, rate: { concurrent: 2, account: books } }
  - { name: c, ${hook}, rate: { concurrent: 2, account: others } }
`)
  expect(loaded.kind === 'invalid' ? loaded.problems.map(describeProblem) : []).toEqual([
    `${folder}/weir.yaml:3: connections.1.rate: has the account of the connection a, and another rate; connections of one account share one rate.`,
  ])
  const limiters = new AccountLimiters()
  const rate = { concurrent: 1, account: 'books' }
  const parts = {} as Parameters<AccountLimiters['of']>[2] // asked for nothing before a request
  expect(limiters.of('webhook', rate, parts)).toBe(limiters.of('webhook', rate, parts))
  expect(limiters.of('xero', rate, parts)).not.toBe(limiters.of('webhook', rate, parts))
  expect(limiters.of('webhook', {}, parts)).not.toBe(limiters.of('webhook', rate, parts))
})

test('an address that paths are added to has nothing behind a ? or a #; the one of a webhook may have a ?', () => {
  const kinds = connectorKinds.map(({ kind }) => kind).filter(kind => kind !== 'file')
  const told = (url: string) => {
    const loaded = load(
      `connections:\n${kinds.map(kind => `  - { kind: ${kind}, url: "${url}" }\n`).join('')}`,
    )
    const problems = loaded.kind === 'invalid' ? loaded.problems.map(describeProblem) : []
    return problems
      .filter(text => text.includes('.url: '))
      .map(text => text.slice(text.indexOf('.url: ') + 6))
  }
  expect(told('https://x.example/a#b')).toEqual(kinds.map(() => 'has no # and nothing behind it.'))
  const mark = 'has no ? and nothing behind it: paths are added to it.'
  expect(told('https://x.example/a?tenant=b')).toEqual(kinds.slice(1).map(() => mark))
})

test('two connections share neither a name nor a folder', () => {
  const loaded = load(`connections:
  - { name: a, kind: file, folder: out, format: csv }
  - { name: a, kind: file, folder: out, format: csv }
`)
  expect(loaded.kind === 'invalid' ? loaded.problems.map(({ path }) => path) : []).toEqual([
    'connections.1.name',
    'connections.1.folder',
  ])
})

test('without the section there is no connection', () => {
  const loaded = load('partitions: 1\n')
  if (loaded.kind === 'invalid') throw new Error(loaded.problems.map(describeProblem).join())
  expect(sectionOf(loaded.config, connectionsSettings)).toEqual([])
})

test('a secret comes from a file beside the configuration or from a variable, and what is none is told and not shown', () => {
  const loaded = load('partitions: 1\n')
  if (loaded.kind === 'invalid') throw new Error('it is valid')
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
  writeFileSync(join(folder, 'secret'), `${secret}\n`)
  const { config } = loaded
  expect(readSecret({ file: 'secret' }, config)).toEqual({ kind: 'ok', secret })
  for (const source of [
    { file: 'gone' },
    { variable: 'HOOK' },
    { variable: 'EMPTY' },
    { variable: 'UNSET' },
  ]) {
    const read = readSecret(source, config, webhookKind.secretProblem)
    expect(read).toMatchObject({ kind: 'stopped', code: 'credentials_missing' })
    expect(JSON.stringify(read)).not.toContain('not-a-secret')
  }
})

test('validate tells a secret file that is not there; one that is there passes', async () => {
  const file = join(folder, 'hook.yaml')
  const hook =
    'name: hook, kind: webhook, url: "https://x.example", auth: { secrets: [ { file: hook.secret } ] }'
  writeFileSync(file, `connections:\n  - { ${hook} }\n`)
  const out: string[] = []
  const writer = { write: (text: string) => out.push(text) }
  const validate = () =>
    validateCommand({ files: [file], json: false }, { stdout: writer, stderr: writer, isTTY: false })
  expect(await validate()).toBe(78)
  expect(out.join('')).toMatch(
    /connections\.0\.auth\.secrets\.0\.file: .*hook\.secret cannot be read: ENOENT\./,
  )
  writeFileSync(join(folder, 'hook.secret'), `whsec_${Buffer.alloc(32, 7).toString('base64')}`)
  expect(await validate()).toBe(0)
})
