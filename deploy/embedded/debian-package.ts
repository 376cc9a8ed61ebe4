// Unpacks one program of a package of the machine's own Debian or Ubuntu archive, without root rights.
// Invariant: nothing outside the folder `work` is read from apt's state or written.

import { execFile } from 'node:child_process'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ArchiveSource } from './apt-sources.js'

const run = promisify(execFile)

export const usualFolders = ['/usr/local/bin', '/usr/local/sbin', '/usr/bin', '/usr/sbin'] as const

/** An apt of our own below a folder. */
export interface PrivateApt {
  readonly work: string
  readonly env: NodeJS.ProcessEnv
}

/** The version that the archive has, `(none)` when it has none. Reads the archive's lists anew. */
export async function candidateOf(packageName: string, apt: PrivateApt): Promise<string> {
  await run('apt-get', ['update', '--quiet', '--quiet'], optionsOf(apt))
  const { stdout } = await run('apt-cache', ['policy', packageName], optionsOf(apt))
  return /Candidate: (\S+)/.exec(stdout)?.[1] ?? '(none)'
}

/** The path of the unpacked program below `work`; undefined when the package does not hold it. */
export async function unpackProgram(
  packageName: string,
  program: string,
  apt: PrivateApt,
): Promise<string | undefined> {
  const options = optionsOf(apt)
  // apt checks the archive's signature and the package's hash; dpkg-deb only unpacks.
  await run('apt-get', ['download', '--quiet', '--quiet', packageName], options)
  const archive = (await readdir(apt.work)).find(name => name.endsWith('.deb'))
  if (archive === undefined) throw new Error('apt-get download left no package')
  await run('dpkg-deb', ['-x', archive, 'unpacked'], options)
  const wanted = ['unpacked', '-type', 'f', '-name', program, '-perm', '-u+x']
  const { stdout } = await run('find', wanted, options)
  const found = stdout.split('\n')[0]
  return found === undefined || found === '' ? undefined : join(apt.work, found)
}

function optionsOf({ work, env }: PrivateApt) {
  return { cwd: work, env, timeout: 120_000, maxBuffer: 16 << 20 }
}

/** Writes an apt configuration into `work` that keeps the machine's way to its mirror and nothing else of its state. */
export async function privateApt(source: ArchiveSource, suite: string, work: string): Promise<PrivateApt> {
  for (const folder of ['state/lists/partial', 'cache/archives/partial', 'empty'])
    await mkdir(join(work, folder), { recursive: true })
  const signedBy = source.keyring === null ? '' : `[signed-by=${source.keyring}] `
  await writeFile(join(work, 'sources.list'), `deb ${signedBy}${source.uri} ${suite} ${source.component}\n`)
  // Proxies and the like are kept; hooks are not, because some images let `update` delete the system's packages.
  const { stdout } = await run('apt-config', ['dump'])
  const acquire = stdout.split('\n').filter(line => line.startsWith('Acquire::'))
  const settings = {
    'Dir::State': join(work, 'state'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(work, 'cache'),
    'Dir::Etc::sourcelist': join(work, 'sources.list'),
    'Dir::Etc::sourceparts': join(work, 'empty'),
    'Dir::Etc::parts': join(work, 'empty'),
    'Dir::Etc::main': join(work, 'empty', 'apt.conf'),
    'Dir::Etc::preferences': join(work, 'empty', 'preferences'),
    'Dir::Etc::preferencesparts': join(work, 'empty'),
    'Acquire::Languages': 'none',
    'APT::Sandbox::User': 'root',
  }
  const ours = Object.entries(settings).map(([name, value]) => `${name} "${value}";`)
  await writeFile(join(work, 'apt.conf'), [...acquire, ...ours, ''].join('\n'))
  const env = {
    PATH: [...usualFolders, '/bin', '/sbin'].join(':'),
    LC_ALL: 'C',
    APT_CONFIG: join(work, 'apt.conf'),
  }
  return { work, env }
}
