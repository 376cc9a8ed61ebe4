// Finds a nats-server that is new enough, and fetches the distribution's own package when the machine has none.
// Owns: the order of places, the version check, the unpacked copy in the project's cache.
// Does not own: starting the server (nats-server.ts), reading the environment (the caller hands it in).
//
// Invariants:
// 1. A binary is returned only after it has itself reported a version of at least `minimumNatsVersion`.
// 2. The cached file appears by one atomic rename, so callers in several processes may race.
// 3. Nothing outside the cache directory changes, and no root rights are needed.

import { execFile } from 'node:child_process'
import { access, chmod, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { packageRoot } from '../../schemas/package-root.js'
import { type ArchiveSource, readArchiveSource } from './apt-sources.js'
import { candidateOf, privateApt, unpackProgram, usualFolders } from './debian-package.js'

const run = promisify(execFile)

/** Atomic batches, on which every commit rests, came with 2.12. */
export const minimumNatsVersion = { major: 2, minor: 12 } as const

/** Where binaries are looked for when the caller hands in no search path. */
const usualPlaces = usualFolders.join(delimiter)

export interface NatsBinaryOptions {
  /** A binary named by the user. If it is unfit, that is an error and nothing else is tried. */
  readonly explicit?: string | undefined
  /** Folders joined as in PATH. Default: the usual places. */
  readonly searchPath?: string | undefined
  /** Default: `.cache` beside package.json. */
  readonly cacheDir?: string | undefined
  /** Receives one line when a package is fetched. */
  readonly onNotice?: ((line: string) => void) | undefined
}

/** The path of a nats-server of at least 2.12. Throws with the ways to get one when there is none. */
export async function findNatsServer(options: NatsBinaryOptions = {}): Promise<string> {
  if (options.explicit) {
    const problem = await unfitness(options.explicit)
    if (problem === null) return options.explicit
    throw new Error(`nats-server ${options.explicit}: ${problem}`)
  }
  const cacheDir = options.cacheDir ?? fileURLToPath(new URL('.cache', packageRoot))
  const cached = join(cacheDir, 'nats-server')
  const folders = (options.searchPath ?? usualPlaces).split(delimiter).filter(folder => folder !== '')
  for (const candidate of [...folders.map(folder => join(folder, 'nats-server')), cached]) {
    if ((await unfitness(candidate)) === null) return candidate
  }
  const reason = await unpackFromDistribution(cacheDir, cached, options.onNotice ?? (() => {}))
  if (reason === null) return cached
  throw new Error(
    [
      `no nats-server of at least ${minimumNatsVersion.major}.${minimumNatsVersion.minor} was found: ${reason}.`,
      'Ways to get one: set WEIR_NATS_SERVER to its path; put nats-server on PATH;',
      'download it from https://github.com/nats-io/nats-server/releases;',
      'or set nats.url to a running NATS with JetStream.',
    ].join(' '),
  )
}

/** Why this file cannot serve, or null if it can. */
async function unfitness(binary: string): Promise<string | null> {
  try {
    await access(binary, constants.X_OK)
  } catch {
    return 'is no executable file'
  }
  try {
    const { stdout } = await run(binary, ['--version'], { timeout: 10_000 })
    return stdout.startsWith('nats-server') ? versionProblem(stdout) : 'is no nats-server'
  } catch (cause) {
    return `does not run (${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)})`
  }
}

export function versionProblem(text: string): string | null {
  const match = /(\d+)\.(\d+)/.exec(text)
  if (match === null) return 'reports no version'
  const [major, minor] = [Number(match[1]), Number(match[2])]
  const fits =
    major > minimumNatsVersion.major ||
    (major === minimumNatsVersion.major && minor >= minimumNatsVersion.minor)
  return fits
    ? null
    : `is version ${major}.${minor}, ${minimumNatsVersion.major}.${minimumNatsVersion.minor} is needed`
}

/** Tries the newer suites of the machine's own mirror; returns null on success, else the reason. */
async function unpackFromDistribution(
  cacheDir: string,
  target: string,
  onNotice: (line: string) => void,
): Promise<string | null> {
  const source = await readArchiveSource()
  if (source === null)
    return 'there is none on the search path, and this is no Debian or Ubuntu to fetch it from'
  await mkdir(cacheDir, { recursive: true })
  let reason = ''
  for (const suite of source.suites) {
    const work = await mkdtemp(join(cacheDir, 'nats-server-unpack-'))
    try {
      const problem = await unpackFromSuite(source, suite, work, target)
      if (problem === null) {
        onNotice(`nats-server: unpacked the ${suite} package of ${source.uri} into ${cacheDir}`)
        return null
      }
      reason = `suite ${suite} of ${source.uri}: ${problem}`
    } catch (cause) {
      const text = cause instanceof Error ? cause.message.trim() : String(cause)
      reason = `suite ${suite} of ${source.uri}: ${text.split('\n').slice(0, 3).join(' / ')}`
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }
  return reason
}

async function unpackFromSuite(
  source: ArchiveSource,
  suite: string,
  work: string,
  target: string,
): Promise<string | null> {
  const apt = await privateApt(source, suite, work)
  const candidate = await candidateOf('nats-server', apt)
  const problem = versionProblem(candidate)
  if (problem !== null) return `its nats-server ${problem}`
  const binary = await unpackProgram('nats-server', 'nats-server', apt)
  if (binary === undefined) return 'its package holds no nats-server'
  const unfit = await unfitness(binary)
  if (unfit !== null) return `its nats-server ${unfit}`
  await chmod(binary, 0o755)
  await rename(binary, target) // invariant 2
  return null
}
