// Jobs on a real broker: how they run, stop and go on, also under a process that was killed or is fenced.

import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { ExactNumber } from '../../schemas/money/exact-number.js'
import type { AuditAct } from '../gateway/audit-trail.js'
import { anybodyAllowed } from '../gateway/scopes.js'
import { type Broker, type Served, serve, silent, startBroker } from '../testing/gateway-fixture.js'
import { JobBook } from './job-book.js'
import { JobDesk, newJobId } from './job-desk.js'
import { JobFailure, type JobKind, type StepOutcome } from './job-kind.js'
import { type JobView, jobsBucket } from './job-record.js'
import { jobRoutes } from './job-routes.js'
import { JobRunner } from './job-runner.js'

let broker: Broker
let kv: KV
let jsm: JetStreamManager
const processes: Process[] = []

/** One process: what it has done, step by step. */
interface Process {
  readonly runner: JobRunner
  readonly desk: JobDesk
  readonly steps: number[]
}

beforeAll(async () => {
  broker = await startBroker(1)
  kv = await new Kvm(broker.nc).open(jobsBucket)
  jsm = await jetstreamManager(broker.nc)
})

afterEach(async () => {
  for (const { runner } of processes.splice(0)) await runner.drain()
})

afterAll(() => broker?.close())

type Step = (at: number, signal: AbortSignal) => Promise<Partial<StepOutcome> | undefined>

function startProcess(owner: string, step: Step, leaseMs = 10_000): Process {
  const book = new JobBook({ kv, jsm })
  const runner = new JobRunner({ book, log: silent, owner, leaseMs, drainMs: 50 })
  const steps: number[] = []
  const kind: JobKind = {
    kind: 'count',
    async step({ position }, signal) {
      const at = position === null ? 0 : Number(position)
      steps.push(at)
      const outcome = await step(at, signal)
      return { kind: at === 9 ? 'done' : 'goes_on', position: at + 1, done: at + 1, ...outcome }
    },
    report: async job => ({ counted: job.progress.done }),
  }
  runner.start([kind])
  const process = { runner, desk: new JobDesk(book, runner), steps }
  processes.push(process)
  return process
}

function create({ desk }: Process, idempotencyKey?: string) {
  const request = { value: new ExactNumber('1234567890123456.789') }
  const base = { kind: 'count', requestedBy: anybodyAllowed, request, unit: 'steps', total: 10 } as const
  return desk.create({
    ...base,
    state: 'running',
    jobId: newJobId('count', idempotencyKey),
  })
}

async function until({ desk }: Process, jobId: string, state: string) {
  return vi.waitFor(
    async () => {
      const job = await desk.get(jobId)
      expect(job?.state).toBe(state)
      expect(job?.lease).toBe(null)
      return job!
    },
    { timeout: 5_000, interval: 10 },
  )
}

const untilCancelled = (signal: AbortSignal) =>
  new Promise<undefined>(resolve =>
    signal.addEventListener('abort', () => resolve(undefined), { once: true }),
  )

test('a job is done step after step, its request keeps its digits, and its report is asked of its kind', async () => {
  const one = startProcess('one', async at => ({ counts: { seen: at + 1 } }))
  const { job } = await create(one)
  const done = await until(one, job.job_id, 'done')
  expect(one.steps).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(done).toMatchObject({ progress: { done: 10, total: 10 }, counts: { seen: 10 }, failure: null })
  expect(done.request).toEqual({ value: new ExactNumber('1234567890123456.789') })
  expect(await one.desk.report(done)).toEqual({ counted: 10 })
})

test('the same idempotency key gives the same job, which runs once', async () => {
  const one = startProcess('one', async () => undefined)
  const first = await create(one, 'a key')
  await until(one, first.job.job_id, 'done')
  const again = await create(one, 'a key')
  expect(again).toMatchObject({ created: false, job: { job_id: first.job.job_id, state: 'done' } })
  expect(one.steps).toHaveLength(10)
})

test('what a killed process left goes on from its position in the one that starts next', async () => {
  // It hangs in a step, as one that was killed: it neither answers nor frees the job.
  const killed = startProcess('killed', async at => (at === 4 ? new Promise(() => {}) : undefined))
  const { job } = await create(killed)
  await vi.waitFor(() => expect(killed.steps).toContain(4))
  const next = startProcess('next', async () => undefined)
  await until(next, job.job_id, 'done')
  expect(next.steps).toEqual([4, 5, 6, 7, 8, 9])
})

test('a process that was fenced while it worked writes nothing more', async () => {
  let release = () => {}
  const held = new Promise<undefined>(resolve => {
    release = () => resolve(undefined)
  })
  const old = startProcess('old', async at => (at === 2 ? held : undefined))
  const { job } = await create(old)
  await vi.waitFor(() => expect(old.steps).toContain(2))
  const next = startProcess('new', async at => (at === 5 ? { waitMs: 60_000 } : undefined))
  await vi.waitFor(() => expect(next.steps).toContain(5))
  release()
  await vi.waitFor(async () => expect((await next.desk.get(job.job_id))?.progress.done).toBe(6))
  expect(old.steps).toEqual([0, 1, 2])
  await next.desk.act('cancel', job.job_id)
})

test('a process that runs takes over what a dead one has not written for the time of the lease, and not before', async () => {
  const leaseMs = 200
  const one = startProcess('one', async () => undefined, leaseMs)
  const { job } = await create(one)
  const first = await until(one, job.job_id, 'done')
  const left = {
    ...first,
    job_id: 'job_left',
    state: 'running',
    position: 7,
    lease: { owner: 'dead' },
  } as const
  const leftAtMs = performance.now()
  await new JobBook({ kv, jsm }).create(left)
  await until(one, 'job_left', 'done')
  expect(performance.now() - leftAtMs).toBeGreaterThanOrEqual(leaseMs)
  expect(one.steps.slice(10)).toEqual([7, 8, 9])
})

test('a pause stops after the step under way and keeps the position, and resume goes on from it', async () => {
  const one = startProcess('one', async at => (at === 3 ? { waitMs: 60_000 } : undefined))
  const { job } = await create(one)
  await vi.waitFor(async () => expect((await one.desk.get(job.job_id))?.progress.done).toBe(4))
  await one.desk.act('pause', job.job_id)
  expect(await until(one, job.job_id, 'paused')).toMatchObject({ position: 4 })
  await one.desk.act('resume', job.job_id)
  await until(one, job.job_id, 'done')
  expect(one.steps).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('a cancel ends a long step, and what is cancelled neither runs nor pauses again', async () => {
  const one = startProcess('one', async (_at, signal) => {
    await untilCancelled(signal)
    signal.throwIfAborted()
    return undefined
  })
  const { job } = await create(one)
  await vi.waitFor(() => expect(one.steps).toEqual([0]))
  await one.desk.act('cancel', job.job_id)
  expect(await until(one, job.job_id, 'cancelled')).toMatchObject({ position: null })
  expect(await one.desk.act('cancel', job.job_id)).toMatchObject({ kind: 'ok' })
  for (const act of ['resume', 'pause', 'start'] as const)
    expect(await one.desk.act(act, job.job_id)).toMatchObject({ kind: 'not_now' })
  expect(await one.desk.act('pause', 'job_of_nobody')).toEqual({ kind: 'not_found' })
  expect(one.steps).toEqual([0])
})

test('trouble is told and the step made again; a failure ends the job, and resume tries it again', async () => {
  let isBroken = true
  let attempts = 0
  const one = startProcess('one', async at => {
    if (at === 1 && attempts++ === 0) throw new Error('the receiver is away')
    if (at === 2 && isBroken) throw new JobFailure('no_such_thing', 'It is not there.')
    return undefined
  })
  const { job } = await create(one)
  await vi.waitFor(async () =>
    expect((await one.desk.get(job.job_id))?.trouble?.detail).toBe('the receiver is away'),
  )
  const failed = await until(one, job.job_id, 'failed')
  expect(failed).toMatchObject({ failure: { code: 'no_such_thing' }, trouble: null, position: 2 })
  isBroken = false
  await one.desk.act('resume', job.job_id)
  expect(await until(one, job.job_id, 'done')).toMatchObject({ failure: null })
})

test('over HTTP a previewed job waits for its start, and the list can be asked for a kind and a state', async () => {
  const one = startProcess('one', async () => undefined)
  const acts: AuditAct[] = []
  const served: Served = await serve(broker, 1, {
    routes: jobRoutes(one.desk, { record: async act => void acts.push(act) }),
  })
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`${served.url}${path}`, { method })
    return {
      status: response.status,
      body: (await response.json()) as JobView & { jobs: JobView[]; code: string },
    }
  }
  const { job } = await one.desk.create({
    kind: 'count',
    requestedBy: { keyId: 'k', keyName: 'on call', scopes: new Set() },
    request: {},
    state: 'previewed',
    unit: 'steps',
  })
  const path = `/v1/jobs/${job.job_id}`
  expect((await ask('/v1/jobs?kind=count&state=previewed')).body.jobs).toMatchObject([
    { job_id: job.job_id, requested_by: { key_name: 'on call' }, is_worked_on: false },
  ])
  expect((await ask(`${path}/pause`, 'POST')).body.code).toBe('job_not_in_state')
  expect((await ask(`${path}/start`, 'POST')).status).toBe(200)
  await until(one, job.job_id, 'done')
  expect((await ask(`${path}/report`)).body).toMatchObject({
    job: { state: 'done' },
    report: { counted: 10 },
  })
  const object = { kind: 'job', id: job.job_id }
  expect(acts).toMatchObject([{ act: 'job.started', object, before: { state: 'previewed' } }])
  expect((await ask('/v1/jobs/none')).status).toBe(404)
  await served.gateway.close()
})
