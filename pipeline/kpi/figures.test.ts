// The figures, the lists of the roles, the targets and the page that defines them say the same.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { packageRoot } from '../../schemas/package-root.js'
import { loadConfig, sectionOf } from '../config/config.js'
import { metricRows } from '../testing/openapi/metrics-page.js'
import { figureNames, figures } from './figures.js'
import { listOf, roleNames, rolesOf } from './roles.js'
import { targetsSettings } from './settings.js'

const page = readFileSync(new URL('docs/kpis.md', packageRoot), 'utf8')
const views = readFileSync(new URL('sinks/clickhouse/migrations/0003_kpis.sql', packageRoot), 'utf8')
const business = figureNames.filter(name => figures[name].from === 'kpi_daily')

test('the page defines each business figure with its unit and its target', () => {
  const rows = [...page.matchAll(/^\| `(\w+)` \| (\w+) \| at (least|most) ([\d.]+) \|/gm)]
  expect(rows.map(([, ...cells]) => cells)).toEqual(
    business.map(name => [name, figures[name].unit, figures[name].better.slice(3), figures[name].target]),
  )
})

test('the view makes the business figures, each in its unit, and no others', () => {
  const made = [...views.matchAll(/'(\w+)' AS kpi, '(\w+)' AS unit/g)].map(([, name, unit]) => [name, unit])
  expect(made.sort()).toEqual(business.map(name => [name, figures[name].unit]).sort())
})

test('a figure of this process is a metric that there is', () => {
  const known = new Set(metricRows().map(({ name }) => name))
  for (const name of figureNames) {
    const { from } = figures[name]
    if (from !== 'kpi_daily') expect(known, name).toContain(from.metric)
  }
})

test('each figure is on the list of a role', () => {
  expect(figureNames.filter(name => rolesOf(name).length === 0)).toEqual([])
  for (const role of roleNames) expect(new Set(listOf[role]).size).toBe(listOf[role].length)
})

const targetsOf = (env: Record<string, string>) => {
  const loaded = loadConfig({ sections: [targetsSettings], env, flags: {} })
  return loaded.kind === 'invalid' ? loaded.problems : sectionOf(loaded.config, targetsSettings)
}

test('targets come from the settings, and a wrong one is named', () => {
  expect(targetsOf({ WEIR_TARGETS_DAYS_TO_CLOSE: '3' })).toMatchObject({
    days_to_close: '3',
    posting_accuracy: '1',
  })
  expect(JSON.stringify(targetsOf({ WEIR_TARGETS_DAYS_TO_CLOSE: 'soon' }))).toContain(
    'a decimal that is not negative',
  )
})
