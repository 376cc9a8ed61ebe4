// The rules of the configuration: what they say, and that wrong ones are refused with their place.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeProblem, loadConfig } from '../config/config.js'
import { rulesOf } from './exception-desk.js'
import { parseFilter } from './exception-filter.js'
import { groupKeyText, shippedRules } from './group-rules.js'
import { exceptionsSettings } from './settings.js'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-exception-rules-'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

async function load(text: string) {
  const file = join(folder, 'weir.yaml')
  await writeFile(file, text)
  return loadConfig({ sections: [exceptionsSettings], file, env: {} })
}

test('own rules stand before those that ship, and a group rule with a higher version takes the place of its namesake', async () => {
  const loaded = await load(`exceptions:
  group_rules: [ { rule: code, version: 2, by: [code, customer] } ]
  owner_rules: [ { when: { code: invalid_value, type: [a, b] }, owner: data-team } ]
`)
  if (loaded.kind !== 'ok') throw new Error(JSON.stringify(loaded.problems))
  const { groups, owners } = rulesOf(loaded.config)
  expect(groups[0]).toEqual({ rule: 'code', version: 2, by: ['code', 'customer'] })
  expect(groups.filter(({ rule }) => rule === 'code')).toHaveLength(1)
  expect(owners[0]).toEqual({ when: { code: ['invalid_value'], type: ['a', 'b'] }, owner: 'data-team' })
  expect(owners.at(-1)?.when).toEqual({})
})

test('a wrong rule is refused with file and line', async () => {
  const loaded = await load(`exceptions:
  group_rules:
    - { rule: mine, by: [colour] }
  owner_rules:
    - { when: { kind: deadletter }, owner: finance }
    - { when: {}, owner: revops }
    - { when: { field: tokens }, owner: "The Team" }
`)
  const problems = loaded.kind === 'invalid' ? loaded.problems.map(describeProblem) : []
  const at = problems.map(problem => problem.replace(`${folder}/`, '').split(' ').slice(0, 2).join(' '))
  expect(at).toEqual([
    'weir.yaml:3: exceptions.group_rules.0.by.0:',
    'weir.yaml:5: exceptions.owner_rules.0.when.kind:',
    'weir.yaml:6: exceptions.owner_rules.1.when:',
    'weir.yaml:7: exceptions.owner_rules.2.when.field:',
    'weir.yaml:7: exceptions.owner_rules.2.owner:',
  ])
  const shipped = await load('exceptions: { group_rules: [ { rule: cause, by: [code] } ] }')
  expect(shipped.kind === 'invalid' ? shipped.problems.map(({ message }) => message) : []).toEqual([
    'the rule cause ships with version 1; give yours a higher one.',
  ])
})

test('a filter that is wrong says what is wrong and where', () => {
  const errorsOf = (wire: unknown) => {
    const parsed = parseFilter(wire)
    return parsed.kind === 'ok' ? [] : parsed.errors.map(({ pointer, detail }) => `${pointer}: ${detail}`)
  }
  const [unknown] = errorsOf({ colour: 'red' })
  expect(unknown).toContain('/colour: A filter has no key colour; it has id, kind,')
  expect(errorsOf({ from: 'yesterday' })[0]).toContain('/from: ')
  expect(errorsOf({ group: 'cause@2/a' })).toEqual([
    '/group/0: the rule cause has version 1 now; list the groups again',
  ])
  expect(errorsOf({ group: ['nothing@1/a'] })[0]).toContain('names no group rule; there are cause,')
  expect(errorsOf({ kind: 'red' })[0]).toContain('/kind: It is one or several of dead_letter, parked')
  expect(errorsOf({ field: 'tokens' })[0]).toContain('/field: It is a JSON pointer into the event')
  const key = { rule: shippedRules[0]!, values: ['dead_letter', 'a/b', 'ü@1', '', ' '] }
  expect(parseFilter({ group: groupKeyText(key) })).toEqual({ kind: 'ok', filter: { group: [key] } })
})
