// Finds PostgreSQL's server programs, and unpacks the distribution's own package without root when the machine has none.
// Invariants: nothing outside the cache directory changes; apt checks signatures, dpkg-deb only unpacks; the folder in
// the cache appears by one rename.

import { execFile } from 'node:child_process'
import { access, chmod, constants, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { packageRoot } from '../../schemas/package-root.js'

const run = promisify(execFile)

export interface PostgresPrograms {
  /** Holds `initdb` and `postgres`. */
  readonly binDir: string
  /** For `LD_LIBRARY_PATH`, when libraries were unpacked too. */
  readonly libDir: string | undefined
}

export interface PostgresPlaces {
  /** Holds a folder per version. */
  readonly installed: string
  /** Where a package is unpacked. */
  readonly cache: string
}

const programsFolder = '/usr/lib/postgresql'

const usualPlaces: PostgresPlaces = {
  installed: programsFolder,
  cache: fileURLToPath(new URL('.cache/postgresql', packageRoot)),
}

/** Throws with the reason when there is none and none can be had. */
export async function findPostgres(
  onNotice: (line: string) => void,
  { installed, cache } = usualPlaces,
): Promise<PostgresPrograms> {
  const onMachine = await newestIn(installed)
  if (onMachine !== undefined) return { binDir: onMachine, libDir: undefined }
  const unpacked = join(cache, programsFolder)
  if ((await newestIn(unpacked)) === undefined) await unpack(cache, onNotice)
  const binDir = await newestIn(unpacked)
  if (binDir === undefined) throw new Error(`no PostgreSQL: the unpacked package holds no server`)
  return { binDir, libDir: await librariesIn(cache) }
}

async function newestIn(folder: string): Promise<string | undefined> {
  const versions = (await readdir(folder).catch((): string[] => [])).filter(name => /^\d+$/.test(name))
  for (const version of versions.sort((a, b) => Number(b) - Number(a))) {
    const binDir = join(folder, version, 'bin')
    const programs = ['initdb', 'postgres'].map(name => access(join(binDir, name), constants.X_OK))
    if ((await Promise.allSettled(programs)).every(({ status }) => status === 'fulfilled')) return binDir
  }
  return undefined
}

async function librariesIn(cache: string): Promise<string | undefined> {
  const folders = await readdir(join(cache, 'usr/lib')).catch((): string[] => [])
  const triplet = folders.find(name => name.endsWith('-linux-gnu'))
  return triplet === undefined ? undefined : join(cache, 'usr/lib', triplet)
}

async function unpack(target: string, onNotice: (line: string) => void): Promise<void> {
  await mkdir(join(target, '..'), { recursive: true })
  const work = await mkdtemp(`${target}-unpack-`)
  try {
    const env = await privateApt(work)
    const options = { cwd: work, env, timeout: 300_000, maxBuffer: 16 << 20 }
    await run('apt-get', ['update', '-qq'], options)
    const { stdout } = await run('apt-cache', ['depends', 'postgresql'], options)
    const server = /Depends: (postgresql-\d+)$/m.exec(stdout)?.[1]
    if (server === undefined) throw new Error('the distribution has no package postgresql')
    // What the server needs and the machine lacks comes along; recommendations do not.
    await run(
      'apt-get',
      ['install', '-qq', '--yes', '--download-only', '--no-install-recommends', server],
      options,
    )
    const archives = join(work, 'cache', 'archives')
    const packages = (await readdir(archives)).filter(name => name.endsWith('.deb'))
    for (const name of packages)
      await run('dpkg-deb', ['-x', join(archives, name), join(work, 'unpacked')], options)
    await chmod(join(work, 'unpacked'), 0o755)
    await rm(target, { recursive: true, force: true })
    await rename(join(work, 'unpacked'), target)
    onNotice(`PostgreSQL: unpacked ${server} of the distribution into ${target}`)
  } catch (cause) {
    const text = cause instanceof Error ? cause.message.split('\n').slice(0, 3).join(' / ') : String(cause)
    throw new Error(`no PostgreSQL on this machine, and none could be unpacked: ${text}`, { cause })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Keeps the machine's way to its mirror and its list of installed packages; writes to `work` alone. */
async function privateApt(work: string): Promise<NodeJS.ProcessEnv> {
  for (const folder of ['state/lists/partial', 'cache/archives/partial', 'empty'])
    await mkdir(join(work, folder), { recursive: true })
  const { stdout } = await run('apt-config', ['dump'])
  // Hooks are left out: some images let `update` delete the system's packages.
  const acquire = stdout.split('\n').filter(line => line.startsWith('Acquire::'))
  const settings = {
    'Dir::State': join(work, 'state'),
    'Dir::State::status': '/var/lib/dpkg/status',
    'Dir::Cache': join(work, 'cache'),
    'Dir::Etc::parts': join(work, 'empty'),
    'Dir::Etc::main': join(work, 'empty', 'apt.conf'),
    'Acquire::Languages': 'none',
    'APT::Sandbox::User': 'root',
    'Debug::NoLocking': 'true',
  }
  const ours = Object.entries(settings).map(([name, value]) => `${name} "${value}";`)
  await writeFile(join(work, 'apt.conf'), [...acquire, ...ours, ''].join('\n'))
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
    LC_ALL: 'C',
    APT_CONFIG: join(work, 'apt.conf'),
  }
}
