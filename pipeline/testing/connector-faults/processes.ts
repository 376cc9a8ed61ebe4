// The processes of a run: the fake receiver, which keeps what it took while Weir is killed, and Weir itself.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { EmbeddedClickhouse } from '../../../deploy/embedded/clickhouse-server.js'
import type { NatsServer } from '../../../deploy/embedded/nats-server.js'
import { packageRoot } from '../../../schemas/package-root.js'
import type { BookedDocument } from '../../../sinks/testing/booked.js'
import type { StartedFake } from '../../../sinks/testing/fake-of-kind.js'
import type { FakeWaits } from '../../../sinks/testing/fake-server.js'
import type { Fault } from '../../../sinks/testing/fault.js'
import { environment } from '../../environment.js'

export type Chances = Readonly<Partial<Record<Fault, number>>>

interface Told extends Omit<StartedFake, 'fake'> {
  readonly url: string
}

export interface Booked {
  readonly documents: readonly BookedDocument[]
  /** How often each fault was met. */
  readonly faults: Readonly<Partial<Record<Fault, number>>>
}

const built = (file: string): string => fileURLToPath(new URL(`.cache/testing/${file}`, packageRoot))

export class FakeProcess {
  readonly told: Told
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, told: Told) {
    this.#child = child
    this.told = told
  }

  static async start(kind: string): Promise<FakeProcess> {
    const command = [built('sinks/testing/fake-main.js'), kind]
    const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] })
    for await (const line of createInterface({ input: child.stdout }))
      return new FakeProcess(child, JSON.parse(line) as Told)
    throw new Error(`there is no fake of ${kind}`)
  }

  failAtRandom(chances: Chances): Promise<void> {
    return this.#post('chances', chances)
  }

  wait(waits: Partial<FakeWaits>): Promise<void> {
    return this.#post('waits', waits)
  }

  async booked(): Promise<Booked> {
    return (await fetch(`${this.told.url}/_fake/booked`)).json() as Promise<Booked>
  }

  stop(): Promise<void> {
    return kill(this.#child)
  }

  async #post(what: string, body: unknown): Promise<void> {
    const response = await fetch(`${this.told.url}/_fake/${what}`, {
      method: 'POST',
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`the fake answers ${response.status} to ${what}`)
  }
}

export interface WeirOptions {
  /** Has weir.yaml. */
  readonly folder: string
  readonly broker: NatsServer
  /** Beside Weir, which then starts in half the time. */
  readonly clickhouse: EmbeddedClickhouse
  readonly secrets: Readonly<Record<string, string>>
  /** The waits of the product instead of those of shorter-waits.ts. */
  readonly isSlow: boolean
}

export class WeirProcess {
  readonly #options: WeirOptions
  #child: ChildProcess | undefined

  constructor(options: WeirOptions) {
    this.#options = options
  }

  start(): void {
    const { folder, broker, clickhouse, secrets, isSlow } = this.#options
    const { PATH, HOME } = environment()
    const login = broker.login()
    const env = {
      ...{ PATH, HOME, ...secrets },
      WEIR_DATA_DIR: join(folder, 'data'),
      WEIR_LOG_LEVEL: environment()['WEIR_LOG_LEVEL'] ?? 'silent',
      WEIR_NATS_URL: `nats://127.0.0.1:${broker.port}`,
      WEIR_NATS_USER: login.user,
      WEIR_NATS_PASSWORD: login.pass,
      WEIR_CLICKHOUSE_URL: clickhouse.url,
      WEIR_CLICKHOUSE_USER: clickhouse.login.user,
      WEIR_CLICKHOUSE_PASSWORD: clickhouse.login.password,
      WEIR_WORKERS: '1',
    }
    const preload = ['--import', built('pipeline/testing/connector-faults/shorter-waits.js')]
    const command = [
      built('pipeline/cli/weir.js'),
      ...['start', '--config', join(folder, 'weir.yaml'), '--port', '0'],
    ]
    this.#child = spawn(process.execPath, [...(isSlow ? [] : preload), ...command], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  }

  /** It does not run any more, though nobody has killed it. */
  get hasEnded(): boolean {
    return this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  async kill(): Promise<void> {
    if (this.#child !== undefined) await kill(this.#child)
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
