// Each folder with product code has a README: at most 40 lines, a diagram, every file and sub-folder by name, and no name of
// a file that does not exist.

import { baseOf, folderOf, isProduct, isSource, type Tree } from './tree.js'

export const mostLinesOfReadme = 40

/** What is wrong with the READMEs, in sentences. */
export function wrongReadmes(tree: Tree, foldersOfOneKind: readonly string[] = []): readonly string[] {
  const folders = new Set<string>()
  for (const path of tree.keys()) {
    if (!isProduct(path)) continue
    for (let folder = folderOf(path); folder !== ''; folder = folderOf(folder)) folders.add(folder)
  }
  const found: string[] = []
  for (const folder of [...folders].sort()) {
    const text = tree.get(`${folder}/README.md`)
    const isToldAbove = foldersOfOneKind.some(kind => folder.startsWith(`${kind}/`))
    if (text === undefined && isToldAbove) continue
    if (text === undefined) found.push(`${folder} has no README.md`)
    else found.push(...wrongReadme(tree, folder, text))
  }
  for (const [path, text] of tree) {
    if (
      baseOf(path) === 'README.md' &&
      path.includes('/') &&
      text.split('\n').length - 1 > mostLinesOfReadme
    ) {
      found.push(`${path} has more than ${mostLinesOfReadme} lines`)
    }
  }
  return found
}

function wrongReadme(tree: Tree, folder: string, text: string): readonly string[] {
  const here = `${folder}/`
  const names = new Set<string>()
  for (const path of tree.keys()) {
    if (!path.startsWith(here) || !isProduct(path)) continue
    const [name = '', ...rest] = path.slice(here.length).split('/')
    names.add(rest.length > 0 ? `${name}/` : name.replace(/\.ts$/, ''))
  }
  const isNamed = (name: string): boolean =>
    new RegExp(`(?<![\\w-])${name.replace(/\/$/, '')}(?:\\.ts|/)?(?![\\w-])`).test(text)
  const found = [...names]
    .filter(name => !isNamed(name))
    .map(name => `${folder}/README.md does not name ${name}`)
  if (!text.includes('```')) found.push(`${folder}/README.md has no diagram`)
  for (const name of namedInTables(text)) {
    if (!isThere(tree, folder, name)) found.push(`${folder}/README.md names ${name}, which is not there`)
  }
  return found
}

/** The names in the first column of every table that is headed `file`, `file or folder` or `folder`. */
function namedInTables(text: string): readonly string[] {
  const names: string[] = []
  let isOfFiles = false
  for (const line of text.split('\n')) {
    const first = /^\|([^|]*)\|/.exec(line)?.[1]
    if (first === undefined) isOfFiles = false
    else if (/^\s*(file|folder|file or folder)\s*$/.test(first)) isOfFiles = true
    else if (isOfFiles) names.push(...[...first.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name))
  }
  return names.filter(name => !/[*<…]/.test(name) && !name.endsWith('-'))
}

function isThere(tree: Tree, folder: string, name: string): boolean {
  const path = `${folder}/${name.replace(/\/$/, '')}`
  if (tree.has(path) || tree.has(`${path}.ts`)) return true
  return [...tree.keys()].some(other => other.startsWith(`${path}/`) && (isSource(other) || other !== path))
}
