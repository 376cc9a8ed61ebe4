// The section `flow` of the configuration as `weir validate` reads it.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { describeProblem, loadConfig, sectionOf } from '../config/config.js'
import { flowSettings } from './settings.js'

const folder = mkdtempSync(join(tmpdir(), 'weir-flow-settings-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function load(text: string) {
  const file = join(folder, 'weir.yaml')
  writeFileSync(file, text)
  return loadConfig({ sections: [flowSettings], file, env: {} })
}

test('what is wrong with a freeze window is told with its line; two share no name', () => {
  const loaded = load(`flow:
  freeze_windows:
    - { name: a, from: 2026-12-24T00:00:00Z, until: 2026-12-23T00:00:00Z }
    - name: b
      time_zone: Berlin
      every_month: { from: { day: -1 }, until: { day: 3 } }
    - { name: c, from: 2026-12-24T00:00:00Z, until: soon }
`)
  const told = loaded.kind === 'invalid' ? loaded.problems.map(describeProblem) : []
  expect(told.map(text => text.replace(folder, ''))).toEqual([
    '/weir.yaml:3: flow.freeze_windows.0.until: is not after from.',
    '/weir.yaml:5: flow.freeze_windows.1.time_zone: is no time zone, such as Europe/Berlin.',
    '/weir.yaml:7: flow.freeze_windows.2.until: is an instant with an offset: 2026-12-24T00:00:00Z.',
  ])
  const twice = load(`flow:
  freeze_windows:
    - { name: a, from: 2026-12-23T00:00:00Z, until: 2026-12-24T00:00:00Z }
    - { name: a, from: 2026-12-24T00:00:00Z, until: 2026-12-25T00:00:00Z }
`)
  expect(twice.kind === 'invalid' ? twice.problems.map(({ path }) => path) : []).toEqual([
    'flow.freeze_windows.1.name',
  ])
})

test('without the section there is no window', () => {
  const loaded = load('partitions: 1\n')
  if (loaded.kind === 'invalid') throw new Error(loaded.problems.map(describeProblem).join())
  expect(sectionOf(loaded.config, flowSettings)).toEqual({ freeze_windows: [] })
})
