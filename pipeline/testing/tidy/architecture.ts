// Holds ARCHITECTURE.md against the tree: it names each folder that code lies in, each stream and each bucket.
// That the files it cites are there is checked with all citations (citations.ts).

import { isProduct, type Tree } from './tree.js'

const page = 'ARCHITECTURE.md'
const topology = 'pipeline/broker/topology.ts'
/** Folders below these are named one by one. */
const rooms = /^(?:schemas|rating|pipeline)\/[^/]+\//
const bucket = /'(weir_[a-z]+)'/g
const streams = /streamNames = \[([^\]]*)\]/

export function missingInArchitecture(tree: Tree): readonly string[] {
  const text = tree.get(page) ?? ''
  const places = tree.get(topology) ?? ''
  const folders = [...tree.keys()].filter(isProduct).map(path => rooms.exec(path)?.[0] ?? '')
  const names = [
    ...folders.filter(folder => folder !== ''),
    ...[...(streams.exec(places)?.[1] ?? '').matchAll(/'([A-Z_]+)'/g)].map(([, name = '']) => name),
    ...[...places.matchAll(bucket)].map(([, name = '']) => name),
  ]
  return [...new Set(names)].filter(name => !text.includes(`\`${name}\``)).sort()
}
