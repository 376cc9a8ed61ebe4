// Replaces a file atomically: a reader sees the old file or the new one, also after a crash or loss of power.

import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** The new file may or may not be in place. */
export class PlacementUnclear extends Error {
  override readonly name = 'PlacementUnclear'
}

/** What a file is now, to tell whether it was replaced since; undefined when it is not there. */
export async function stampOf(file: string): Promise<string | undefined> {
  try {
    const { ino, mtimeNs, size } = await stat(file, { bigint: true })
    return `${ino} ${mtimeNs} ${size}`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * If it throws any error but `PlacementUnclear`, the old file is unchanged. With `replaces` it throws when the file has another stamp by
 * then: this process was stopped for a while, and another one has gone on.
 */
export async function writeWhole(
  file: string,
  content: Uint8Array | string | AsyncIterable<string>,
  replaces?: { readonly stamp: string | undefined },
): Promise<void> {
  const folder = dirname(file)
  await mkdir(folder, { recursive: true })
  const unfinished = join(folder, `.${basename(file)}.part`)
  try {
    await rm(unfinished, { force: true }) // what was left behind, or belongs to a process that was stopped, is not written into
    const handle = await open(unfinished, 'wx')
    const { ino } = await handle.stat()
    try {
      await writeFile(handle, content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    const isOurs = (await stat(unfinished)).ino === ino
    if (!isOurs || (replaces !== undefined && (await stampOf(file)) !== replaces.stamp))
      throw new Error('it was replaced meanwhile')
    await rename(unfinished, file)
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => undefined)
    throw error
  }
  try {
    const handle = await open(folder, 'r') // syncing the folder brings the new name to disk
    await handle.sync().finally(() => handle.close())
  } catch (error) {
    throw new PlacementUnclear(String(error))
  }
}

/** Undefined when there is no such file. */
export async function readWhole(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
