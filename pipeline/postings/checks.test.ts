// What `weir validate` says of the account mapping and the accounting calendars: of the files alone, and of a configuration
// that names them.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { validateCommand } from '../cli/validate-command.js'
import { Problem } from '../gateway/problem.js'
import { calendarsOrProblem } from './calendars-file.js'

const folder = mkdtempSync(join(tmpdir(), 'weir-books-checks-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

async function validate(path: string): Promise<{ code: number; told: string }> {
  let told = ''
  const writer = { write: (text: string) => (told += text) }
  const io = { stdout: writer, stderr: writer, isTTY: false }
  return { code: await validateCommand({ files: [path], json: false }, io), told }
}

const calendars = 'calendars:\n  - { entity_id: de, timezone: Europe/Berlin }\n'
const accounts =
  'rules:\n  - match: {}\n    accounts: { receivable: "1200", revenue: "4000" }\n    performance_obligation: x\n'

test('a configuration is valid when the files that it names are; a fault is told with file, line and nearest name', async () => {
  const config = file('weir.yaml', 'erp: { calendars: calendars.yaml, accounts: accounts.yaml }\n')
  const missing = await validate(config)
  expect(missing.code).toBe(78)
  expect(missing.told).toMatch(/erp\.accounts: .*accounts\.yaml cannot be read: ENOENT\./)
  expect(missing.told).toMatch(/erp\.calendars: .*calendars\.yaml cannot be read: ENOENT\./)
  file('accounts.yaml', accounts.replace('revenue', 'revenu'))
  const path = file('calendars.yaml', calendars.replace('Berlin', 'Berln').replace('entity_id', 'entity'))
  const faulty = await validate(config)
  expect(faulty.code).toBe(78)
  expect(faulty.told).toContain(`${path}:2`)
  expect(faulty.told).toContain(
    'Europe/Berln is not a time zone of the IANA database; the nearest known name is Europe/Berlin',
  )
  expect(faulty.told).toContain('the nearest known name is entity_id')
  expect(faulty.told).toMatch(/accounts\.yaml:3.*nearest known name is revenue/)
  await expect(calendarsOrProblem(path)).rejects.toSatisfy(
    error =>
      error instanceof Problem &&
      error.code === 'invalid_accounting_calendar' &&
      error.message.includes(`${path}:2`),
  )
  file('accounts.yaml', accounts)
  file('calendars.yaml', calendars)
  expect(await validate(config)).toMatchObject({ code: 0 })
})

test('the files alone are known by what they hold', async () => {
  expect((await validate(file('a.yaml', accounts))).told).toContain('valid accounts (1 rules)')
  expect((await validate(file('c.yaml', calendars))).told).toContain('valid calendars (1 entities by name)')
  expect((await validate(file('b.yaml', accounts.replace('match', 'mach')))).code).toBe(78)
})
