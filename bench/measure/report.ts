// What every benchmark reports, and the facts of the machine that it ran on. Contract section 8.
// Invariant: `conservation` is `ok` only when every figure that came out equals the one that was computed without us.

import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { packageRoot } from '../../schemas/package-root.js'
import type { Usage } from './process-usage.js'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memory_bytes: number
  readonly node: string
  readonly platform: string
  /** Of the last minute, before the benchmark: above 0.5 or so, somebody else was at work. */
  readonly load_average: number
}

/** A figure that does not agree with the independent one. */
export interface Difference {
  readonly what: string
  readonly expected: string
  readonly found: string
}

export interface BenchReport {
  readonly benchmark: string
  readonly commit: string
  readonly seed: number
  readonly machine: Machine
  readonly events: number
  readonly seconds: number
  readonly events_per_second: number
  readonly cpu_seconds: number
  /** Of all processes together, each at its own peak. */
  readonly peak_rss_bytes: number
  readonly conservation: 'ok' | 'violated'
  readonly differences: readonly Difference[]
}

export interface Facts {
  readonly benchmark: string
  readonly seed: number
  readonly machine: Machine
}

/** Taken before the benchmark begins, so that the load is not its own. */
export function factsOf(benchmark: string, seed: number): Facts {
  return { benchmark, seed, machine: machineOf() }
}

export interface Measured {
  readonly events: number
  readonly seconds: number
  readonly usage: Usage
  readonly differences: readonly Difference[]
}

export function reportOf(facts: Facts, measured: Measured): BenchReport {
  const { events, seconds, usage, differences } = measured
  return {
    benchmark: facts.benchmark,
    commit: commitOf(),
    seed: facts.seed,
    machine: facts.machine,
    events,
    seconds: rounded(seconds, 3),
    events_per_second: Math.round(events / seconds),
    cpu_seconds: rounded(usage.cpuSeconds, 2),
    peak_rss_bytes: usage.peakRssBytes,
    conservation: differences.length === 0 ? 'ok' : 'violated',
    differences,
  }
}

export function difference(
  what: string,
  expected: string | number | bigint,
  found: string | number | bigint,
): Difference[] {
  return String(expected) === String(found)
    ? []
    : [{ what, expected: String(expected), found: String(found) }]
}

export function rounded(value: number, places: number): number {
  return Number(value.toFixed(places))
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

/** The percentile by nearest rank. */
export function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN
}

function machineOf(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memory_bytes: totalmem(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    load_average: rounded(loadavg()[0] ?? 0, 2),
  }
}

/** The commit that is checked out, `+` when files differ from it; '' when this is no checkout. */
function commitOf(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: fileURLToPath(packageRoot), encoding: 'utf8', stdio: 'pipe' }).trim()
  try {
    const dirty = git('status', '--porcelain', '--untracked-files=no') !== ''
    return `${git('rev-parse', '--short=12', 'HEAD')}${dirty ? '+' : ''}`
  } catch {
    return ''
  }
}
