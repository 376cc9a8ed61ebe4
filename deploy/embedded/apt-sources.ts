// Reads how this machine reaches its Debian or Ubuntu archive: mirror, keyring, and the suites to try.
// Understands both source formats: one-line (`deb [options] uri suite component…`) and deb822 (`*.sources`).

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface ArchiveSource {
  readonly uri: string
  /** The suite of the machine itself. */
  readonly codename: string
  /** Suites that carry a recent nats-server, the oldest first. */
  readonly suites: readonly string[]
  readonly component: string
  /** Path of the keyring that signs the archive; null leaves it to apt's own trusted keys. */
  readonly keyring: string | null
}

interface SourceEntry {
  readonly uri: string
  readonly suite: string
  readonly signedBy: string | null
}

/** Debian 13 and Ubuntu 25.10 still carry 2.10, so these and older suites are not tried. */
const families = {
  debian: {
    suites: ['forky', 'sid'],
    component: 'main',
    keyring: '/usr/share/keyrings/debian-archive-keyring.gpg',
  },
  ubuntu: {
    suites: ['resolute', 'devel'],
    component: 'universe',
    keyring: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
  },
} as const

/** Null when the system is not Debian or Ubuntu, or has no archive configured. */
export async function readArchiveSource(etc = '/etc'): Promise<ArchiveSource | null> {
  const release = await readFile(join(etc, 'os-release'), 'utf8').catch(() => '')
  const id = /^ID="?([^"\n]+)/m.exec(release)?.[1]
  const codename = /^VERSION_CODENAME="?([^"\n]+)/m.exec(release)?.[1]
  const family = id === 'debian' || id === 'ubuntu' ? families[id] : null
  if (family === null) return null
  const entry = (await readEntries(join(etc, 'apt'))).find(candidate => candidate.suite === codename)
  if (entry === undefined) return null
  return {
    uri: entry.uri,
    codename: entry.suite,
    suites: family.suites,
    component: family.component,
    keyring: entry.signedBy ?? family.keyring,
  }
}

async function readEntries(aptFolder: string): Promise<SourceEntry[]> {
  const parts = join(aptFolder, 'sources.list.d')
  const names = await readdir(parts).catch((): string[] => [])
  const files = [join(aptFolder, 'sources.list'), ...names.sort().map(name => join(parts, name))]
  const entries: SourceEntry[] = []
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '')
    if (file.endsWith('.list')) entries.push(...oneLineEntries(text))
    else if (file.endsWith('.sources')) entries.push(...deb822Entries(text))
  }
  return entries
}

export function oneLineEntries(text: string): SourceEntry[] {
  const entries: SourceEntry[] = []
  for (const line of text.split('\n')) {
    const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)/.exec(line.trim())
    if (match === null) continue
    const signedBy = /signed-by=(\S+)/i.exec(match[1] ?? '')?.[1] ?? null
    entries.push({ uri: match[2] ?? '', suite: match[3] ?? '', signedBy })
  }
  return entries
}

export function deb822Entries(text: string): SourceEntry[] {
  const entries: SourceEntry[] = []
  for (const stanza of text.split(/\n\s*\n/)) {
    const lines = stanza.split('\n').filter(line => !line.startsWith('#'))
    const field = (name: string) => {
      const line = lines.find(candidate => candidate.toLowerCase().startsWith(`${name}:`))
      return line?.slice(name.length + 1).trim() ?? ''
    }
    if (!field('types').split(/\s+/).includes('deb') || field('enabled').toLowerCase() === 'no') continue
    // A Signed-By may hold the key itself over several lines; only a path can be passed on.
    const signedBy = field('signed-by').startsWith('/') ? field('signed-by') : null
    const uri = field('uris').split(/\s+/)[0] ?? ''
    for (const suite of field('suites').split(/\s+/)) entries.push({ uri, suite, signedBy })
  }
  return entries
}
