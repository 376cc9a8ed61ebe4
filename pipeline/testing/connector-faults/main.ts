// Sends journals through a real Weir to a fake receiver that fails at random, kills Weir again and again, and counts what
// the fake's own store has: each record once, or the run has failed.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type JetStreamClient, jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { startNatsServer } from '../../../deploy/embedded/nats-server.js'
import { packageRoot } from '../../../schemas/package-root.js'
import type { StartedFake } from '../../../sinks/testing/fake-of-kind.js'
import type { Fault } from '../../../sinks/testing/fault.js'
import { journalRecord } from '../../../sinks/testing/journal-record.js'
import { ensureTopology } from '../../broker/topology.js'
import { environment } from '../../environment.js'
import { States } from './states.js'

const chances: Readonly<Partial<Record<Fault, number>>> = {
  '500_then_ok': 0.02,
  '500_after_commit': 0.01,
  '429_without': 0.02,
  timeout_after_commit: 0.02,
  timeout_before_commit: 0.01,
  token_expired: 0.005,
}
const killsBetweenMs = [12_000, 40_000] as const
/** What is in flight at once while journals are published. */
const publishedAtOnce = 200
const built = (file: string): string => fileURLToPath(new URL(`.cache/testing/${file}`, packageRoot))

interface Told extends Omit<StartedFake, 'fake'> {
  readonly url: string
}

const { values } = parseArgs({
  options: {
    kind: { type: 'string' },
    records: { type: 'string', default: '10000' },
    minutes: { type: 'string', default: '30' },
  },
})
if (values.kind === undefined) throw new Error('say --kind, such as --kind netsuite')
const [kind, records] = [values.kind, Number(values.records)]
const endsAtMs = Date.now() + Number(values.minutes) * 60_000

const folder = await mkdtemp(join(tmpdir(), 'weir-connector-faults-'))
const broker = await startNatsServer({ storeDir: join(folder, 'nats') })
const nc = await connect({ ...broker.login() })
const js = jetstream(nc)
await ensureTopology(nc, { partitions: 1 })
const fakeProcess = spawn(process.execPath, [built('sinks/testing/fake-main.js'), kind], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
let weir: ChildProcess | undefined
try {
  process.exitCode = (await run()) ? 0 : 1
} finally {
  await kill(weir)
  await kill(fakeProcess)
  await nc.close()
  await broker.stop()
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 })
}

/** True when every record is there once. */
async function run(): Promise<boolean> {
  const told = await fakeTold()
  const { connection, secrets, mapping } = told
  const settings = {
    name: 'books',
    kind,
    ...connection,
    ...(mapping === undefined ? {} : { mapping: 'm.yaml' }),
  }
  await writeFile(join(folder, 'm.yaml'), mapping ?? '')
  await writeFile(join(folder, 'weir.yaml'), JSON.stringify({ partitions: 1, connections: [settings] }))
  await post(told, 'hang', 0)
  await post(told, 'chances', chances)
  const expected = await publish(js)
  const begunMs = Date.now()
  const states = new States(js)
  let kills = 0
  weir = startWeir(secrets)
  for (let killAtMs = nextKillMs(); ; await sleep(250)) {
    await states.read()
    if (states.settled === records || Date.now() > endsAtMs) break
    if (Date.now() < killAtMs) continue
    await kill(weir)
    kills += 1
    weir = startWeir(secrets)
    killAtMs = nextKillMs()
  }
  const { effects } = (await (await fetch(`${told.url}/_fake/documents`)).json()) as { effects: string[] }
  return tell(expected, effects, states, { kills, seconds: Math.round((Date.now() - begunMs) / 1_000) })
}

function tell(
  expected: readonly string[],
  effects: readonly string[],
  states: States,
  { kills, seconds }: { readonly kills: number; readonly seconds: number },
): boolean {
  const there = new Set(effects)
  const lost = expected.filter(key => !there.has(key)).length
  const twice = effects.length - there.size
  const unbalanced = states.count(({ state, code }) => state === 'refused' && code === 'entry_unbalanced')
  const refused = states.count(({ state }) => state === 'refused')
  const row = { kind, records, lost, twice, unbalanced, refused, open: records - states.settled }
  const how = { unclear: states.unclear, throttled: states.throttled, kills, seconds }
  console.table([{ ...row, ...how }])
  return lost + twice + refused + row.open === 0
}

async function fakeTold(): Promise<Told> {
  for await (const line of createInterface({ input: fakeProcess.stdout })) return JSON.parse(line) as Told
  throw new Error(`there is no fake of ${kind}`)
}

async function post({ url }: Told, what: string, body: unknown): Promise<void> {
  const response = await fetch(`${url}/_fake/${what}`, { method: 'POST', body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`the fake answers ${response.status} to ${what}`)
}

/** Answers the keys. */
async function publish(to: JetStreamClient): Promise<readonly string[]> {
  const all = Array.from({ length: records }, (_, n) => journalRecord(n))
  for (let from = 0; from < records; from += publishedAtOnce) {
    const some = all.slice(from, from + publishedAtOnce)
    await Promise.all(some.map(({ document }) => to.publish('postings.default', JSON.stringify(document))))
  }
  return all.map(({ key }) => key)
}

function startWeir(secrets: Readonly<Record<string, string>>): ChildProcess {
  const { PATH, HOME } = environment()
  const login = broker.login()
  const env = {
    ...{ PATH, HOME, ...secrets },
    WEIR_DATA_DIR: join(folder, 'data'),
    WEIR_LOG_LEVEL: 'error',
    WEIR_NATS_URL: `nats://127.0.0.1:${broker.port}`,
    WEIR_NATS_USER: login.user,
    WEIR_NATS_PASSWORD: login.pass,
  }
  const preload = built('pipeline/testing/connector-faults/shorter-waits.js')
  const command = [
    built('pipeline/cli/weir.js'),
    'start',
    '--config',
    join(folder, 'weir.yaml'),
    '--port',
    '0',
  ]
  return spawn(process.execPath, ['--import', preload, ...command], {
    env,
    stdio: ['ignore', 'ignore', 'ignore'],
  })
}

function nextKillMs(): number {
  const [least, most] = killsBetweenMs
  return Date.now() + least + Math.random() * (most - least)
}

async function kill(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
