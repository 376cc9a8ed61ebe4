// Watches the embedded servers while they run: whether they answer, and whether the disk takes what they write. A server
// that has stopped answering is killed, and so is a broker that met a write error, once there is room: it does not heal
// from one by itself. Whoever keeps them running starts them again on what is on disk.
//
// Invariant: nothing is lost by a kill: what was acknowledged is on disk, and everything else is asked for again.

import { open, statfs } from 'node:fs/promises'
import { connect as connectSocket } from 'node:net'

export interface ServerWatchOptions {
  /** `nats-server`, `ClickHouse`. */
  readonly name: string
  /** Throws when the server does not answer in time. */
  readonly probe: () => Promise<void>
  /** Where it writes. */
  readonly folder: string
  /** Its log, where it says what it could not write. */
  readonly logFile?: string
  /** Ends the process at once. */
  readonly kill: () => void
  readonly onTrouble: (detail: string) => void
  /** Default 2 s. */
  readonly everyMs?: number
}

/** So many probes in a row without an answer, each with its own time-out. */
const mostUnanswered = 4
/** One may be lost in a busy moment of ours. */
const toldUnanswered = 2
/** With less room a server is not started again: it would fail at once. */
const leastFreeBytes = 16 << 20
/** Full: what the server wrote meanwhile failed, and where its log lies it could not even say so. */
const fullBytes = 1 << 20
const firstRestartMs = 10_000
const longestRestartMs = 300_000
const writeError = /critical write error|no space left on device|disk quota exceeded|JetStream out of/i

export class ServerWatch {
  readonly #options: ServerWatchOptions
  readonly #timer: NodeJS.Timeout
  #unanswered = 0
  #unansweredDetail = ''
  #writeError: string | undefined
  #logAt: number | undefined
  #freeBytes = Number.POSITIVE_INFINITY
  #killedAtMs = Number.NEGATIVE_INFINITY
  #restartMs = firstRestartMs
  #told = ''
  #busy = false

  constructor(options: ServerWatchOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.#watch(), options.everyMs ?? 2_000)
    this.#timer.unref()
  }

  /** In words; undefined while all is well. */
  get trouble(): string | undefined {
    const { name, folder } = this.#options
    if (this.#freeBytes < leastFreeBytes) {
      return `no space left on device: ${this.#freeBytes} bytes are free on ${folder}, where ${name} writes`
    }
    if (this.#writeError !== undefined) return `${name} could not write: ${this.#writeError}`
    if (this.#unanswered >= toldUnanswered) return `${name} does not answer: ${this.#unansweredDetail}`
    return undefined
  }

  /** A new process runs: what the old one said is over. */
  restarted(): void {
    this.#unanswered = 0
    this.#writeError = undefined
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #watch(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    try {
      await this.#measure()
      await this.#readLog()
      await this.#ask()
      const trouble = this.trouble ?? ''
      if (trouble !== '' && trouble.replace(/\d+/g, '') !== this.#told) this.#options.onTrouble(trouble)
      this.#told = trouble.replace(/\d+/g, '')
      if (trouble === '') this.#restartMs = firstRestartMs
      else this.#restartIfDue()
    } finally {
      this.#busy = false
    }
  }

  #restartIfDue(): void {
    const isIll = this.#writeError !== undefined || this.#unanswered >= mostUnanswered
    const nowMs = performance.now()
    if (!isIll || this.#freeBytes < leastFreeBytes || nowMs - this.#killedAtMs < this.#restartMs) return
    if (Number.isFinite(this.#killedAtMs)) this.#restartMs = Math.min(2 * this.#restartMs, longestRestartMs)
    this.#killedAtMs = nowMs
    this.#options.onTrouble(`${this.#options.name} does not recover and is started again`)
    try {
      this.#options.kill()
    } catch (error) {
      this.#options.onTrouble(`${this.#options.name} could not be ended: ${String(error)}`) // it ended meanwhile
    }
  }

  async #measure(): Promise<void> {
    try {
      const { bavail, bsize } = await statfs(this.#options.folder)
      this.#freeBytes = bavail * bsize
      const { name, logFile } = this.#options
      if (this.#freeBytes < fullBytes && logFile !== undefined) {
        this.#writeError ??= `the disk was full; ${name} stays ill after that until it is started again`
      }
    } catch {
      this.#freeBytes = Number.POSITIVE_INFINITY // not known; the log tells what cannot be written
    }
  }

  /** What was logged since the last look; what is older than this watch is over. */
  async #readLog(): Promise<void> {
    const { logFile } = this.#options
    if (logFile === undefined) return
    try {
      const file = await open(logFile, 'r')
      try {
        const { size } = await file.stat()
        const from = this.#logAt === undefined ? size : size < this.#logAt ? 0 : this.#logAt
        this.#logAt = size
        if (size === from) return
        const start = Math.max(from, size - (1 << 16))
        const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start)
        const lines = buffer.subarray(0, bytesRead).toString('utf8').split('\n')
        const line = lines.findLast(text => writeError.test(text))
        if (line !== undefined) this.#writeError = line.replace(/^.*?\[ERR\] /, '').trim()
      } finally {
        await file.close()
      }
    } catch {
      this.#logAt ??= 0 // it is not there yet
    }
  }

  async #ask(): Promise<void> {
    try {
      await this.#options.probe()
      this.#unanswered = 0
    } catch (error) {
      this.#unanswered += 1
      this.#unansweredDetail = error instanceof Error ? error.message : String(error)
    }
  }
}

const answerMs = 2_500

/** A nats-server greets whoever connects; one that is frozen does not. */
export function probeNats(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host: '127.0.0.1', port })
    const end = (error?: Error): void => {
      clearTimeout(timer)
      socket.destroy()
      if (error === undefined) resolve()
      else reject(error)
    }
    const timer = setTimeout(() => end(new Error(`nothing within ${answerMs} ms`)), answerMs)
    socket.once('data', () => end())
    socket.once('error', end)
    socket.once('close', () => end(new Error('it hung up')))
  })
}

export async function probeHttp(url: string): Promise<void> {
  await (await fetch(url, { signal: AbortSignal.timeout(answerMs) })).arrayBuffer()
}
