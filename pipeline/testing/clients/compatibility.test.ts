// docs/compatibility.md says what the rows say, and every row has a test that runs its client.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { packageRoot } from '../../../schemas/package-root.js'
import { type CompatibilityRow, compatibilityPage, type LockedPackage } from './compatibility.js'
import { clickhouseNotes } from './compatibility-notes.js'
import { compatibilityRows } from './compatibility-rows.js'

const root = fileURLToPath(packageRoot)
const folder = `${root}/pipeline/testing/clients`
const page = `${root}/docs/compatibility.md`

interface Lock {
  readonly packages: Readonly<Record<string, Partial<LockedPackage>>>
}

const { packages } = JSON.parse(readFileSync(`${root}/package-lock.json`, 'utf8')) as Lock

function locked(npmPackage: string): LockedPackage {
  const { name = npmPackage, version } = packages[`node_modules/${npmPackage}`] ?? {}
  if (version === undefined) throw new Error(`${npmPackage} is not in package-lock.json`)
  return { name, version }
}

const testFiles = readdirSync(folder).filter(
  name => name.endsWith('.test.ts') && name !== 'compatibility.test.ts',
)

test('the page is the one that the rows and the locked versions make', () => {
  const made = compatibilityPage(compatibilityRows, locked) + clickhouseNotes
  if (process.env['WEIR_WRITE_DOCS'] === '1') writeFileSync(page, made)
  expect(readFileSync(page, 'utf8')).toBe(made)
})

test('every test of a client has a row, and every row a test that names its package', () => {
  expect(testFiles.filter(name => !compatibilityRows.some(row => row.test === name))).toEqual([])
  expect(compatibilityRows.filter(row => !isRun(row))).toEqual([])
})

test('rows are in the order of clients, then of what was run, and none stands twice', () => {
  const keys = compatibilityRows.map(({ client, what }) => `${client}\n${what}`)
  expect(keys).toEqual([...new Set(keys)].sort())
})

test('canary: a row without a test, and one whose test does not name its package', () => {
  const row = compatibilityRows[0]!
  expect(isRun(row)).toBe(true)
  expect(isRun({ ...row, test: 'nothing.test.ts' })).toBe(false)
  expect(isRun({ ...row, package: 'a-package-of-nobody' })).toBe(false)
})

function isRun(row: CompatibilityRow): boolean {
  return testFiles.includes(row.test) && readFileSync(`${folder}/${row.test}`, 'utf8').includes(row.package)
}
