// The repository as the tidy tests see it: the text of every file that people write, by its path from the root.
// Built output, packages and whatever begins with a dot are left out.

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { packageRoot } from '../../../schemas/package-root.js'

export type Tree = ReadonlyMap<string, string>

const sourceFolders = ['schemas', 'rating', 'sinks', 'pipeline', 'bench', 'deploy', 'docs']
const textFile = /\.(ts|md|sql|ya?ml|json|ndjson|jsonl|cjs|csv|txt|arrow|xml)$|\/[^.]+$/

export function readTree(): Tree {
  const root = fileURLToPath(packageRoot)
  const tree = new Map<string, string>()
  for (const entry of readdirSync(root, { withFileTypes: true })) {
    if (entry.isFile()) tree.set(entry.name, readFileSync(`${root}/${entry.name}`, 'utf8'))
  }
  for (const folder of sourceFolders) {
    for (const entry of readdirSync(`${root}/${folder}`, { withFileTypes: true, recursive: true })) {
      const path = `${entry.parentPath}/${entry.name}`
      if (entry.isFile() && textFile.test(path)) tree.set(path.slice(root.length), readFileSync(path, 'utf8'))
    }
  }
  return new Map([...tree].map(([path, text]) => [path.replace(/^\/+/, ''), text]))
}

/** A made-up tree, for showing that a check can fail. */
export function treeOf(files: Readonly<Record<string, string>>): Tree {
  return new Map(Object.entries(files))
}

export const isSource = (path: string): boolean => path.endsWith('.ts') && path.includes('/')
export const isTest = (path: string): boolean => path.endsWith('.test.ts')
/** The files that ship: neither tests nor test support. */
export const isProduct = (path: string): boolean =>
  isSource(path) && !isTest(path) && !path.includes('/testing/')
export const isPage = (path: string): boolean => path.endsWith('.md')

export const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))
export const baseOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** The comments of a file, each with the number of its first line. */
export function commentsOf(path: string, text: string): readonly { line: number; text: string }[] {
  if (isPage(path)) return text.split('\n').map((line, index) => ({ line: index + 1, text: line }))
  const found: { line: number; text: string }[] = []
  const mark = path.endsWith('.sql') ? '--' : /\.ya?ml$/.test(path) ? '#' : '//'
  let isInBlock = false
  for (const [index, line] of text.split('\n').entries()) {
    if (isInBlock || /^\s*\/\*/.test(line)) {
      found.push({
        line: index + 1,
        text: line.replace(/^\s*(\/\*\*?|\*\/|\*)?/, '').replace(/\*\/\s*$/, ''),
      })
      isInBlock = !line.includes('*/')
      continue
    }
    const at = line.trimStart().startsWith(mark) ? line.indexOf(mark) : line.indexOf(` ${mark} `)
    if (at !== -1) found.push({ line: index + 1, text: line.slice(line.indexOf(mark, at) + mark.length) })
  }
  return found
}
