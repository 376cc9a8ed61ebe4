// Finds product files that no entry point reaches, packages that are listed but unused, and packages that are
// used but not listed.

import { folderOf, isProduct, isSource, isTest, type Tree } from './tree.js'

const importOf = /(?:\bfrom |\bimport |\bimport\()'([@\w./:-]+)'/g

function importsOf(path: string, text: string): readonly string[] {
  return [...text.matchAll(importOf)].map(([, target = '']) => resolved(folderOf(path), target))
}

function resolved(folder: string, target: string): string {
  if (!target.startsWith('.')) return target
  const parts = folder.split('/')
  for (const step of target.split('/')) {
    if (step === '..') parts.pop()
    else if (step !== '.') parts.push(step)
  }
  return parts.join('/').replace(/\.js$/, '.ts')
}

/** Every file that these files reach through imports. */
export function reachableFrom(tree: Tree, entries: readonly string[]): ReadonlySet<string> {
  const reached = new Set<string>()
  const waiting = [...entries]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const text = tree.get(path)
    if (text === undefined || reached.has(path)) continue
    reached.add(path)
    waiting.push(...importsOf(path, text))
  }
  return reached
}

/** Product files that no entry point reaches, and files for tests that no test reaches. */
export function deadFiles(
  tree: Tree,
  entries: readonly string[],
  testEntries: readonly string[],
): readonly string[] {
  const product = reachableFrom(tree, entries)
  const tests = reachableFrom(tree, [...testEntries, ...[...tree.keys()].filter(isTest)])
  const sources = [...tree.keys()].filter(path => isSource(path) && !isTest(path))
  return sources.filter(path => !product.has(path) && (isProduct(path) || !tests.has(path)))
}

interface Package {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly scripts?: Readonly<Record<string, string>>
}

/** The command that a package provides, for packages that nobody imports. */
const commands: Readonly<Record<string, string>> = {
  '@biomejs/biome': 'biome',
  'dependency-cruiser': 'depcruise',
  esbuild: 'esbuild',
  'typescript-native': 'typescript-native/bin/tsc',
  vitest: 'vitest',
}

/**
 * Packages that are listed but unused; packages that shipped code imports but that are not listed as its
 * dependencies.
 */
export function wrongPackages(tree: Tree, ofDevelopers: ReadonlySet<string> = new Set()): readonly string[] {
  const listed = JSON.parse(tree.get('package.json') ?? '{}') as Package
  const used = { product: new Set<string>(), tests: new Set<string>() }
  for (const [path, text] of tree) {
    if (!/\.(ts|cjs)$/.test(path)) continue
    const into = isProduct(path) && !ofDevelopers.has(path) ? used.product : used.tests
    for (const name of importsOf(path, text).map(packageOf)) into.add(name)
    for (const name of Object.keys({ ...listed.dependencies, ...listed.devDependencies })) {
      if (text.includes(`'${name}/`)) into.add(name) // a file of a package, asked for by its path
    }
  }
  const scripts = Object.values(listed.scripts ?? {}).join(' ')
  const isUsed = (name: string): boolean =>
    used.product.has(name) ||
    used.tests.has(name) ||
    name === '@types/node' ||
    (name.startsWith('@types/') && isUsed(name.slice('@types/'.length))) ||
    (commands[name] !== undefined && new RegExp(`\\b${commands[name]}\\b`).test(scripts))
  const shipped = Object.keys(listed.dependencies ?? {})
  return [
    ...shipped.filter(name => !used.product.has(name)).map(name => `${name} is a dependency and not used`),
    ...Object.keys(listed.devDependencies ?? {})
      .filter(name => !isUsed(name))
      .map(name => `${name} is a devDependency and not used`),
    ...[...used.product]
      .filter(name => isPackage(name) && !shipped.includes(name))
      .map(name => `${name} is imported by what ships and is no dependency`),
  ]
}

const packageOf = (target: string): string => /^(@[^/]+\/[^/]+|[^/]+)/.exec(target)?.[0] ?? target
const isPackage = (name: string): boolean =>
  !name.startsWith('node:') && !/^(schemas|rating|sinks|pipeline|bench|deploy)$/.test(name)
