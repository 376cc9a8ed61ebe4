// Finds routes that change something and do not say, or do not do, what they record in the audit trail.

import { folderOf, isProduct, type Tree } from './tree.js'

const changing = /method: '(POST|PUT|DELETE)',/g
/** Where the object of one route ends: its handler. */
const handler = /\b(?:async )?handle\b/
const recording = /\baudit\.(?:record|published)\(|\brecordKeyChange\(/

export function unauditedRoutes(tree: Tree): readonly string[] {
  return [...tree].flatMap(([path, text]) => {
    if (!isProduct(path) || !path.startsWith('pipeline/')) return []
    return [...text.matchAll(changing)].flatMap(({ index, 1: method }) => {
      const from = text.lastIndexOf('{', index)
      const until = text.slice(index).search(handler)
      const route = until < 0 ? '' : text.slice(from, index + until)
      const name = /\bpath: ['`]([^'`]+)['`]/.exec(route)?.[1]
      if (name === undefined) return [] // a request of a client
      const place = `${path}: ${method} ${name}`
      if (!/\baudits:/.test(route)) return [`${place} does not say what it records`]
      if (/\baudits: \{ exempt:/.test(route) || recordsIn(tree, folderOf(path))) return []
      return [`${place} says what it records, and nothing in its folder records anything`]
    })
  })
}

function recordsIn(tree: Tree, folder: string): boolean {
  return [...tree].some(
    ([path, text]) => isProduct(path) && folderOf(path) === folder && recording.test(text),
  )
}
