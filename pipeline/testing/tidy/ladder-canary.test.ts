// Shows that every rule of the import ladder can fail: for each, a made-up file breaks it in a made-up tree, and
// dependency-cruiser must name that rule for that file. A rule without a case fails, and so does a folder without a rule.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cruise, type ICruiseOptions, type IFlattenedRuleSet, type IViolation } from 'dependency-cruiser'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { packageRoot } from '../../../schemas/package-root.js'

interface Rule {
  readonly name: string
  readonly from: { readonly path?: string }
  readonly to: { readonly path?: string; readonly pathNot?: string }
}
interface Ladder {
  readonly forbidden: readonly Rule[]
  readonly options: ICruiseOptions
}

const root = fileURLToPath(packageRoot)
const load = createRequire(import.meta.url)
const ladder = load(`${root}/.dependency-cruiser.cjs`) as Ladder
const folders = load(`${root}/.dependency-cruiser.folders.cjs`) as Ladder

/** By rule: a file and what it imports. The folders of the pipeline follow below. */
const cases: Readonly<Record<string, readonly [file: string, imports: string]>> = {
  'no-circles': ['rating/round.ts', './round-again.js'],
  'schemas-lowest': ['schemas/low.ts', '../rating/free.js'],
  'rating-is-pure': ['rating/impure.ts', '../sinks/free.js'],
  'rating-no-io': ['rating/reads.ts', 'node:fs/promises'],
  'rating-no-servers': ['rating/asks.ts', '@clickhouse/client'],
  'sinks-never-rate': ['sinks/rates.ts', '../rating/free.js'],
  'sinks-no-broker': ['sinks/publishes.ts', '@nats-io/jetstream'],
  'deploy-beside-sinks': ['deploy/knows.ts', '../sinks/free.js'],
  'core-no-io': ['pipeline/core/sleeps.ts', 'node:timers/promises'],
  'core-no-servers': ['pipeline/core/asks.ts', '@nats-io/kv'],
  'rooms-know-no-roots': ['pipeline/billing/starts.ts', '../main.js'],
  'product-knows-no-tests': ['schemas/tested.ts', './testing/free.js'],
  'bench-on-top': ['pipeline/core/measured.ts', '../../bench/free.js'],
}

/** What the made-up files import. */
const free = ['schemas', 'rating', 'sinks', 'bench', 'schemas/testing'].map(folder => `${folder}/free.ts`)

const folderRules = ladder.forbidden.filter(({ name }) => name.startsWith('room-'))
const tree = mkdtempSync(join(tmpdir(), 'weir-ladder-'))
let violations: readonly IViolation[] = []

beforeAll(async () => {
  for (const name of ['@nats-io/jetstream', '@nats-io/kv', '@clickhouse/client']) {
    write(`node_modules/${name}/lib/mod.js`)
    // As these packages are: with `exports` and no `main`.
    writeFileSync(
      join(tree, 'node_modules', name, 'package.json'),
      JSON.stringify({ name, exports: './lib/mod.js' }),
    )
  }
  for (const path of [...free, 'pipeline/main.ts']) write(path)
  for (const [file, imports] of Object.values(cases)) write(file, imports)
  write('rating/round-again.ts', './round.js')
  for (const { name, to } of folderRules) {
    const room = name.slice('room-'.length)
    const other = folderRules
      .map(rule => rule.name.slice('room-'.length))
      .find(folder => !new RegExp(to.pathNot ?? '^$').test(`pipeline/${folder}/free.ts`))
    write(`pipeline/${other}/free.ts`)
    write(`pipeline/${room}/strays.ts`, `../${other}/free.js`)
  }
  violations = await violationsOf(ladder)
})

afterAll(() => rmSync(tree, { recursive: true }))

it.each(ladder.forbidden.map(rule => rule.name))('the rule %s names who breaks it', name => {
  const file = name.startsWith('room-')
    ? `pipeline/${name.slice('room-'.length)}/strays.ts`
    : cases[name]?.[0]
  expect(file, 'a rule without a case').toBeDefined()
  const isOf = ({ from, cycle }: IViolation): boolean =>
    from === file || (cycle?.some(step => step.name === file) ?? false)
  expect(violations.filter(isOf).map(({ rule }) => rule.name)).toContain(name)
})

it('what breaks no rule is not named', () => {
  const innocent = [...free, 'pipeline/main.ts']
  expect(violations.filter(({ from }) => innocent.includes(from))).toEqual([])
})

it('a circle between folders is named', async () => {
  expect(folders.forbidden.map(({ name }) => name)).toEqual(['no-folder-circles'])
  write('rating/here/a.ts', '../there/b.js')
  write('rating/here/c.ts')
  write('rating/there/b.ts', '../here/c.js')
  const found = await violationsOf(folders)
  const named = found.filter(({ rule }) => rule.name === 'no-folder-circles').map(({ from }) => from)
  expect(named).toEqual(expect.arrayContaining(['rating/here', 'rating/there']))
})

it('every folder of the pipeline has a rule; only the command line and tests go without', () => {
  const entries = readdirSync(join(root, 'pipeline'), { withFileTypes: true })
  const found = entries.filter(entry => entry.isDirectory()).map(entry => entry.name)
  const ruled = folderRules.map(({ name }) => name.slice('room-'.length))
  expect(found.filter(folder => !['cli', 'testing', ...ruled].includes(folder))).toEqual([])
  expect(ruled.filter(folder => !found.includes(folder))).toEqual([])
})

/** A file of the made-up tree, with one import or none. */
function write(path: string, imports?: string): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true })
  const text = imports === undefined ? 'export const free = 1\n' : `export * from '${imports}'\n`
  writeFileSync(join(tree, path), text)
}

async function violationsOf({ forbidden, options }: Ladder): Promise<readonly IViolation[]> {
  const { tsConfig: _, ...shared } = options as ICruiseOptions & { tsConfig?: unknown }
  const ruleSet = { forbidden } as unknown as IFlattenedRuleSet
  const folders = ['schemas', 'rating', 'sinks', 'pipeline', 'bench', 'deploy']
  const { output } = await cruise(folders, { ...shared, ruleSet, validate: true, baseDir: tree })
  return typeof output === 'string' ? [] : output.summary.violations
}
