// How much memory the engine may take, and who gives way when it is short. All limits on memory stand here.
//
// Invariants:
// 1. The limit of the whole engine is far below what the machine (or the container) has: beside it run Weir and
//    nats-server, and the system ends the process that takes the last memory, whatever it was doing.
// 2. Statements together get less than the engine, so that merges and caches have some left.
// 3. When statements together reach their limit, an analyst's is refused (241), and an insert waits until its
//    memory is free.

import { totalmem } from 'node:os'

const mebibyte = 2 ** 20
const gibibyte = 2 ** 30

/** The library itself takes a quarter of it. */
export const leastEngineBytes = gibibyte

export interface MemoryLimits {
  /** Of the engine: statements, merges, caches. */
  readonly engine: number
  /** Of all statements that run at the same time. */
  readonly statements: number
  /** Of one statement of Weir's own user, unless the request says otherwise. */
  readonly ours: number
  /** Of one statement of an analyst: unless the request says otherwise, and at most. */
  readonly analyst: { readonly value: number; readonly max: number }
  /** From here on an analyst's sort or GROUP BY goes on on disk. */
  readonly spill: { readonly value: number; readonly max: number }
  /** Of the data of a result that is not sent in pieces. Its text, which may be several times as long, is held too. */
  readonly wholeResult: number
  /** Of a multipart request, whose tables are held in memory. */
  readonly form: number
}

/** `engine`: what the configuration says; else half of what there is. */
export function memoryLimits(engine: number = availableMemory() / 2): MemoryLimits {
  const all = Math.floor(Math.max(engine, leastEngineBytes))
  const part = (share: number, atMost = Number.POSITIVE_INFINITY) => Math.floor(Math.min(all * share, atMost))
  return {
    engine: all,
    statements: part(0.8),
    ours: part(0.5),
    // Six of them run at the same time at most (engine.ts), and alone they never reach the limit of all statements.
    analyst: { value: part(1 / 8, 2 * gibibyte), max: part(1 / 8, 4 * gibibyte) },
    spill: { value: part(1 / 16, gibibyte), max: part(1 / 8, 2 * gibibyte) },
    // Ten statements at most are read at the same time (engine.ts).
    wholeResult: part(1 / 32, 2 * gibibyte),
    form: part(1 / 32, 256 * mebibyte),
  }
}

/** Elements of the engine's configuration file. */
export function serverMemory(limits: MemoryLimits): string {
  // Each of the engine's caches may take this part of the machine's memory; some would take 5 GiB each.
  const cacheRatio = limits.engine / 8 / availableMemory()
  // Looking for one event reads the whole index of a table, which would be unpacked anew for each question.
  const indexCache = Math.floor(limits.engine / 64)
  return `<max_server_memory_usage>${limits.engine}</max_server_memory_usage>
  <max_server_memory_usage_to_ram_ratio>1</max_server_memory_usage_to_ram_ratio>
  <cache_size_to_ram_max_ratio>${cacheRatio.toFixed(6)}</cache_size_to_ram_max_ratio>
  <index_uncompressed_cache_size>${indexCache}</index_uncompressed_cache_size>`
}

/**
 * Settings that hold for everybody and that no request may change. The engine has one user, so the limit of a user
 * is that of all statements. When it is reached, the engine stops the statement with the most memory for its
 * denominator, and statements that need memory wait for it.
 */
export function memorySettings(
  role: 'weir' | 'analyst',
  limits: MemoryLimits,
): Readonly<Record<string, number>> {
  return {
    max_memory_usage_for_user: limits.statements,
    memory_overcommit_ratio_denominator_for_user: role === 'weir' ? gibibyte : mebibyte, // invariant 3
    memory_usage_overcommit_max_wait_microseconds: 10_000_000,
    max_untracked_memory: 4 * mebibyte,
  }
}

/** Of the container if it has a limit, else of the machine. */
function availableMemory(): number {
  const constrained = process.constrainedMemory()
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
}
