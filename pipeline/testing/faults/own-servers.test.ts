// Weir on servers that it does not run: a cluster of three nats-servers that are killed, and a ClickHouse. Starts that wait,
// starts that fail, TLS, the loss of the quorum, and a stop while the broker is away.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { type AddressInfo, connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer, type Server } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type EmbeddedClickhouse,
  startEmbeddedClickhouse,
} from '../../../deploy/embedded/clickhouse-server.js'
import { builtFile } from '../../../schemas/package-root.js'
import { environment } from '../../environment.js'
import { type Certificates, ConfiguredBrokers, freePort } from '../configured-broker.js'
import { usage } from '../gateway-fixture.js'

const command = fileURLToPath(builtFile('pipeline/cli/weir.js'))
const generousMs = 120_000
const nodes = [0, 1, 2]

let folder: string
let brokers: ConfiguredBrokers
let clickhouse: EmbeddedClickhouse
let ports: number[]
let routes: number[]
const servers: ChildProcess[] = []
const children: ChildProcess[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-own-servers-'))
  brokers = await ConfiguredBrokers.make()
  clickhouse = await startEmbeddedClickhouse({ dataDir: join(folder, 'clickhouse') })
  ports = await Promise.all(nodes.map(freePort))
  routes = await Promise.all(nodes.map(freePort))
}, generousMs)

afterAll(async () => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL')
  await brokers?.stop()
  await clickhouse?.stop()
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
}, generousMs)

async function startNode(node: number): Promise<void> {
  const all = routes.map(route => `"nats://127.0.0.1:${route}"`).join(', ')
  servers[node] = await brokers.start(ports[node]!, [
    `server_name: n${node}`,
    `max_payload: ${8 << 20}`,
    `cluster { name: lab, host: "127.0.0.1", port: ${routes[node]}, routes: [${all}] }`,
  ])
}

interface Started {
  readonly child: ChildProcess
  readonly error: () => string
  readonly code: Promise<number | null>
  /** Its URL, once it runs. */
  readonly url: () => string | undefined
}

function start(name: string, env: Readonly<Record<string, string>> = {}): Started {
  const { PATH, HOME } = environment()
  const child = spawn(process.execPath, [command, 'start', '--json', '--port', '0'], {
    env: {
      PATH,
      HOME,
      WEIR_DATA_DIR: join(folder, 'not', 'there', name),
      WEIR_LOG_LEVEL: 'error',
      WEIR_HTTP_AUTH: 'open',
      WEIR_DRAIN_SECONDS: '2',
      WEIR_NATS_URL: ports.map(port => `nats://127.0.0.1:${port}`).join(', '),
      WEIR_NATS_REPLICAS: '3',
      WEIR_CLICKHOUSE_URL: clickhouse.url,
      WEIR_CLICKHOUSE_USER: clickhouse.login.user,
      WEIR_CLICKHOUSE_PASSWORD: clickhouse.login.password,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  const texts = { out: '', error: '' }
  child.stdout?.on('data', part => (texts.out += String(part)))
  child.stderr?.on('data', part => (texts.error += String(part)))
  const code = once(child, 'exit').then(([exit]) => exit as number | null)
  const url = () => (texts.out.includes('\n') ? (JSON.parse(texts.out) as { url?: string }).url : undefined)
  return { child, error: () => texts.error, code, url }
}

async function until<T>(read: () => T | Promise<T>, one: Started): Promise<NonNullable<T>> {
  for (;;) {
    const value = await read()
    if (value) return value
    if (one.child.exitCode !== null) throw new Error(`it ended: ${one.error()}`)
    await sleep(50)
  }
}

interface Ready {
  readonly status: number
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[]
}

async function ready(url: string): Promise<Ready> {
  const answer = await fetch(`${url}/readyz`)
  const { checks } = (await answer.json()) as Pick<Ready, 'checks'>
  return { status: answer.status, checks }
}

const post = (url: string, id: string) =>
  fetch(`${url}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([usage(id)]),
  })

/** How many events Weir has counted in ClickHouse. */
async function received(database = 'weir'): Promise<number> {
  const { user, password } = clickhouse.login
  const answer = await fetch(`${clickhouse.url}/?database=${database}`, {
    method: 'POST',
    headers: { 'X-ClickHouse-User': user, 'X-ClickHouse-Key': password },
    body: 'SELECT sum(received) FROM event_dispositions',
  })
  return Number(await answer.text())
}

test(
  'a start waits for a broker that is not there and says so; Ctrl-C ends the wait at once',
  async () => {
    const one = start('waiting')
    await until(() => one.error().includes('Waiting for NATS at nats://127.0.0.1:'), one)
    const sentAtMs = performance.now()
    one.child.kill('SIGINT')
    expect(await one.code).toBe(0)
    expect(performance.now() - sentAtMs).toBeLessThan(10_000)
  },
  generousMs,
)

test(
  'a start that cannot succeed ends with 78, a code, and what to do',
  async () => {
    const port = await freePort()
    await brokers.start(port, ['authorization { user: me, password: secret }'])
    const url = `nats://127.0.0.1:${port}`
    const login = { WEIR_NATS_URL: url, WEIR_NATS_USER: 'me', WEIR_NATS_PASSWORD: 'secret' }
    const alone = { ...login, WEIR_NATS_REPLICAS: '1' }
    const cases: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
      ['replicas_not_possible', login, 'Set nats.replicas to at most'],
      ['nats_login_refused', { ...alone, WEIR_NATS_PASSWORD: 'wrong' }, 'nats.password'],
      ['nats_tls_refused', { ...alone, WEIR_NATS_URL: url.replace('nats:', 'tls:') }, 'nats.ca'],
      ['file_unreadable', { ...alone, WEIR_NATS_CREDS: '/no/creds' }, 'nats.creds: /no/creds'],
      ['clickhouse_login_refused', { ...alone, WEIR_CLICKHOUSE_PASSWORD: 'wrong' }, 'clickhouse.password'],
    ]
    for (const [code, env, words] of cases) {
      const one = start(code, env)
      expect([await one.code, one.error()]).toEqual([78, expect.stringContaining(`weir start: ${code}: `)])
      expect(one.error()).toContain(words)
    }
  },
  generousMs,
)

test(
  'a failed start ends the process with 1 and holds no partition',
  async () => {
    const port = await freePort()
    await brokers.start(port)
    const env = { WEIR_NATS_URL: `nats://127.0.0.1:${port}`, WEIR_NATS_REPLICAS: '1' }
    // It fails at the very end, when the partitions run: `weir.json` cannot be written.
    await mkdir(join(folder, 'not', 'there', 'failing', 'weir.json'), { recursive: true })
    const one = start('failing', env)
    expect([await one.code, one.error()]).toEqual([1, expect.stringContaining('weir start: start_failed: ')])
    const nc = await connect({ servers: `127.0.0.1:${port}` })
    await expect(nc.request('weir.owner.0', '', { timeout: 1_000 })).rejects.toThrow(/no responders/i)
    await nc.close()
  },
  generousMs,
)

/** The ClickHouse of these tests behind TLS. */
async function clickhouseOverTls({ cert, key }: Certificates): Promise<Server> {
  const { port, hostname } = new URL(clickhouse.url)
  const files = { cert: await readFile(cert), key: await readFile(key) }
  const front = createServer(files, outside => {
    const inside = connectSocket(Number(port), hostname)
    outside.pipe(inside).pipe(outside)
    for (const one of [outside, inside]) one.on('error', () => [outside, inside].map(end => end.destroy()))
  })
  await once(front.listen(0, '127.0.0.1'), 'listening')
  return front
}

test(
  'over TLS, with an authority of one’s own and a certificate that the broker asks for, events come through',
  async () => {
    const [ours, others] = [await brokers.certificates(), await brokers.certificates()]
    const port = await freePort()
    const quoted = (path: string) => JSON.stringify(path)
    const files = `cert_file: ${quoted(ours.cert)}, key_file: ${quoted(ours.key)}, ca_file: ${quoted(ours.ca)}`
    await brokers.start(port, [`tls { ${files}, verify: true }`, `max_payload: ${8 << 20}`])
    const front = await clickhouseOverTls(ours)
    const env = {
      WEIR_NATS_URL: `tls://localhost:${port}`,
      WEIR_NATS_CA: ours.ca,
      WEIR_NATS_CERT: ours.cert,
      WEIR_NATS_KEY: ours.key,
      WEIR_NATS_REPLICAS: '1',
      WEIR_CLICKHOUSE_URL: `https://localhost:${(front.address() as AddressInfo).port}`,
      WEIR_CLICKHOUSE_CA: ours.ca,
      WEIR_CLICKHOUSE_DATABASE: 'over_tls',
    }
    const stranger = start('stranger', { ...env, WEIR_CLICKHOUSE_CA: others.ca })
    expect(await stranger.code).toBe(78)
    expect(stranger.error()).toContain('weir start: clickhouse_tls_refused: ')
    const one = start('tls', env)
    const base = await until(one.url, one)
    expect((await post(base, 'over-tls')).status).toBe(202)
    await until(async () => (await received('over_tls')) === 1, one)
    one.child.kill('SIGTERM')
    expect(await one.code).toBe(0)
    front.close()
  },
  generousMs,
)

let weir: Started
let url: string

test(
  'servers that come up later are found, and a data directory that is not there is made',
  async () => {
    weir = start('later')
    await until(() => weir.error().includes('Waiting for NATS'), weir)
    await startNode(0)
    await until(() => weir.error().includes('Waiting for JetStream'), weir) // one of three has no quorum
    await Promise.all([startNode(1), startNode(2)])
    url = await until(weir.url, weir)
    expect(existsSync(join(folder, 'not', 'there', 'later', 'weir.json'))).toBe(true)
    await until(async () => (await ready(url)).status === 200, weir)
    expect((await post(url, 'first')).status).toBe(202)
  },
  generousMs,
)

test(
  'without the quorum Weir is not ready and vouches for no event; with it, it is ready again and loses none',
  async () => {
    await Promise.all([1, 2].map(node => brokers.kill(servers[node]!)))
    await until(async () => {
      const { status, checks } = await ready(url)
      return status === 503 && checks.some(({ name, ok }) => name === 'jetstream' && !ok)
    }, weir)
    const refused = post(url, 'second')
    await Promise.all([startNode(1), startNode(2)])
    if ((await refused).status !== 202) {
      const { code } = (await (await refused).json()) as { code: string }
      expect(['outcome_unknown', 'broker_unavailable']).toContain(code)
    }
    await until(async () => (await ready(url)).status === 200, weir)
    await until(async () => (await post(url, 'second')).status === 202, weir)
    await until(async () => (await received()) >= 2, weir)
  },
  generousMs,
)

test(
  'SIGTERM while the whole broker is away ends Weir within its deadline',
  async () => {
    await Promise.all(servers.map(server => brokers.kill(server)))
    const sentAtMs = performance.now()
    weir.child.kill('SIGTERM')
    expect(await weir.code).toBe(0)
    expect(performance.now() - sentAtMs).toBeLessThan(20_000) // without a deadline it never ends
  },
  generousMs,
)
