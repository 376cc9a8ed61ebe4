// Checks what comments and pages cite: sections of the contract and the design, invariants, decisions, files.

import { baseOf, commentsOf, folderOf, isPage, isSource, type Tree } from './tree.js'

const contract = 'docs/contract.md'
const design = 'docs/design.md'

/** Citations whose target does not exist, each with its place. */
export function brokenCitations(tree: Tree, names: ReadonlySet<string> = new Set()): readonly string[] {
  const known = knownPlaces(tree)
  const found: string[] = []
  for (const [path, text] of tree) {
    if (!isSource(path) && !isPage(path) && !/\.(sql|ya?ml)$/.test(path)) continue
    if (isLeftAlone(path)) continue
    const comments = commentsOf(path, text)
    const whole = comments.map(comment => comment.text).join('\n')
    for (const wrong of [...citedSections(whole, tree), ...citedInvariants(path, text, whole, tree)]) {
      found.push(`${path}: ${wrong}`)
    }
    for (const { line, text: comment } of comments) {
      for (const name of citedFiles(comment)) {
        if (!names.has(name) && !exists(name, path, known)) found.push(`${path}:${line}: there is no ${name}`)
      }
    }
  }
  return [...new Set(found)]
}

/** What was true when it was written, a migration, whose bytes never change, and the test that makes wrong citations up. */
function isLeftAlone(path: string): boolean {
  return path === 'CHANGELOG.md' || /^docs\/decisions\/2|\/migrations\/|\/tidy\.test\.ts$/.test(path)
}

/** "Contract section 4, "Due"" and "design, section 3": the heading, and the words in quotation marks, must be there. */
function citedSections(whole: string, tree: Tree): readonly string[] {
  const joined = whole.replace(/\s*\n\s*/g, ' ')
  const wrong: string[] = []
  for (const [all, page = '', first = '', , second = '', title] of joined.matchAll(
    /\b(contract|design(?:\.md)?)(?:,)? (?:sections? )?(\d+)((?: and | to |, section )(\d+))?(?:,? \(?["“]([^"”]+)["”])?/gi,
  )) {
    const text = tree.get(page.toLowerCase().startsWith('contract') ? contract : design) ?? ''
    for (const number of [first, second].filter(cited => cited !== '')) {
      if (!new RegExp(`^## ${number}\\. `, 'm').test(text)) wrong.push(`nothing answers to "${all}"`)
    }
    if (title !== undefined && !text.includes(`**${title}`) && !text.includes(`# ${title}`)) {
      wrong.push(`nothing answers to "${all}"`)
    }
  }
  return wrong
}

/** A name such as `I4` is in the design; a number of an invariant is a numbered line in the header of the same file. */
function citedInvariants(path: string, text: string, whole: string, tree: Tree): readonly string[] {
  const wrong: string[] = []
  for (const [name] of whole.matchAll(/\bI[1-9]\b/g)) {
    if (!tree.get(design)?.includes(`**${name}**`)) wrong.push(`there is no invariant ${name} in ${design}`)
  }
  if (!isSource(path)) return wrong
  const header = /^(?:#!.*\n)?((?:\/\/.*\n)+)/.exec(text)?.[1] ?? ''
  for (const [, number = ''] of whole.matchAll(/\binvariant (\d)/gi)) {
    if (!new RegExp(`^//\\s+${number}\\. `, 'm').test(header)) {
      wrong.push(`the header has no invariant ${number}`)
    }
  }
  return wrong
}

const folders = 'schemas|rating|sinks|pipeline|bench|deploy|docs'

/** Paths below our folders, and names of files that people write here. */
function citedFiles(comment: string): readonly string[] {
  const text = comment.replace(/https?:\/\/\S+/g, '').replace(/[\w.-]*\/?[\w./-]*[*<{…][\w./*<>{}-]*/g, '')
  const paths = [...text.matchAll(new RegExp(`(?<![\\w./-])(?:${folders})/[\\w./-]*[\\w]`, 'g'))]
  const files = [...text.matchAll(/(?<![\w$./-])[\w./-]*[\w-]+\.(?:ts|cjs|md|sql)\b(?![\w.])/g)]
  return [...new Set([...paths, ...files].map(([name]) => name))]
}

interface Known {
  readonly paths: ReadonlySet<string>
  readonly bases: ReadonlySet<string>
}

function knownPlaces(tree: Tree): Known {
  const paths = new Set<string>()
  for (const path of tree.keys()) {
    for (let at = path; at !== ''; at = folderOf(at)) paths.add(at)
  }
  return { paths, bases: new Set([...tree.keys()].map(baseOf)) }
}

/** A file may be cited from the root, from the citing file's folder, or by its bare name. */
function exists(cited: string, from: string, { paths, bases }: Known): boolean {
  const name = cited
    .replace(/^(\.\.?\/)+/, '')
    .replace(/^dist\//, '')
    .replace(/\.js$/, '.ts')
  const isFound = (path: string): boolean =>
    ['', '.ts', '.test.ts'].some(ending => paths.has(`${path}${ending}`))
  if (isFound(name)) return true
  for (let folder = folderOf(from); folder !== ''; folder = folderOf(folder)) {
    if (isFound(`${folder}/${name}`)) return true
  }
  if (!name.includes('/')) return bases.has(name)
  return [...paths].some(path => path.endsWith(`/${name}`))
}
