// The state directory and its lock when one of them is a link.

import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ownStateDirectory } from './state-directory.js'

const isRoot = process.getuid?.() === 0
const stranger = 65_534
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-owner-'))
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

const refused = expect.objectContaining({ code: 'state_directory_not_ours' })

test('a link in the place of the lock is refused, and what it names is left as it is', () => {
  const precious = join(folder, 'precious')
  writeFileSync(precious, 'keep')
  symlinkSync(precious, join(folder, 'weir.lock'))
  expect(() => ownStateDirectory(folder)).toThrow(refused)
  expect(readFileSync(precious, 'utf8')).toBe('keep')
})

test('a link to a directory of ours is followed, and the directory is closed to others', () => {
  const link = `${folder}-link`
  symlinkSync(folder, link)
  try {
    ownStateDirectory(link).release()
    expect(statSync(folder).mode & 0o777).toBe(0o700)
  } finally {
    rmSync(link)
  }
})

test.runIf(isRoot)('a directory of another user is refused, and nothing in it is touched', () => {
  chownSync(folder, stranger, stranger)
  const { mode } = statSync(folder)
  expect(() => ownStateDirectory(folder)).toThrow(refused)
  expect(statSync(folder).mode).toBe(mode)
})

test.runIf(isRoot)('what another user has put into our directory is refused by name', () => {
  const planted = join(folder, 'api-key')
  writeFileSync(planted, 'weir_known')
  chownSync(planted, stranger, stranger)
  expect(() => ownStateDirectory(folder)).toThrow(planted)
})
