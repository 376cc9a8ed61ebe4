// A folder of ClickHouse that has our schema: it is made once, and each Weir of a test begins with a copy, because the sixty
// statements of the schema take as long as everything else in a start. What the copy is for still migrates at its start, and
// finds nothing to do.
// Invariant: the template's name is the hash of the migrations, so that no schema but today's is copied.

import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { packageRoot } from '../../schemas/package-root.js'
import { migrate, readMigrations } from '../../sinks/clickhouse/migrate.js'

/** Puts the schema where the embedded ClickHouse of this folder will look for its tables. */
export async function beginWithSchema(clickhouseFolder: string): Promise<void> {
  const template = await templateFolder()
  await mkdir(clickhouseFolder, { recursive: true, mode: 0o700 })
  await cp(template, join(clickhouseFolder, 'engine'), { recursive: true, verbatimSymlinks: true })
}

async function templateFolder(): Promise<string> {
  const hash = createHash('sha256')
  for (const { name, sha256 } of await readMigrations()) hash.update(`${name} ${sha256}\n`)
  const cache = fileURLToPath(new URL('.cache/', packageRoot))
  const template = join(cache, `clickhouse-schema-${hash.digest('hex').slice(0, 16)}`)
  if (!existsSync(template)) await makeTemplate(template)
  return template
}

async function makeTemplate(template: string): Promise<void> {
  const folder = `${template}.${randomUUID()}`
  try {
    const clickhouse = await startEmbeddedClickhouse({ dataDir: folder })
    await migrate({ url: clickhouse.url, ...clickhouse.login, database: 'weir' })
    await clickhouse.stop()
    await rename(join(folder, 'engine'), template)
  } catch (error) {
    if (!existsSync(template)) throw error // or another process was first
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}
