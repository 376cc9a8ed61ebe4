// Closing a month of a whole Weir by its commands: what is due is billed first, batches are acknowledged, and then it closes,
// with who and when on record.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../bench/measure/supervised-weir.js'
import type { CliIo } from '../terminal/io.js'
import { closePeriodCommand, listPeriodsCommand, reopenPeriodCommand } from './books-command.js'

const generousMs = 120_000
const waiting = { timeout: 60_000, interval: 100 }

let weir: SupervisedWeir
let folder: string
let apiKey: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-close-'))
  const config = join(folder, 'weir.yaml')
  await writeFile(config, `erp: { calendars: calendars.yaml }\n`)
  await writeFile(join(folder, 'calendars.yaml'), 'calendars: [{ entity_id: de, timezone: Europe/Berlin }]\n')
  weir = await SupervisedWeir.start({ env: { WEIR_CONFIG: config } })
  await weir.ready()
  apiKey = (await readFile(join(weir.dataDir, 'api-key'), 'utf8')).trim()
}, generousMs)

afterAll(async () => {
  await weir?.stop()
  await rm(folder, { recursive: true, force: true })
}, generousMs)

async function ask<T>(method: string, path: string, body?: object): Promise<T> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` }
  const answer = await fetch(`${weir.url}${path}`, { method, headers, body: JSON.stringify(body) ?? null })
  return JSON.parse(await answer.text()) as T
}

type Command = (
  args: { gateway: { url: string; apiKey: string }; json: boolean },
  io: CliIo,
) => Promise<number>

async function run(command: Command, json = false) {
  let [stdout, stderr] = ['', '']
  const io = {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    isTTY: false,
  }
  const code = await command({ gateway: { url: weir.url, apiKey }, json }, io)
  return { code, stdout, stderr }
}

const october = { period: '2026-10', entity: 'de' }
const close: Command = (args, io) => closePeriodCommand({ ...args, ...october }, io)
const preview: Command = (args, io) => closePeriodCommand({ ...args, ...october, preview: true }, io)

const event = (type: string, id: string, data: object, more: object = {}) => ({
  ...{ specversion: '1.0', source: 'test', id, type, subject: 'acme', data },
  ...more,
})
const base = { price: 'base', kind: 'recurring', amount: '31.00', per: 'subscription', timing: 'in_advance' }
const calls = { price: 'calls', kind: 'usage', meter: 'calls', model: 'per_unit', unit_amount: '1' }
const plan = { plan: 'pro', version: 1, currency: 'EUR', billing_period: 'month', prices: [base, calls] }
const catalog = { meters: [{ meter: 'calls', event_type: 'call', aggregation: 'count' }], plans: [plan] }
const subscription = {
  ...{ subscription_id: 's1', customer_id: 'acme', sequence: 1, plan: 'pro', plan_version: 1 },
  ...{ entity_id: 'de', timezone: 'Europe/Berlin', effective_from: '2026-09-01T00:00:00+02:00' },
}

async function bill(cutoff: string): Promise<string> {
  const { billing_run_id: id } = await ask<{ billing_run_id: string }>('POST', '/v1/billing-runs', { cutoff })
  const status = async () => (await ask<{ status: string }>('GET', `/v1/billing-runs/${id}`)).status
  await expect.poll(status, waiting).toBe('published')
  return id
}

async function acknowledge(run: string): Promise<void> {
  const path = `/v1/billing-runs/${run}/batches`
  for (const { batch_id } of (await ask<{ batches: { batch_id: string }[] }>('GET', path)).batches)
    await ask('POST', `${path}/${batch_id}/ack`)
}

const kinds = async () => {
  const { blockers } = JSON.parse((await run(preview, true)).stdout) as { blockers: { kind: string }[] }
  return blockers.map(({ kind }) => kind)
}

test(
  'a month closes when what is due in it is billed, posted and acknowledged, and opens again with a reason',
  async () => {
    await ask('POST', '/v1/events', [
      event('weir.catalog.published', 'c', { catalog }, { subject: undefined }),
      event('weir.subscription.created', 's', subscription),
      event('call', 'september', {}, { time: '2026-09-10T00:00:00Z' }),
      event('call', 'october', {}, { time: '2026-10-10T00:00:00Z' }),
    ])
    await acknowledge(await bill('2026-10-01T00:00:00+02:00'))
    await expect.poll(kinds, waiting).toEqual(['unbilled', 'release'])
    const refused = await run(close)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('period_not_settled')
    const told =
      /1 charge, 1 EUR, the first calls of s1, .*: weir billing-run create --cutoff (\S+) --entity de/
    expect(refused.stdout).toMatch(told)
    const second = await bill(told.exec(refused.stdout)![1]!)
    await expect.poll(kinds, waiting).toEqual(['unacknowledged'])
    await acknowledge(second)
    await expect.poll(kinds, waiting).toEqual([])
    expect(await run(close)).toEqual({ code: 0, stdout: '2026-10 of entity de is closed.\n', stderr: '' })
    const listed = await run((args, io) => listPeriodsCommand({ ...args, entity: 'de' }, io))
    expect(listed.stdout).toMatch(/de +2026-10 +2026-10-01 +2026-10-31 +closed +3 +0 +\S+Z +first key/)
    const future = { ...october, period: '2099-01' } // its charges to come keep it open too
    const early = await run((args, io) => closePeriodCommand({ ...args, ...future }, io))
    expect(early).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('not_over_yet') })
    const misspelt: Command = (args, io) => closePeriodCommand({ ...args, ...october, entity: 'dee' }, io)
    expect(await run(misspelt)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/unknown_entity: .*the nearest known name is de/),
    })

    const reason = 'an invoice was missing'
    const opened = await run((args, io) => reopenPeriodCommand({ ...args, ...october, reason }, io))
    expect(opened).toMatchObject({ code: 0, stdout: '2026-10 of entity de is open.\n' })
    const again = await run((args, io) => listPeriodsCommand({ ...args, entity: 'de' }, io), true)
    const [first] = (JSON.parse(again.stdout) as { period: string }[]).filter(one => one.period === '2026-10')
    expect(first).toMatchObject({
      ...{ state: 'open', over: true, closed_at: null },
      last_change: { act: 'reopened', by: { name: expect.any(String) }, reason },
    })
    const { entries } = await ask<{ entries: { act: string; reason?: string }[] }>('GET', '/v1/audit')
    const acts = entries.filter(({ act }) => act.startsWith('period.'))
    expect(acts.map(one => [one.act, one.reason ?? null]).sort()).toEqual([
      ['period.closed', null],
      ['period.reopened', reason],
    ])
  },
  generousMs,
)
