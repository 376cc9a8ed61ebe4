// CPU time and peak memory of the processes that a benchmark runs, from /proc; elsewhere of this process
// alone.
// Invariants: only what was used between `begin` and `end` is counted; peaks are set back at `begin` where
// the kernel lets us. The producers' memory is listed and not added up: it is mostly the events that they
// made beforehand.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

export interface ProcessUse {
  readonly cpu_seconds: number
  readonly peak_rss_bytes: number
}

export interface Usage {
  readonly cpuSeconds: number
  readonly peakRssBytes: number
  readonly processes: Readonly<Record<string, ProcessUse>>
}

/** The process whose memory is the benchmark's own and not the pipeline's. */
export const producersName = 'producers'

/** The unit of times in /proc; 100 per second on every Linux that Node runs on. */
const ticksPerSecond = 100

export class UsageMeter {
  readonly #pids: Readonly<Record<string, number>>
  readonly #begun = new Map<string, number>()

  /** By the name under which a process is reported. */
  constructor(pids: Readonly<Record<string, number | undefined>>) {
    const known = Object.entries(pids).filter((entry): entry is [string, number] => entry[1] !== undefined)
    this.#pids = Object.fromEntries(known)
  }

  begin(): void {
    for (const [name, pid] of Object.entries(this.#pids)) {
      this.#begun.set(name, cpuSecondsOf(pid))
      forgetPeak(pid)
    }
  }

  end(): Usage {
    const processes: Record<string, ProcessUse> = {}
    let cpuSeconds = 0
    let peakRssBytes = 0
    for (const [name, pid] of Object.entries(this.#pids)) {
      const cpu = cpuSecondsOf(pid) - (this.#begun.get(name) ?? 0)
      const peak = peakRssOf(pid)
      processes[name] = { cpu_seconds: Number(cpu.toFixed(2)), peak_rss_bytes: peak }
      cpuSeconds += cpu
      if (name !== producersName) peakRssBytes += peak
    }
    return { cpuSeconds, peakRssBytes, processes }
  }
}

/** User and system time, also of ended children, so that the work of a forking server is counted. */
export function cpuSecondsOf(pid: number): number {
  const stat = readProc(pid, 'stat')
  if (stat === undefined) {
    const { user, system } = process.cpuUsage()
    return pid === process.pid ? (user + system) / 1e6 : 0
  }
  // The name of the program may hold anything; the numbers begin behind its last parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at] ?? 0), 0)
  return ticks / ticksPerSecond
}

export function peakRssOf(pid: number): number {
  const kib = /^VmHWM:\s+(\d+)/m.exec(readProc(pid, 'status') ?? '')?.[1]
  if (kib !== undefined) return Number(kib) * 1024
  return pid === process.pid ? process.resourceUsage().maxRSS * 1024 : 0
}

/** Proportional set size: memory that processes share is counted once. */
export function sharedFairlyBytesOf(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readProc(pid, 'smaps_rollup') ?? '')?.[1] ?? 0) * 1024
}

/** The processes whose parent this is. */
export function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => {
      const stat = readProc(pid, 'stat')
      return stat !== undefined && Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent
    })
}

function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
  } catch {
    // Not ours to set back: the peak since the process began is reported, which is no less.
  }
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}
