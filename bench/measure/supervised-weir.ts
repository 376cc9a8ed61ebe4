// `weir start` as a child process under a supervisor that starts it again whenever it ends, and the means to
// kill it and each of its servers.
// Invariants:
// 1. A process is killed only while its command line names our data directory, because process ids are
//    reused.
// 2. `stop` ends every process on the data directory, also when a test fails in the middle.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { NatsUser } from '../../deploy/embedded/nats-config.js'
import type { NatsLogin } from '../../deploy/embedded/nats-server.js'
import { readLogin } from '../../deploy/embedded/passwords.js'
import { environment } from '../../pipeline/environment.js'
import { type Instance, readInstance } from '../../pipeline/servers/instance.js'
import { builtFile } from '../../schemas/package-root.js'
import type { ClickHouseConfig } from '../../sinks/clickhouse/config.js'
import { beginWithSchema } from './schema-template.js'

export const victims = ['weir', 'nats-server', 'clickhouse'] as const
export type Victim = (typeof victims)[number]

export interface SupervisedOptions {
  /** More settings, as `WEIR_*` variables. */
  readonly env?: Readonly<Record<string, string>>
}

export interface CommandOutcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const command = fileURLToPath(builtFile('pipeline/cli/weir.js'))
const respawnPauseMs = 100
const stopDeadlineMs = 60_000

export class SupervisedWeir {
  readonly dataDir: string
  readonly url: string
  /** How often the process ended without our signal: a failed start, or a crash. */
  unaskedExits = 0
  readonly #env: NodeJS.ProcessEnv
  #child: ChildProcess | undefined
  #stopping = false
  #freezing: NodeJS.Timeout | undefined
  #killed = false

  private constructor(dataDir: string, port: number, env: Readonly<Record<string, string>>) {
    this.dataDir = dataDir
    this.url = `http://127.0.0.1:${port}`
    // The month of the scenario is fixed; nothing in it is too old.
    const { PATH, HOME, WEIR_NATS_SERVER } = environment() // nothing that could name a system that is running
    this.#env = {
      PATH,
      HOME,
      WEIR_NATS_SERVER,
      WEIR_DATA_DIR: dataDir,
      WEIR_HTTP_PORT: String(port),
      WEIR_DEDUPE_HORIZON_DAYS: '36500',
      WEIR_LOG_LEVEL: 'warn',
      ...env,
    }
  }

  static async start(options: SupervisedOptions = {}): Promise<SupervisedWeir> {
    const dataDir = await mkdtemp(join(tmpdir(), 'weir-kill-'))
    await beginWithSchema(join(dataDir, 'clickhouse'))
    const weir = new SupervisedWeir(dataDir, await freePort(), options.env ?? {})
    weir.#spawn()
    return weir
  }

  /** What `weir start` wrote last; undefined before the first start is through. */
  get instance(): Instance | undefined {
    return readInstance(this.dataDir)
  }

  /** How our own user connects to the servers of this directory, once they have started. */
  get nats(): NatsLogin {
    return this.natsAs('weir')
  }

  natsAs(name: NatsUser): NatsLogin {
    const { user, password: pass } = readLogin(join(this.dataDir, 'nats'), name)
    return { servers: this.instance?.nats_url ?? '', user, pass }
  }

  get clickhouse(): ClickHouseConfig {
    return this.clickhouseAs('weir')
  }

  clickhouseAs(name: 'weir' | 'analyst'): ClickHouseConfig {
    const login = readLogin(join(this.dataDir, 'clickhouse'), name)
    return { url: this.instance?.clickhouse_url ?? '', ...login, database: 'weir' }
  }

  /** `kill -9`; false when the victim was down, or nobody knows its id yet. */
  kill(victim: Victim): boolean {
    const pid = this.#pidOf(victim)
    if (pid === undefined) return false
    if (victim === 'weir') this.#killed = true
    process.kill(pid, 'SIGKILL')
    return true
  }

  /**
   * Pauses the victim, which then exists but does not answer, or resumes it. A process that is started in its
   * place is paused too.
   */
  freeze(victim: Victim, isFrozen: boolean): void {
    const signal = (): boolean => {
      const pid = this.#pidOf(victim)
      if (pid !== undefined) process.kill(pid, isFrozen ? 'SIGSTOP' : 'SIGCONT')
      return pid !== undefined
    }
    clearInterval(this.#freezing)
    if (!signal()) throw new Error(`there is no ${victim} to freeze`)
    if (isFrozen) this.#freezing = setInterval(signal, 50)
  }

  /** The command's own, not its servers'. */
  get residentBytes(): number {
    const pid = this.#pidOf('weir')
    const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return Number(kib) * 1024
  }

  /** Whether everything works again: every partition, every sink, both servers. */
  async isReady(): Promise<boolean> {
    const instance = this.instance
    if (instance === undefined || this.#pidOf('nats-server') === undefined) return false
    const [ready, ping] = await Promise.all([
      answerOf(`${this.url}/readyz`),
      answerOf(`${instance.clickhouse_url}/ping`),
    ])
    if (ready === undefined || ping === undefined) return false
    const { checks } = JSON.parse(ready) as { checks: readonly { readonly ok: boolean }[] }
    return checks.every(check => check.ok)
  }

  async ready(): Promise<void> {
    while (!(await this.isReady())) await sleep(100)
  }

  /** Runs a command of the command line against this data directory. */
  run(...args: string[]): Promise<CommandOutcome> {
    return this.runBuild(command, ...args)
  }

  /** Runs the command of a build. */
  async runBuild(weir: string, ...args: string[]): Promise<CommandOutcome> {
    try {
      const run = promisify(execFile)
      const { stdout, stderr } = await run(process.execPath, [weir, ...args], {
        env: this.#env,
        maxBuffer: 64 << 20,
      })
      return { code: 0, stdout, stderr }
    } catch (error) {
      const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string }
      return {
        code: typeof code === 'number' ? code : 1,
        stdout: stdout ?? '',
        stderr: stderr ?? String(error),
      }
    }
  }

  /** The last lines of the log, for the message of a failing test. */
  log(lines = 40): string {
    const file = join(this.dataDir, 'weir.log')
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').slice(-lines).join('\n') : ''
  }

  /** Ends the command as Ctrl-C does; answers its exit code, `null` when it had to be killed. */
  async end(): Promise<number | null> {
    this.#stopping = true
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null
    const ended = new Promise<number | null>(resolve => child.once('exit', code => resolve(code)))
    child.kill('SIGTERM')
    const code = await Promise.race([ended, sleep(stopDeadlineMs, 'late' as const, { ref: false })])
    if (code !== 'late') return code
    child.kill('SIGKILL')
    return ended
  }

  /** Starts what `end` ended, on the same data directory. */
  startAgain(): void {
    this.#stopping = false
    this.#spawn()
  }

  async stop(): Promise<void> {
    clearInterval(this.#freezing)
    await this.end()
    for (const victim of victims) this.kill(victim) // invariant 2
    while (victims.some(victim => this.#pidOf(victim) !== undefined)) await sleep(20)
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }

  #spawn(): void {
    const log = openSync(join(this.dataDir, 'weir.log'), 'a')
    const child = spawn(process.execPath, [command, 'start', '--json'], {
      env: this.#env,
      stdio: ['ignore', log, log],
    })
    this.#child = child
    this.#killed = false
    child.once('exit', async () => {
      if (this.#stopping) return
      if (!this.#killed) this.unaskedExits += 1
      await sleep(respawnPauseMs)
      if (!this.#stopping) this.#spawn()
    })
  }

  /** The servers' ids are in their pid files, also before the first start is complete. */
  #pidOf(victim: Victim): number | undefined {
    if (victim === 'weir') {
      const child = this.#child
      return child?.exitCode === null && child.signalCode === null ? child.pid : undefined
    }
    const folder = victim === 'nats-server' ? 'nats' : 'clickhouse'
    const file = join(this.dataDir, folder, `${victim}.pid`)
    try {
      const pid = Number(readFileSync(file, 'utf8'))
      const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return pid > 1 && commandLine.includes(join(this.dataDir, folder)) ? pid : undefined // invariant 1
    } catch {
      return undefined
    }
  }
}

/** The body of a successful answer, else undefined. */
async function answerOf(url: string): Promise<string | undefined> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) })
    const text = await answer.text()
    return answer.ok ? text : undefined
  } catch {
    return undefined
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
