// Keeps usage batches on disk until they have landed: a folder with one file per batch, which holds the bytes
// to send.
// Invariants:
// 1. A file is whole or absent: it is written under another name, synced, renamed, and the folder is synced.
// 2. A file is removed only after its batch has landed. Two processes on one folder lose nothing; they may
//    send a batch twice, and Weir recognises the duplicates.
// 3. A batch that can never be sent is moved to a folder of its own, not deleted.
// A file has one line of JSON that describes the batch, then the bytes.

import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { BatchBody } from './transport.js'

export interface SpooledBatch {
  readonly name: string
  readonly size: number
}

export type SpoolRead =
  | { readonly kind: 'ok'; readonly body: BatchBody }
  /** Another process has sent the batch and removed its file. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'damaged'; readonly detail: string }

const headSchema = z.object({
  version: z.literal(1),
  lane: z.string(),
  count: z.int().min(1),
  content_type: z.string(),
  content_encoding: z.literal('gzip').nullable(),
  length: z.int().min(0),
  sha256: z.string(),
})

const suffix = '.batch'
const unfinished = '.unfinished'
/** An unfinished file that is older than this was abandoned by its writer. */
const abandonedMs = 3_600_000

export class Spool {
  readonly #folder: string
  readonly #prefix: string
  #written = 0
  #bytes = 0
  #count = 0

  private constructor(folder: string, prefix: string) {
    this.#folder = folder
    this.#prefix = prefix
  }

  /** Opens the spool; also returns the batches that earlier processes left in it, oldest first. */
  static async open(
    folder: string,
    nowMs: number,
  ): Promise<{ readonly spool: Spool; readonly left: readonly SpooledBatch[] }> {
    await mkdir(folder, { recursive: true })
    const prefix = `${nowMs.toString(36).padStart(9, '0')}-${randomUUID().slice(0, 8)}`
    const spool = new Spool(folder, prefix)
    const left: SpooledBatch[] = []
    for (const name of (await readdir(folder)).sort()) {
      const found = await stat(join(folder, name)).catch(ignoreMissing)
      if (found?.isFile() !== true) continue
      if (name.endsWith(suffix)) left.push({ name, size: found.size })
      else if (name.endsWith(unfinished) && found.mtimeMs < nowMs - abandonedMs)
        await rm(join(folder, name), { force: true })
    }
    for (const batch of left) spool.#add(batch)
    return { spool, left }
  }

  get bytes(): number {
    return this.#bytes
  }

  get count(): number {
    return this.#count
  }

  /** Resolves when the batch is synced to disk. */
  async write(body: BatchBody): Promise<SpooledBatch> {
    this.#written += 1
    const name = `${this.#prefix}-${String(this.#written).padStart(9, '0')}${suffix}`
    const bytes = Buffer.concat([Buffer.from(`${JSON.stringify(headOf(body))}\n`), body.bytes])
    const batch = { name, size: bytes.length }
    this.#add(batch) // before the file exists, so that a batch being written counts against the limit
    try {
      await this.#writeWhole(name, bytes)
    } catch (error) {
      this.#subtract(batch)
      throw error
    }
    return batch
  }

  async read({ name }: SpooledBatch): Promise<SpoolRead> {
    const bytes = await readFile(join(this.#folder, name)).catch(ignoreMissing)
    if (bytes === undefined) return { kind: 'gone' }
    const newline = bytes.indexOf(10)
    const head = headSchema.safeParse(jsonOf(bytes.toString('utf8', 0, Math.max(0, newline))))
    if (!head.success) return { kind: 'damaged', detail: `${name} has no readable head` }
    const body = bytes.subarray(newline + 1)
    const { lane, count, content_type: contentType, content_encoding: encoding, sha256 } = head.data
    if (sha256 !== sha256Of(body))
      return { kind: 'damaged', detail: `${name} has other bytes than were written` }
    const contentEncoding = encoding ?? undefined
    return { kind: 'ok', body: { lane, count, contentType, contentEncoding, bytes: body } }
  }

  /** Removes the file of a batch that has landed. */
  async remove(batch: SpooledBatch): Promise<void> {
    await rm(join(this.#folder, batch.name), { force: true })
    this.#subtract(batch)
  }

  async setAside(batch: SpooledBatch, why: 'refused' | 'damaged'): Promise<void> {
    const folder = join(this.#folder, why)
    await mkdir(folder, { recursive: true })
    await rename(join(this.#folder, batch.name), join(folder, batch.name)).catch(ignoreMissing)
    this.#subtract(batch)
  }

  async #writeWhole(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.#folder, name)
    const file = await open(`${path}${unfinished}`, 'wx')
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${path}${unfinished}`, path)
    const folder = await open(this.#folder, 'r')
    try {
      await folder.sync() // invariant 1
    } finally {
      await folder.close()
    }
  }

  #add({ size }: SpooledBatch): void {
    this.#bytes += size
    this.#count += 1
  }

  #subtract({ size }: SpooledBatch): void {
    this.#bytes -= size
    this.#count -= 1
  }
}

function headOf({ lane, count, contentType, contentEncoding, bytes }: BatchBody): z.infer<typeof headSchema> {
  return {
    version: 1,
    lane,
    count,
    content_type: contentType,
    content_encoding: contentEncoding ?? null,
    length: bytes.length,
    sha256: sha256Of(bytes),
  }
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}

function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && Reflect.get(error, 'code') === 'ENOENT') return undefined
  throw error
}
