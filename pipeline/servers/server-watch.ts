// Watches the embedded servers while they run: whether they answer, and whether the disk takes what they write. A server
// that has stopped answering is killed. A broker that met a write error is killed once the disk has free
// space, since it does not recover by itself. embedded.ts restarts them on the data on disk.
//
// Invariant: a kill loses nothing: acknowledged data is on disk, and clients repeat everything else.

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

/** A server is killed after this many probes in a row without an answer; each probe has its own time-out. */
const mostUnanswered = 4
/** Trouble is reported after this many unanswered probes, since one may fail when this process is busy. */
const toldUnanswered = 2
/** With less free space a server is not restarted, since it would fail at once. */
const leastFreeBytes = 16 << 20
/**
 * With less free space the disk counts as full: writes have failed, and the server could perhaps not log
 * that.
 */
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
      return `no space left on device: ${this.#freeBytes} bytes are free on ${folder}, where ${name} writes. Make room (weir retention); it goes on by itself`
    }
    if (this.#writeError !== undefined)
      return `${name} could not write: ${this.#writeError}. It is started again once the disk has room`
    if (this.#unanswered >= toldUnanswered)
      return `${name} does not answer: ${this.#unansweredDetail}. It is started again by itself`
    return undefined
  }

  /** To be called when a new process runs; it forgets the troubles of the old one. */
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

  /** Reads the log lines since the last look; lines from before this watch are ignored. */
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

/** Connects and waits for the greeting, which a frozen nats-server does not send. */
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
