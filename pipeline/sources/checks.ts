// What `weir validate` says of sources beyond their settings: secret files that hold none, and mapping files.
// Variables may be set elsewhere and are not checked.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type ConfigProblem, sectionOf, type WeirConfig } from '../config/config.js'
import { readSecret, secretSourcesIn } from '../config/secrets.js'
import { kindNamed } from './kinds.js'
import { type SourceSettings, sourcesSettings } from './settings.js'

/** `file` is the mapping file where the problem is in one. */
export async function sourceProblems(config: WeirConfig): Promise<readonly ConfigProblem[]> {
  const all = await Promise.all(
    sectionOf(config, sourcesSettings).map(async (source, index) => [
      ...missingSecrets(source, index, config),
      ...(await mappingProblems(source, index, config)),
    ]),
  )
  return all.flat()
}

function missingSecrets(
  { secrets, auth }: SourceSettings,
  index: number,
  config: WeirConfig,
): ConfigProblem[] {
  const named = [...secretSourcesIn(secrets, ['secrets']), ...secretSourcesIn(auth, ['auth'])]
  return named.flatMap(({ source, path }) => {
    const read = 'file' in source ? readSecret(source, config) : undefined
    if (read?.kind !== 'stopped') return []
    return [{ path: `sources.${index}.${path.join('.')}`, code: read.code, message: `${read.detail}.` }]
  })
}

async function mappingProblems(
  { kind, mapping }: SourceSettings,
  index: number,
  { folder }: WeirConfig,
): Promise<ConfigProblem[]> {
  if (mapping === undefined) return []
  const file = resolve(folder, mapping)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const message = `${file} cannot be read: ${(error as NodeJS.ErrnoException).code}.`
    return [{ path: `sources.${index}.mapping`, code: 'file_unreadable', message }]
  }
  const read = (await kindNamed(kind).load()).readMapping?.(text, file)
  if (read === undefined || read.kind === 'ok') return []
  return read.problems.map(({ line, code, message, path }) => ({
    file,
    line,
    path: path.slice(1).replaceAll('/', '.'),
    code,
    message,
  }))
}
