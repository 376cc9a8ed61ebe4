// Collects from the code the codes with which a partition, a feed or a start stops and waits for an operator,
// and compares them with the page that says what to do.

import { isProduct, type Tree } from './tree.js'

const page = 'docs/operating.md'
const thrown = /new (?:PartitionFailure|FeedFailure|StartProblem|TopologyError)\(\s*'([a-z_]+)'/g
const answered = /kind: 'rejected'(?: as const)?, code: '([a-z_]+)'/g
const union =
  /export type (?:PartitionFailureCode|StartProblemCode|TopologyProblem)[^=]*=([\s\S]*?)(?:\n\n|$)/g

export function codesOfStops(tree: Tree): ReadonlySet<string> {
  const codes = new Set<string>()
  for (const [path, text] of tree) {
    if (!isProduct(path) || !/^(pipeline|sinks)\//.test(path)) continue
    for (const pattern of [thrown, answered]) {
      for (const [, code = ''] of text.matchAll(pattern)) codes.add(code)
    }
    for (const [, members = ''] of text.matchAll(union)) {
      for (const [, code = ''] of members.matchAll(/'([a-z_]+)'/g)) codes.add(code)
    }
  }
  return codes
}

export function untoldCodes(tree: Tree): readonly string[] {
  const text = tree.get(page) ?? ''
  return [...codesOfStops(tree)].filter(code => !text.includes(`\`${code}\``)).sort()
}
