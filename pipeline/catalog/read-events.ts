// Reads files of events for `weir catalog diff --events`.

import { readFile } from 'node:fs/promises'
import { parseMessage } from '../../schemas/event/cloud-event.js'
import type { CliIo } from '../terminal/io.js'

/** Undefined: what is wrong is on stderr. */
export async function readEvents(
  names: readonly string[],
  io: CliIo,
): Promise<readonly Uint8Array[] | undefined> {
  const bodies: Uint8Array[] = []
  for (const name of names) {
    const fault = await read(name, bodies)
    if (fault !== undefined) io.stderr.write(`${name}: ${fault}\n`)
  }
  return bodies.length === names.length ? bodies : undefined
}

async function read(name: string, bodies: Uint8Array[]): Promise<string | undefined> {
  try {
    const bytes = await readFile(name)
    const parsed = parseMessage(bytes)
    if (parsed.kind !== 'ok') return parsed.rejection.detail
    bodies.push(bytes)
    return undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    return code === 'ENOENT' ? 'there is no such file.' : `cannot be read (${code}).`
  }
}
