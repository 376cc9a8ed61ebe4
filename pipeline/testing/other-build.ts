// A copy of the built program in a folder of its own, with text replaced in it: a build of another version, for tests that
// run it beside the one that is tested.
// Invariant: every replacement changes something, so that a test never compares a build with itself unawares.

import { cp, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageRoot } from '../../schemas/package-root.js'

export interface Replacement {
  /** Under `dist/`. */
  readonly file: string
  /** A pattern where the bundle may give a name another number. */
  readonly from: string | RegExp
  readonly to: string
}

/** Answers the path of its command. */
export async function otherBuild(folder: string, replacements: readonly Replacement[]): Promise<string> {
  const ours = (name: string) => fileURLToPath(new URL(name, packageRoot))
  const isNeeded = (path: string) => !/\.(map|d\.ts|tsbuildinfo)$/.test(path)
  await cp(ours('dist'), join(folder, 'dist'), { recursive: true, filter: isNeeded })
  await cp(ours('package.json'), join(folder, 'package.json'))
  await symlink(ours('node_modules'), join(folder, 'node_modules'))
  for (const replacement of replacements) await replaceIn(folder, replacement)
  return join(folder, 'dist/pipeline/cli/weir.js')
}

export async function replaceIn(folder: string, { file, from, to }: Replacement): Promise<void> {
  const path = join(folder, 'dist', file)
  const text = await readFile(path, 'utf8')
  const replaced = text.replace(from, to)
  if (replaced === text) throw new Error(`${file} has no ${from}`)
  await writeFile(path, replaced)
}
