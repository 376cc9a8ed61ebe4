// The memory of a process tree while it works, read from /proc a few times a second. Pages of files that a process has
// mapped are left out: the kernel takes them back when it needs them.

import { readFileSync } from 'node:fs'

export interface Peaks {
  /** MB, each process at its own peak. */
  readonly weir: number
  readonly nats: number
  readonly clickhouse: number
  /** MB, of all three at one moment. */
  readonly together: number
}

const everyMs = 200
const mb = 1e6

export class TreeMemory {
  readonly #pids: readonly [number, number, number]
  readonly #timer: NodeJS.Timeout
  #peaks = [0, 0, 0, 0]

  constructor(pids: readonly [weir: number, nats: number, clickhouse: number]) {
    this.#pids = pids
    this.#timer = setInterval(() => this.#look(), everyMs)
  }

  /** The peaks since the last call. */
  take(): Peaks {
    this.#look()
    const [weir, nats, clickhouse, together] = this.#peaks.map(bytes => Math.round(bytes / mb))
    this.#peaks = [0, 0, 0, 0]
    return { weir: weir!, nats: nats!, clickhouse: clickhouse!, together: together! }
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const now = this.#pids.map(anonymousBytesOf)
    now.push(now.reduce((sum, bytes) => sum + bytes, 0))
    this.#peaks = this.#peaks.map((peak, at) => Math.max(peak, now[at]!))
  }
}

/** Anonymous and shared memory, of all threads; 0 when the process is gone. */
function anonymousBytesOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
    return (kib('RssAnon') + kib('RssShmem')) * 1024
  } catch {
    return 0
  }
}
