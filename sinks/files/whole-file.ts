// Replaces a file atomically: a reader sees the old file or the new one, also after a crash or loss of power.

import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** The new file may or may not be in place. */
export class PlacementUnclear extends Error {
  override readonly name = 'PlacementUnclear'
}

/** If it throws any error but `PlacementUnclear`, the old file is unchanged. */
export async function writeWhole(file: string, content: Uint8Array | string): Promise<void> {
  const folder = dirname(file)
  await mkdir(folder, { recursive: true })
  const unfinished = join(folder, `.${basename(file)}.part`)
  try {
    const handle = await open(unfinished, 'w')
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
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
