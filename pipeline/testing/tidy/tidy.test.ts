// The laws of the house, read from the sources themselves: headers, lengths, words, dead files, packages, citations, READMEs.
// Each law has a canary: a made-up tree that breaks it, and must be found out.

import { expect, it } from 'vitest'
import { missingInArchitecture } from './architecture.js'
import { unauditedRoutes } from './audited.js'
import { brokenCitations } from './citations.js'
import {
  bannedWords,
  longFiles,
  longFunctions,
  mostLines,
  mostLinesOfFunction,
  usesOf,
  withoutHeader,
} from './files.js'
import { deadFiles, wrongPackages } from './imports.js'
import {
  developersFiles,
  entryPoints,
  foldersOfOneKind,
  longFilesOfOld,
  longFunctionsOfOld,
  namesOfOthers,
  testEntryPoints,
  wordsToGo,
} from './lists.js'
import { wrongReadmes } from './readmes.js'
import { codesOfStops, untoldCodes } from './stop-codes.js'
import { readTree, treeOf } from './tree.js'

const tree = readTree()
const header = '// Owns one thing. Owns nothing else.\n'

it('every file begins with a header of at least one sentence', () => {
  expect(withoutHeader(tree)).toEqual([])
})

it('no file is longer than 400 lines, and the old ones that are do not grow', () => {
  expect(grown(longFiles(tree), longFilesOfOld)).toEqual([])
})

it('no function is longer than 70 lines, and the old ones that are do not grow', () => {
  expect(grown(longFunctions(tree), longFunctionsOfOld)).toEqual([])
})

it('no file is called utils or the like, and nothing is left to do in a comment', () => {
  expect(bannedWords(tree)).toEqual([])
})

it.each(wordsToGo)('the word $word is used no more often than before', ({ word, where, atMost }) => {
  expect(usesOf(tree, word, where)).toBeLessThanOrEqual(atMost)
})

it('every file is reached from an entry point or from a test', () => {
  expect(deadFiles(tree, entryPoints, testEntryPoints)).toEqual([])
  expect([...entryPoints, ...testEntryPoints].filter(path => !tree.has(path))).toEqual([])
})

it('every package that is listed is used, and what ships imports none that is not listed', () => {
  expect(wrongPackages(tree, developersFiles)).toEqual([])
})

it('every section, invariant and file that a comment or a page cites is there', () => {
  expect(brokenCitations(tree, namesOfOthers)).toEqual([])
})

it('ARCHITECTURE.md names every folder of code, every stream and every bucket', () => {
  expect(missingInArchitecture(tree)).toEqual([])
})

it('every folder with product code has a README of at most 40 lines that names what is in it', () => {
  expect(wrongReadmes(tree, foldersOfOneKind)).toEqual([])
})

it('every code that a partition, a feed or a start stops with is in docs/operating.md', () => {
  expect(codesOfStops(tree).size).toBeGreaterThan(30)
  expect(untoldCodes(tree)).toEqual([])
})

it('every route that changes something says what it records of it, and its folder records', () => {
  expect(unauditedRoutes(tree)).toEqual([])
})

it('canary: a route that forgets the audit trail, and one whose folder records nothing', () => {
  const route = (more: string) => `{ method: 'POST', path: '/v1/a',${more} handle: async () => reply }\n`
  const made = treeOf({
    'pipeline/a/routes.ts': route(''),
    'pipeline/b/routes.ts': route(" audits: ['a.made'],"),
    'pipeline/c/routes.ts': route(" audits: ['a.made'],"),
    'pipeline/c/made.ts': "await audit.record({ act: 'a.made' })\n",
    'pipeline/d/routes.ts': route(" audits: { exempt: 'it asks only' },"),
    'pipeline/d/client.ts': "fetch(url, { method: 'POST', body })\n",
  })
  expect(unauditedRoutes(made)).toEqual([
    'pipeline/a/routes.ts: POST /v1/a does not say what it records',
    'pipeline/b/routes.ts: POST /v1/a says what it records, and nothing in its folder records anything',
  ])
})

it('canary: a missing header, one without a sentence', () => {
  const made = treeOf({
    'rating/a.ts': 'export const a = 1\n',
    'rating/b.ts': '// helpers\nexport const b = 1\n',
    'rating/c.ts': `${header}export const c = 1\n`,
  })
  expect(withoutHeader(made)).toEqual(['rating/a.ts', 'rating/b.ts'])
})

it('canary: a long file, a long function, and a describe that is as long', () => {
  const body = '  work()\n'.repeat(mostLinesOfFunction)
  const made = treeOf({
    'rating/a.ts': header + '\n'.repeat(mostLines),
    'rating/b.ts': `${header}function far(): void {\n${body}}\ndescribe('all', () => {\n${body}})\n`,
  })
  expect([...longFiles(made)]).toEqual([['rating/a.ts', mostLines + 1]])
  expect([...longFunctions(made)]).toEqual([['rating/b.ts:far', mostLinesOfFunction + 2]])
  expect(grown(longFiles(made), new Map([['rating/a.ts', mostLines]]))).toHaveLength(1)
  expect(grown(longFiles(made), new Map([['rating/gone.ts', 500]]))).toHaveLength(2)
})

it('canary: banned names and words', () => {
  const made = treeOf({
    'rating/money-utils.ts': header,
    'rating/common/a.ts': `${header}const a = 1 // TODO: more\n`,
    'rating/b.ts': `${header}// the Course of things\nconst course: Course = 1\n`,
  })
  expect(bannedWords(made)).toEqual([
    'rating/money-utils.ts: the name money-utils',
    'rating/common/a.ts: the name common',
    'rating/common/a.ts:2: TODO',
  ])
  expect(usesOf(made, /\bCourse\b/, 'code')).toBe(2)
  expect(usesOf(made, /\bCourse\b/, 'comments')).toBe(1)
})

it('canary: a dead file, and one that only a test reaches', () => {
  const made = treeOf({
    'pipeline/main.ts': "import { a } from './a.js'\n",
    'pipeline/a.ts': '',
    'pipeline/dead.ts': "import { a } from './a.js'\n",
    'pipeline/old.ts': '',
    'pipeline/old.test.ts': "import { old } from './old.js'\nimport { on } from './testing/on.js'\n",
    'pipeline/testing/on.ts': '',
    'pipeline/testing/off.ts': '',
  })
  const dead = ['pipeline/dead.ts', 'pipeline/old.ts', 'pipeline/testing/off.ts']
  expect(deadFiles(made, ['pipeline/main.ts'], [])).toEqual(dead)
})

it('canary: packages that are not used, used by tests alone, and not listed', () => {
  const listed = { dependencies: { pino: '1', zod: '4' }, devDependencies: { pg: '8', vitest: '4' } }
  const made = treeOf({
    'package.json': JSON.stringify({ ...listed, scripts: { unit: 'vitest run' } }),
    'pipeline/a.ts': "import { z } from 'node:fs'\nimport { q } from 'queue'\n",
    'pipeline/a.test.ts': "import { z } from 'zod'\n",
  })
  expect(wrongPackages(made)).toEqual([
    'pino is a dependency and not used',
    'zod is a dependency and not used',
    'pg is a devDependency and not used',
    'queue is imported by what ships and is no dependency',
  ])
})

it('canary: citations of what is not there', () => {
  const made = treeOf({
    'docs/contract.md': '## 4. What comes out\n**Due.** A charge is due.\n',
    'docs/design.md': '## 1. Invariants\n| **I1** | nothing is lost |\n',
    'rating/a.ts':
      '// Contract section 4, "Due". I1. Contract section 14.\n// Contract section 4, "Paid". I9.\n// Invariants:\n// 1. one\n' +
      'const a = 1 // invariant 1\nconst b = 2 // invariant 2, see gone.ts and rating/old/place\n',
    'rating/b.ts': '// See a.ts, ./a.ts, rating/a.ts and rating.\n',
  })
  expect(brokenCitations(made)).toEqual([
    'rating/a.ts: nothing answers to "Contract section 14"',
    'rating/a.ts: nothing answers to "Contract section 4, "Paid""',
    'rating/a.ts: there is no invariant I9 in docs/design.md',
    'rating/a.ts: the header has no invariant 2',
    'rating/a.ts:6: there is no rating/old/place',
    'rating/a.ts:6: there is no gone.ts',
  ])
})

it('canary: a folder, a stream and a bucket that ARCHITECTURE.md does not name', () => {
  const made = treeOf({
    'ARCHITECTURE.md': '`rating/models/`, `LEDGER` and `weir_runs`',
    'rating/models/linear/amount.ts': header,
    'rating/periods/period.ts': header,
    'pipeline/broker/topology.ts':
      "const streamNames = ['LEDGER', 'AUDIT'] as const\nconst buckets = ['weir_runs', 'weir_keys']\n",
  })
  expect(missingInArchitecture(made)).toEqual(['AUDIT', 'pipeline/broker/', 'rating/periods/', 'weir_keys'])
})

it('canary: a stop code that nobody told', () => {
  const made = treeOf({
    'docs/operating.md': '| `input_purged` | means |',
    'pipeline/a.ts':
      "throw new PartitionFailure('input_purged', detail)\nthrow new FeedFailure(\n  'range_gone',\n)\n",
    'pipeline/b.ts': "return { kind: 'rejected', code: 'no_table', detail }\n",
  })
  expect(untoldCodes(made)).toEqual(['no_table', 'range_gone'])
})

it('canary: READMEs that are missing, too long, or tell of what is not there', () => {
  const table = '| file | owns |\n|---|---|\n| `a`, `gone` | things |\n'
  const made = treeOf({
    'rating/a.ts': header,
    'rating/b.ts': header,
    'rating/README.md': `# rating\n${table}${'\n'.repeat(40)}`,
    'rating/deep/c.ts': header,
  })
  expect(wrongReadmes(made)).toEqual([
    'rating/README.md does not name b',
    'rating/README.md does not name deep/',
    'rating/README.md has no diagram',
    'rating/README.md names gone, which is not there',
    'rating/deep has no README.md',
    'rating/README.md has more than 40 lines',
  ])
})

/** What is too long and was not, or has grown; and what is on the list and need not be. */
function grown(found: ReadonlyMap<string, number>, old: ReadonlyMap<string, number>): readonly string[] {
  const worse = [...found].filter(([name, lines]) => lines > (old.get(name) ?? 0))
  const mended = [...old.keys()].filter(name => !found.has(name))
  return [
    ...worse.map(([name, lines]) => `${name} has ${lines} lines`),
    ...mended.map(name => `${name} is short now: take it from the list`),
  ]
}
