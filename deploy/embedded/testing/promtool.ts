// Finds promtool for tests: on PATH, in the project's cache, or unpacked there from the distribution's package `prometheus`
// (19 MB to download, once). Where there is none, the answer is undefined and the test that wants it is told as skipped.

import { execFile } from 'node:child_process'
import { access, chmod, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { packageRoot } from '../../../schemas/package-root.js'
import { readArchiveSource } from '../apt-sources.js'
import { candidateOf, privateApt, unpackProgram, usualFolders } from '../debian-package.js'

const run = promisify(execFile)

export async function findPromtool(): Promise<string | undefined> {
  const cacheDir = fileURLToPath(new URL('.cache', packageRoot))
  const cached = join(cacheDir, 'promtool')
  for (const candidate of [...usualFolders.map(folder => join(folder, 'promtool')), cached])
    if (await isThere(candidate)) return candidate
  await mkdir(cacheDir, { recursive: true })
  const work = await mkdtemp(join(cacheDir, 'promtool-unpack-'))
  try {
    return (await unpackInto(work, cached)) ? cached : undefined
  } catch {
    return undefined // no way to the archive from here
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function unpackInto(work: string, target: string): Promise<boolean> {
  const source = await readArchiveSource()
  if (source === null) return false
  const apt = await privateApt(source, source.codename, work)
  if ((await candidateOf('prometheus', apt)) === '(none)') return false
  const program = await unpackProgram('prometheus', 'promtool', apt)
  if (program === undefined) return false
  await chmod(program, 0o755)
  await rename(program, target)
  return true
}

async function isThere(program: string): Promise<boolean> {
  return access(program, constants.X_OK).then(
    () => true,
    () => false,
  )
}

/** What promtool prints; its exit code is not 0 when anything is wrong. */
export async function promtool(program: string, ...args: string[]): Promise<{ ok: boolean; text: string }> {
  return run(program, args).then(
    ({ stdout, stderr }) => ({ ok: true, text: `${stdout}${stderr}` }),
    (error: { stdout?: string; stderr?: string }) => ({
      ok: false,
      text: `${error.stdout ?? ''}${error.stderr ?? ''}`,
    }),
  )
}
