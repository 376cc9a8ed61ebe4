// The alert rules: Prometheus's own tool runs their tests; each has a section in the runbook; each metric they use is there.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { metricRows } from '../../pipeline/testing/openapi/metrics-page.js'
import { packageRoot } from '../../schemas/package-root.js'
import { findPromtool, promtool } from '../embedded/testing/promtool.js'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string; readonly role?: string }
  readonly annotations: { readonly summary: string }
}

const pathOf = (name: string) => fileURLToPath(new URL(name, packageRoot))
const read = (name: string) => readFileSync(pathOf(name), 'utf8')
const { groups } = parse(read('deploy/prometheus/alerts.yaml')) as { groups: { rules: Rule[] }[] }
const rules = groups.flatMap(group => group.rules)
const tool = await findPromtool()

test.skipIf(tool === undefined)(
  'promtool takes the rules, and each alert fires on its fault and on no ordinary day (needs promtool)',
  async () => {
    const checked = await promtool(tool!, 'check', 'rules', pathOf('deploy/prometheus/alerts.yaml'))
    expect(checked).toMatchObject({ ok: true })
    const tested = await promtool(tool!, 'test', 'rules', pathOf('deploy/prometheus/alerts.test.yaml'))
    expect(tested.text).toContain('SUCCESS')
    expect(tested.ok).toBe(true)
  },
)

test('each alert is tested to fire and, where it can be, to keep still', () => {
  const { tests } = parse(read('deploy/prometheus/alerts.test.yaml')) as {
    tests: { alert_rule_test: { alertname: string; exp_alerts?: unknown[] }[] }[]
  }
  const cases = tests.flatMap(one => one.alert_rule_test)
  const named = (fires: boolean) =>
    new Set(cases.filter(one => (one.exp_alerts !== undefined) === fires).map(one => one.alertname))
  expect([...named(true)].sort()).toEqual(rules.map(({ alert }) => alert).sort())
  expect([...named(false)].sort()).toEqual(rules.map(({ alert }) => alert).sort())
})

test('each alert has a runbook section with what it means, where to look and what to do', () => {
  const sections = read('docs/runbook.md').split(/^## /m).slice(1)
  expect(sections.map(text => text.split('\n')[0])).toEqual(rules.map(({ alert }) => alert))
  for (const section of sections)
    expect(section).toMatch(/\*\*Means\.\*\*[\s\S]+\*\*Look\.\*\*[\s\S]+`[\s\S]+\*\*Do\.\*\*/)
})

test('each metric that an alert uses is a metric of the page, with the labels that it asks for', () => {
  const known = new Map(metricRows().map(row => [row.name, row]))
  for (const { alert, expr } of rules) {
    const used = [...expr.matchAll(/(weir_\w+?)(_bucket)?\b(?:\{([^}]*)\})?/g)]
    expect(used.length, alert).toBeGreaterThan(0)
    for (const [, name, bucket, matchers = ''] of used) {
      const row = known.get(name!)
      expect(row, `${alert}: ${name}`).toBeDefined()
      expect(row!.type === 'histogram', `${alert}: ${name}`).toBe(bucket !== undefined)
      for (const [, label] of matchers.matchAll(/(\w+)\s*[=!]/g)) expect(row!.labels, alert).toContain(label)
    }
  }
})

test('each alert says how urgent it is and on whose list it stands', () => {
  for (const { alert, labels } of rules) {
    expect(['page', 'ticket'], alert).toContain(labels.severity)
    const { expr } = rules.find(rule => rule.alert === alert)!
    const isOfMetric = labels.role === undefined && expr.includes('by (kpi, role)')
    if (!isOfMetric) expect(['platform', 'integration', 'finance'], alert).toContain(labels.role)
  }
})
