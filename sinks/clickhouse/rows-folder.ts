// Hands the rows of an insert to a ClickHouse on this machine as a file, where it offers that (schemas/rows/rows-file.ts).
// Invariants: without an offer, and whenever a file cannot be written, rows go in the body as with any server; a file
// lives no longer than its insert.

import { randomUUID } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { rowsFolderHeader } from '../../schemas/rows/rows-file.js'
import type { ClickHouseConfig } from './config.js'

/** Fewer bytes go through the socket as fast as a file is made. */
const smallInsertBytes = 256 << 10
const pingTimeoutMs = 5_000
const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/

export interface RowsFile {
  readonly name: string
  remove(): Promise<void>
}

export type RowsServer = Pick<ClickHouseConfig, 'url' | 'user' | 'password'>

export class RowsFolder {
  readonly #server: RowsServer
  #folder: Promise<string | undefined> | undefined

  constructor(server: RowsServer) {
    this.#server = server
  }

  /** Undefined when the rows have to go in the body. */
  async write(parts: readonly Uint8Array[]): Promise<RowsFile | undefined> {
    if (parts.reduce((sum, part) => sum + part.byteLength, 0) < smallInsertBytes) return undefined
    this.#folder ??= offeredFolder(this.#server)
    const folder = await this.#folder
    if (folder === undefined) return undefined
    const name = randomUUID()
    const path = join(folder, name)
    try {
      const file = await open(path, 'wx', 0o600)
      try {
        await writeAll(file, parts)
      } finally {
        await file.close()
      }
    } catch {
      // The folder of a server that has gone, or of another machine, or full: asked again before the next insert.
      this.forget()
      await rm(path, { force: true }).catch(() => undefined)
      return undefined
    }
    return { name, remove: () => rm(path, { force: true }).catch(() => undefined) }
  }

  /** What was offered may not hold any more: the server may have been started again. */
  forget(): void {
    this.#folder = undefined
  }

  /** The server does not see our files; it sees another machine's folder of the same name. */
  giveUp(): void {
    this.#folder = Promise.resolve(undefined)
  }
}

async function offeredFolder({ url, user, password }: RowsServer): Promise<string | undefined> {
  const { hostname, protocol } = new URL(url)
  if (protocol !== 'http:' || !loopback.test(hostname)) return undefined
  try {
    // Only our own user is told.
    const headers = { 'X-ClickHouse-User': user, 'X-ClickHouse-Key': password }
    const answer = await fetch(new URL('/ping', url), { headers, signal: AbortSignal.timeout(pingTimeoutMs) })
    await answer.arrayBuffer()
    const folder = answer.headers.get(rowsFolderHeader)
    return folder === null ? undefined : decodeURIComponent(folder)
  } catch {
    return undefined // the insert itself will tell what is wrong
  }
}

async function writeAll(file: FileHandle, parts: readonly Uint8Array[]): Promise<void> {
  let left = parts.filter(part => part.byteLength > 0)
  while (left.length > 0) {
    let { bytesWritten } = await file.writev(left)
    let whole = 0
    while (whole < left.length && bytesWritten >= left[whole]!.byteLength) {
      bytesWritten -= left[whole]!.byteLength
      whole += 1
    }
    left = left.slice(whole)
    if (bytesWritten > 0) left[0] = left[0]!.subarray(bytesWritten)
  }
}
