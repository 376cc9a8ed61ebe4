// The commands on files: what is written, kept, compared and sent, and with which exit code; the golden outcome of each system.

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { applyCommand } from './apply-command.js'
import { compareCommand } from './compare/compare-command.js'
import { importCommand } from './import-command.js'
import { systems } from './systems.js'
import { compareFiles } from './testing/imported-account.js'
import { lagoAccount, lagoFiles } from './testing/lago-account.js'
import { openmeterFiles } from './testing/openmeter-account.js'
import { equalAccount, filesOf } from './testing/stripe-account.js'
import { importFiles } from './write-import.js'

let folder: string
let said: string

const io = {
  stdout: { write: hear },
  stderr: { write: hear },
  isTTY: false,
}

function hear(text: string): void {
  said += text
}

beforeEach(async () => {
  said = ''
  folder = join(tmpdir(), `weir-import-command-${process.pid}-${Math.floor(performance.now() * 1000)}`)
  await mkdir(join(folder, 'export'), { recursive: true })
  for (const [name, text] of filesOf(equalAccount())) await writeFile(join(folder, 'export', name), text)
})

afterEach(() => rm(folder, { recursive: true, force: true }))

const out = () => join(folder, 'out')
const run = (more: object = {}) =>
  importCommand(
    {
      name: 'stripe',
      fromFile: [join(folder, 'export')],
      period: '2026-10',
      out: out(),
      system: 'billing',
      ...more,
    },
    io,
    {},
  )
const text = (name: string) => readFile(join(out(), name), 'utf8')

test('the same import writes the same bytes, and a file that was changed by hand stays', async () => {
  expect(await run()).toBe(0)
  const first = await Promise.all(Object.values(importFiles).map(text))
  expect(await run()).toBe(0)
  expect(await Promise.all(Object.values(importFiles).map(text))).toEqual(first)
  await writeFile(join(out(), 'catalog.yaml'), `# ours\n${first[0]}`)
  expect(await run()).toBe(1)
  expect(said).toContain('files_changed: catalog.yaml')
  expect(await text('catalog.yaml')).toContain('# ours')
  expect(await run({ force: true })).toBe(0)
  expect(await text('catalog.yaml')).toBe(first[0])
})

test('a comparison ends with 0 when nothing differs, with 1 when something does, and takes corrected files', async () => {
  await run()
  expect(await compareCommand({ folder: out() }, io)).toBe(0)
  await writeFile(
    join(out(), 'catalog.yaml'),
    (await text('catalog.yaml')).replace('amount: "49"', 'amount: "50"'),
  )
  expect(await compareCommand({ folder: out() }, io)).toBe(1)
  expect(said).toContain('price_differs')
  expect(await compareCommand({ folder: out(), accept: 'price_differs' }, io)).toBe(0)
  expect(await compareCommand({ folder: out(), accept: 'luck' }, io)).toBe(2)
  await writeFile(join(out(), 'billed.ndjson'), '{"id":"x"}\n')
  expect(await compareCommand({ folder: out() }, io)).toBe(1)
  expect(said).toContain('billed.ndjson:1: invoice is missing')
  expect(await compareCommand({ folder }, io)).toBe(1)
  expect(said).toContain('holds no import')
})

test('wrong usage is told, and a period is of the time zone that is named', async () => {
  expect(await run({ period: '2026-13' })).toBe(2)
  expect(await run({ api: 'https://api.stripe.com' })).toBe(2)
  expect(await run({ fromFile: undefined, api: 'https://api.stripe.com' })).toBe(2)
  expect(await run({ timezone: 'Europe/Berlin', json: true })).toBe(0)
  expect(said).toContain('"period":"2026-09-30T22:00:00Z/2026-10-31T23:00:00Z"')
})

test('applying sends the catalog first, goes on after a stop, and tells what was refused', async () => {
  await run()
  const bodies: string[] = []
  let isDown = false
  const server: Server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const isUsage = body.includes('"type":"tokens"')
    if (isDown && isUsage) return void response.destroy()
    bodies.push(`${request.url} ${body}`)
    const rejected = isUsage
      ? [{ index: 0, id: 't1', code: 'older_than_dedupe_horizon', detail: 'It is too old.' }]
      : []
    const answer =
      request.url === '/v1/identities'
        ? { outcomes: [] }
        : { accepted: body.trim().split('\n').length, rejected }
    response.writeHead(202, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const gateway = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, apiKey: 'k' }
  const args = { folder: out(), gateway, json: false, reason: 'first load' }
  try {
    expect(await applyCommand(args, io)).toBe(0)
    expect(bodies).toEqual([])
    isDown = true
    expect(await applyCommand({ ...args, yes: true }, io)).toBe(1)
    const lifecycle = () => bodies.filter(body => body.includes('weir.subscription.created')).length
    expect([bodies[0]?.includes('weir.catalog.published'), lifecycle()]).toEqual([true, 1])
    isDown = false
    expect(await applyCommand({ ...args, yes: true }, io)).toBe(1)
    expect(lifecycle()).toBe(1)
    expect(said).toContain('older_than_dedupe_horizon: t1')
  } finally {
    await new Promise(resolve => server.close(resolve))
  }
})

test.each([
  ['stripe', filesOf(equalAccount()), '2026-10'],
  ['lago', lagoFiles(lagoAccount), '2026-09-30T22:00:00Z/2026-10-31T23:00:00Z'],
  ['openmeter', openmeterFiles(), '2026-10'],
] as const)(
  'what %s is imported as, and how it compares, stands as it was written down',
  async (name, files, period) => {
    const { taken, findings, report } = compareFiles(systems[name], files, period)
    const { meters, plans, identities, lifecycle, usage, billed } = taken
    const all = { meters, plans, identities, lifecycle, usage, billed, findings: findings.all, report }
    await expect(`${JSON.stringify(all, null, 1)}\n`).toMatchFileSnapshot(`golden/${name}.json`)
  },
)
