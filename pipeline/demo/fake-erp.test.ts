// The smallest demo with an ERP, from the command's arguments to its report.

import { existsSync } from 'node:fs'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { packageRoot } from '../../schemas/package-root.js'
import { kindNamed } from '../connections/kinds.js'
import { demoCommand } from './demo-command.js'
import { fakeErps } from './erp-kinds.js'
import type { DemoReport } from './page.js'

const generousMs = 120_000

test('each fake ERP is of a kind that takes journals, and is there', () => {
  for (const kind of fakeErps) {
    expect([kind, kindNamed(kind).records]).toEqual([kind, expect.arrayContaining(['journals'])])
    const fake = `sinks/${kind.replaceAll('_', '-')}/testing/fake.ts`
    expect([fake, existsSync(new URL(fake, packageRoot))]).toEqual([fake, true])
  }
})

test(
  'the month ends in a fake NetSuite, which has every journal and release once and the same',
  async () => {
    const written = { out: '', err: '' }
    const code = await demoCommand(
      {
        customers: 8,
        events: 100,
        erp: 'netsuite',
        json: true,
        env: process.env,
        log: pino({ level: 'silent' }),
      },
      {
        stdout: { write: text => (written.out += text) },
        stderr: { write: text => (written.err += text) },
        isTTY: false,
      },
    )
    const { checks, erp } = JSON.parse(written.out) as DemoReport
    expect(checks.filter(one => !one.ok)).toEqual([])
    expect(erp).toMatchObject({ ok: true, connection: 'netsuite', faults: [], unsettled: [] })
    expect(erp?.agreeing).toBeGreaterThan(20)
    expect(code).toBe(0)
  },
  generousMs,
)
