// Passes the rows of an insert as a file to a ClickHouse on this machine that offers it
// (schemas/rows/rows-file.ts).
// Invariants: without an offer, or if a file cannot be written, rows go in the request's body as for any
// server; a file is removed after its insert.

import { randomUUID } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { rowsFolderHeader } from '../../schemas/rows/rows-file.js'
import type { ClickHouseConfig } from './config.js'

/** Up to this size, sending through the socket is as fast as making a file. */
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

  /** Undefined when the rows have to go in the request's body. */
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
      // The folder is full, or its server stopped or is on another machine: ask again at the next insert.
      this.forget()
      await rm(path, { force: true }).catch(() => undefined)
      return undefined
    }
    return { name, remove: () => rm(path, { force: true }).catch(() => undefined) }
  }

  /** Drops the offer, which may be out of date: the server may have been restarted. */
  forget(): void {
    this.#folder = undefined
  }

  /** For a server that does not see our files but another machine's folder of the same name. */
  giveUp(): void {
    this.#folder = Promise.resolve(undefined)
  }
}

async function offeredFolder({ url, user, password }: RowsServer): Promise<string | undefined> {
  const { hostname, protocol } = new URL(url)
  if (protocol !== 'http:' || !loopback.test(hostname)) return undefined
  try {
    // The server makes the offer only to Weir's own user.
    const headers = { 'X-ClickHouse-User': user, 'X-ClickHouse-Key': password }
    const answer = await fetch(new URL('/ping', url), { headers, signal: AbortSignal.timeout(pingTimeoutMs) })
    await answer.arrayBuffer()
    const folder = answer.headers.get(rowsFolderHeader)
    return folder === null ? undefined : decodeURIComponent(folder)
  } catch {
    return undefined // the insert will report the error
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
