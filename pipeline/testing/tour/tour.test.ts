// docs/tour-what-became-of-it.md, followed as a reader would: its files are written, its commands run against a Weir that was
// started, and what the page claims is held against the output. During the last redrive Weir is killed.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { packageRoot } from '../../../schemas/package-root.js'
import type { DryRunGroup } from '../../exceptions/redrive/dry-run.js'
import type { RedriveReport } from '../../exceptions/redrive/redrive-report.js'
import type { JobView } from '../../jobs/job-record.js'

const generousMs = 300_000
const page = readFileSync(join(fileURLToPath(packageRoot), 'docs/tour-what-became-of-it.md'), 'utf8')
const inEachGroup = 200

let folder: string
let weir: SupervisedWeir

/** The blocks of a language, in order. */
function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    found => found[1]!,
  )
}

/** The commands of the page, each as its arguments. */
const commands = blocks('sh').flatMap(block =>
  block
    .trim()
    .split('\n')
    .map(line => line.split(' ').slice(1)),
)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weir-tour-'))
  for (const block of [...blocks('yaml'), ...blocks('js')]) {
    const name = /^(?:#|\/\/) ([\w-]+\.\w+)/.exec(block)?.[1]
    if (name === undefined) throw new Error(`a block names no file: ${block.slice(0, 80)}`)
    writeFileSync(join(folder, name), block)
  }
  weir = await SupervisedWeir.start({
    env: { WEIR_CATALOG: join(folder, 'catalog.yaml'), WEIR_PARTITIONS: '1' },
  })
  await weir.ready()
}, generousMs)

afterAll(async () => {
  await weir?.stop()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
}, generousMs)

interface Redriven {
  readonly job: JobView
  readonly report: RedriveReport & { readonly groups: Readonly<Record<string, DryRunGroup>> }
}

/** Runs a command of the page as it stands, with the files of the folder. */
async function run(args: readonly string[]): Promise<string> {
  const named = args.map(arg => (/^[\w-]+\.(?:yaml|ndjson)$/.test(arg) ? join(folder, arg) : arg))
  const { code, stdout, stderr } = await weir.run(...named)
  expect(code, `weir ${args.join(' ')}\n${stdout}\n${stderr}\n${weir.log()}`).toBe(0)
  return stdout
}

async function json<T>(args: readonly string[]): Promise<T> {
  return JSON.parse(await run([...args, '--json'])) as T
}

async function call<T>(path: string): Promise<T> {
  const headers = { authorization: `Bearer ${weir.instance?.api_key}` }
  return (await (await fetch(`${weir.url}${path}`, { headers })).json()) as T
}

interface Groups {
  readonly groups: readonly { readonly count: number; readonly money: object }[]
}

/** The counts of the groups that are open. */
async function open(): Promise<number[]> {
  const { groups } = await call<Groups>('/v1/exceptions?group_by=cause')
  return groups.map(group => group.count)
}

const fiveGroups = Array(5).fill(inEachGroup)

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(250)
}

/** Kills Weir while the job is in the middle. */
async function killInTheMiddle(): Promise<void> {
  await until(async () => {
    const { jobs } = await call<{ jobs: JobView[] }>('/v1/jobs?kind=redrive&state=running')
    return jobs.some(({ progress }) => progress.done > 0 && progress.done < inEachGroup)
  })
  expect(weir.kill('weir')).toBe(true)
}

test(
  'a thousand broken events are found in five groups, mended, and billed as if they had never been broken',
  async () => {
    const sent = execFileSync(process.execPath, ['tour.mjs'], {
      cwd: folder,
      env: { WEIR_URL: weir.url, WEIR_API_KEY: weir.instance?.api_key },
    })
    expect(String(sent)).toBe('5004 accepted, 0 rejected\n')
    await until(async () => String(await open()) === String(fiveGroups))
    for (const args of commands) await follow(args)
    expect(await billed()).toEqual(await simulated())
    expect(await billed()).toHaveLength(12)
    await refuseUndo()
  },
  generousMs,
)

let hasMended = false

async function follow(args: readonly string[]): Promise<void> {
  const [command, act] = args
  if (command === 'reconcile') return until(async () => (await weir.run('reconcile', '--json')).code === 0)
  if (command !== 'exceptions') {
    await run(args)
    return
  }
  if (act === 'ls') {
    if (hasMended) await until(async () => (await open()).length === 0)
    else expect(await open()).toEqual(fiveGroups)
    await run(args)
  } else if (args.includes('--dry-run')) await followDryRun(args)
  else await followRedrive(args)
}

async function followDryRun(args: readonly string[]): Promise<void> {
  const { job, report } = await json<Redriven>(args)
  expect(job).toMatchObject({
    state: 'done',
    counts: { would_be_rated: inEachGroup, would_fail: 0, left: 0 },
  })
  const [group, ...others] = Object.values(report.groups)
  expect(others).toEqual([])
  expect(group).toMatchObject({ exceptions: inEachGroup, rated: inEachGroup })
  expect(Number(group?.amounts['USD'])).toBeGreaterThan(0)
}

async function followRedrive(args: readonly string[]): Promise<void> {
  const isSlow = args.includes('--rate')
  const [{ job }] = await Promise.all([json<Redriven>(args), isSlow ? killInTheMiddle() : undefined])
  expect(job).toMatchObject({ state: 'done', counts: { redriven: inEachGroup } })
  if (isSlow) await weir.ready()
  await until(async () => (await reportOf(job.job_id)).rated === inEachGroup)
  expect(await reportOf(job.job_id)).toMatchObject({ redriven: inEachGroup, failed_again: {}, waiting: 0 })
  hasMended = true
}

async function reportOf(jobId: string): Promise<RedriveReport> {
  return (await call<{ report: RedriveReport }>(`/v1/jobs/${jobId}/report`)).report
}

/** What was billed cannot be undone, and the refusal names the charges. */
async function refuseUndo(): Promise<void> {
  const { jobs } = await call<{ jobs: JobView[] }>('/v1/jobs?kind=redrive&state=done')
  const redrive = jobs.find(job => job.counts['redriven'] === inEachGroup)
  const { code, stderr } = await weir.run('exceptions', 'undo-redrive', redrive!.job_id)
  expect([code, stderr]).toEqual([1, expect.stringContaining('charges_billed')])
}

interface Line {
  readonly customer_id: string
  readonly price: string
  readonly quantity: string
  readonly amount: string
  readonly status: string
}

const shown = (lines: readonly Line[]): string[] =>
  lines
    .map(({ customer_id, price, quantity, amount }) => [customer_id, price, quantity, amount].join(' '))
    .sort()

async function billed(): Promise<string[]> {
  const { billing_runs: runs } = await call<{ billing_runs: { billing_run_id: string }[] }>(
    '/v1/billing-runs',
  )
  const path = `/v1/billing-runs/${runs[0]?.billing_run_id}/batches`
  const { batches } = await call<{ batches: { lines: Line[] }[] }>(path)
  return shown(batches.flatMap(batch => batch.lines))
}

async function simulated(): Promise<string[]> {
  const args = commands.find(([command]) => command === 'simulate')!
  const { charges } = await json<{ charges: Line[] }>(args)
  return shown(charges.filter(charge => charge.status === 'closed'))
}
