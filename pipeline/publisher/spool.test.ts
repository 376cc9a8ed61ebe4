// Usage batches on disk: written whole, counted against the limit, and found by the next process.

import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Spool } from './spool.js'
import type { BatchBody } from './transport.js'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-spool-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

const body = (text: string, lane = 'metering.0.publisher'): BatchBody => ({
  lane,
  count: 3,
  contentType: 'application/vnd.apache.arrow.stream',
  contentEncoding: 'gzip',
  bytes: Buffer.from(text),
})

test('what was written is there for the next process, oldest first, byte for byte', async () => {
  const first = await Spool.open(folder, 1_000)
  expect(first.left).toEqual([])
  for (const text of ['one', 'two\n\u0000', '']) await first.spool.write(body(text))
  const second = await Spool.open(folder, 2_000)
  const later = await second.spool.write(body('later'))
  const third = await Spool.open(folder, 3_000)
  const read = await Promise.all(third.left.map(batch => third.spool.read(batch)))
  expect(read.map(one => (one.kind === 'ok' ? Buffer.from(one.body.bytes).toString() : one.kind))).toEqual([
    'one',
    'two\n\u0000',
    '',
    'later',
  ])
  expect(read[0]).toMatchObject({ body: { lane: 'metering.0.publisher', count: 3, contentEncoding: 'gzip' } })
  expect(third.spool.count).toBe(4)
  await third.spool.remove(later)
  expect(await second.spool.read(later)).toEqual({ kind: 'gone' })
})

test('the bytes in it are counted, and given back', async () => {
  const { spool } = await Spool.open(folder, 1_000)
  const batches = [await spool.write(body('one')), await spool.write(body('two'))]
  expect(spool.bytes).toBe(batches[0]!.size + batches[1]!.size)
  await spool.remove(batches[0]!)
  await spool.setAside(batches[1]!, 'refused')
  expect([spool.bytes, spool.count]).toEqual([0, 0])
  expect(await readdir(join(folder, 'refused'))).toEqual([batches[1]!.name])
  expect((await Spool.open(folder, 2_000)).left).toEqual([])
})

test('a file with other bytes than were written is not sent', async () => {
  const { spool } = await Spool.open(folder, 1_000)
  const batch = await spool.write(body('one'))
  const path = join(folder, batch.name)
  const bytes = await readFile(path)
  bytes[bytes.length - 1] = 0
  await writeFile(path, bytes)
  expect(await spool.read(batch)).toMatchObject({ kind: 'damaged' })
  await writeFile(path, bytes.subarray(0, 10))
  expect(await spool.read(batch)).toMatchObject({ kind: 'damaged' })
})

test('a file whose writer died is no batch, and goes away in time', async () => {
  const nowMs = Date.now()
  await writeFile(join(folder, 'x.batch.unfinished'), 'half')
  expect((await Spool.open(folder, nowMs)).left).toEqual([])
  expect(await readdir(folder)).toHaveLength(1)
  const before = new Date(nowMs - 7_200_000)
  await utimes(join(folder, 'x.batch.unfinished'), before, before)
  await Spool.open(folder, nowMs)
  expect(await readdir(folder)).toEqual([])
})
