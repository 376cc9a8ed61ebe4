// What is wrong with the section `sources` is told with its place, before anything starts.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../config/config.js'
import { sourceProblems } from './checks.js'
import { systemsOfRecord } from './owners/owner-rules.js'
import { arrivalsSettings, sourcesSettings } from './settings.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-source-settings-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function problemsOf(source: string, others = ''): Promise<readonly string[]> {
  const file = join(folder, 'weir.yaml')
  await writeFile(file, `sources:\n  - { name: one, ${source} }\n${others}`)
  const sections = [sourcesSettings, arrivalsSettings, systemsOfRecord]
  const loaded = loadConfig({ sections, file, env: {} })
  const problems = loaded.kind === 'invalid' ? loaded.problems : await sourceProblems(loaded.config)
  return problems.map(({ path, message }) => `${path}: ${message}`)
}

test('each kind says which proof it needs, and refuses what it does not have', async () => {
  const secret = 'secrets: [ { variable: S } ]'
  const login = 'auth: [ { username: u, password: { variable: P } } ]'
  const key = 'api_key: { variable: K }'
  const wrong: Record<string, RegExp> = {
    'kind: stripe': /secrets: It is missing/,
    [`kind: stripe, ${secret}, ${login}`]: /auth.*has no login/,
    [`kind: stripe, ${secret}, mapping: map.yaml`]: /mapping.*has no mapping/,
    'kind: recurly': /secrets: or auth/,
    [`kind: recurly, ${secret}`]: /api_key: .*names an object that must be read/,
    [`kind: recurly, ${secret}, ${key}, api_url: "http://example.com"`]: /api_url.*https/,
    [`kind: chargebee, ${secret}`]: /secrets.*signs nothing/,
    [`kind: chargebee, ${login}, confirm_origin: true`]: /api_key: .*confirm_origin/,
    [`kind: chargebee, ${login}, confirm_origin: true, ${key}`]: /site: /,
    [`kind: chargebee, ${login}, zero_when_absent: support`]: /zero_when_absent/,
    'kind: recurley': /kind/,
  }
  for (const [source, words] of Object.entries(wrong)) {
    const told = await problemsOf(source)
    expect([source, told.some(one => words.test(one)), told]).toEqual([source, true, told])
  }
  const right = [`kind: stripe, ${secret}`, `kind: recurly, ${secret}, ${key}`, `kind: recurly, ${login}`]
  for (const source of [...right, `kind: chargebee, ${login}`])
    expect([source, await problemsOf(source)]).toEqual([source, []])
})

test('a file of a key that is not there is named, like those of secrets', async () => {
  const told = await problemsOf('kind: stripe, secrets: [ { file: no.secret } ], api_key: { file: no.key }')
  expect(told.map(one => one.split(':')[0])).toEqual(['sources.0.secrets.0.file', 'sources.0.api_key.file'])
})

test('an owner of a field that is no source and not the API is refused with its line, since it would never speak', async () => {
  const file = join(folder, 'owners.yaml')
  await writeFile(
    file,
    `sources:
  - { name: one, kind: stripe, secrets: [ { variable: S } ] }
systems_of_record:
  - { object: customer, field: name, owner: [one, api] }
  - { object: customer, field: metadata, owner: [one, crn] }
`,
  )
  const loaded = loadConfig({ sections: [sourcesSettings, systemsOfRecord], file, env: {} })
  expect(loaded).toMatchObject({
    kind: 'invalid',
    problems: [
      {
        ...{ file, line: 5, path: 'systems_of_record.1.owner', code: 'unknown_source' },
        message: 'crn is no source; there are api, one',
      },
    ],
  })
  expect(loaded).toHaveProperty('problems.length', 1)
})

test('a misspelt key is told the nearest of its own section', async () => {
  const told = await problemsOf(
    'kind: stripe, secrets: [ { variable: S } ], limits: { body_kbs: 1 }',
    'arrivals: { keep_dayz: 9 }\n',
  )
  expect(told).toContain('arrivals.keep_dayz: There is no such setting; the nearest is arrivals.keep_days.')
  expect(told).toContain(
    'sources.0.limits.body_kbs: There is no such setting; the nearest is sources.0.limits.body_kb.',
  )
})
