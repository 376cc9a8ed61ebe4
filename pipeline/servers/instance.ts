// The running Weir of a data directory: `<data_dir>/weir.json`, written by `weir start`, read by commands that talk to
// it. It holds the first API key too, so it can be read by its owner alone.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { chmod, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

const instanceSchema = z.object({
  pid: z.int(),
  url: z.string(),
  nats_url: z.string(),
  clickhouse_url: z.string(),
  nats_pid: z.int().optional(),
  clickhouse_pid: z.int().optional(),
  /** Users of the embedded servers, each with the file that holds the password. */
  logins: z
    .object({ nats: z.record(z.string(), z.string()), clickhouse: z.record(z.string(), z.string()) })
    .optional(),
  api_key: z.string().optional(),
})

export type Instance = z.infer<typeof instanceSchema>

function instanceFile(dataDir: string): string {
  return join(dataDir, 'weir.json')
}

/**
 * The file with only the first key, for `$(cat weir-data/api-key)`; it is written before the key is shown.
 */
export function apiKeyFile(dataDir: string): string {
  return join(dataDir, 'api-key')
}

export function keepApiKey(dataDir: string, token: string): void {
  const file = apiKeyFile(dataDir)
  const unfinished = `${file}.${process.pid}`
  rmSync(unfinished, { force: true })
  writeFileSync(unfinished, token, { mode: 0o600, flag: 'wx' })
  renameSync(unfinished, file)
}

/** Undefined when the first key was made elsewhere, or its file was removed. */
export function readApiKey(dataDir: string): string | undefined {
  try {
    return readFileSync(apiKeyFile(dataDir), 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

/** Undefined when no Weir was started on this directory. It may have stopped since. */
export function readInstance(dataDir: string): Instance | undefined {
  try {
    return instanceSchema.parse(JSON.parse(readFileSync(instanceFile(dataDir), 'utf8')))
  } catch {
    return undefined
  }
}

export async function writeInstance(dataDir: string, instance: Instance): Promise<void> {
  const file = instanceFile(dataDir)
  const unfinished = `${file}.${process.pid}`
  await writeFile(unfinished, `${JSON.stringify(instance, null, 2)}\n`, { mode: 0o600 })
  await chmod(unfinished, 0o600)
  await rename(unfinished, file)
}
