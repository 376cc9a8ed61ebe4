// What every file must have: a header, a bounded length, functions of a bounded length, and no banned word.

import ts from 'typescript'
import { baseOf, commentsOf, isSource, isTest, type Tree } from './tree.js'

export const mostLines = 400
export const mostLinesOfFunction = 70

/** File names that do not say what the file owns. */
const bannedNames = /^(utils?|helpers?|common|managers?)$/
const leftOver = /\b(TODO|FIXME|XXX)\b/

/** Files that do not begin with a comment of at least one sentence. */
export function withoutHeader(tree: Tree): readonly string[] {
  return [...tree].filter(([path, text]) => isSource(path) && !hasHeader(text)).map(([path]) => path)
}

function hasHeader(text: string): boolean {
  const header = /^(#!.*\n)?((?:\/\/.*\n)+|\/\*[\s\S]*?\*\/)/.exec(text)?.[2] ?? ''
  return /[\p{L}`'")\d]+[.:?!](\s|$)/u.test(header) && header.split(/\s+/).length > 4
}

/** The line count of every file that is too long. */
export function longFiles(tree: Tree): ReadonlyMap<string, number> {
  const sizes = [...tree]
    .filter(([path]) => isSource(path))
    .map(([path, text]) => [path, linesOf(text)] as const)
  return new Map(sizes.filter(([, lines]) => lines > mostLines))
}

const linesOf = (text: string): number => text.split('\n').length - (text.endsWith('\n') ? 1 : 0)

/**
 * The line count of every function that is too long, by `path:name`. The body of a `describe` does not count
 * as a function.
 */
export function longFunctions(tree: Tree): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  for (const [path, text] of tree) {
    if (!isSource(path) || !mayBeLong(text)) continue
    const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true)
    const lineAt = (position: number): number => source.getLineAndCharacterOfPosition(position).line
    const visit = (node: ts.Node): void => {
      if (ts.isFunctionLike(node) && 'body' in node && !isSuite(node)) {
        const lines = lineAt(node.end) - lineAt(node.getStart(source)) + 1
        if (lines > mostLinesOfFunction) found.set(`${path}:${nameOf(node, source)}`, lines)
      }
      ts.forEachChild(node, visit)
    }
    visit(source)
  }
  return found
}

/**
 * Whether a function may be so long that parsing the file is worthwhile. Indentation tells: the lines of a
 * body are indented deeper than the line that opens it.
 */
function mayBeLong(text: string): boolean {
  const indents: { indent: number; opensAt: number }[] = []
  for (const [index, line] of `${text}\n`.split('\n').entries()) {
    const indent = line.search(/\S/)
    if (indent === -1) continue
    for (let open = indents.at(-1); open !== undefined && open.indent >= indent; open = indents.at(-1)) {
      if (index - open.opensAt > mostLinesOfFunction - 25) return true
      indents.pop()
    }
    if (/\{$/.test(line) && /\)|=>/.test(line) && !/^describe\b|^export class|^class/.test(line)) {
      indents.push({ indent, opensAt: index })
    }
  }
  return false
}

function isSuite(node: ts.Node): boolean {
  return ts.isCallExpression(node.parent) && /^describe\b/.test(node.parent.expression.getText())
}

function nameOf(node: ts.Node, source: ts.SourceFile): string {
  if ('name' in node && node.name !== undefined) return (node.name as ts.Node).getText(source)
  const { parent } = node
  if (ts.isVariableDeclaration(parent)) return parent.name.getText(source)
  const title = ts.isCallExpression(parent) ? parent.arguments[0] : undefined
  return title !== undefined && ts.isStringLiteralLike(title) ? title.text : 'function'
}

/** Forbidden names of files and folders, and forbidden marks in comments. */
export function bannedWords(tree: Tree): readonly string[] {
  const found: string[] = []
  for (const [path, text] of tree) {
    const parts = path.split('/').map(part => part.replace(/\..*$/, ''))
    for (const part of parts) {
      if (part.split('-').some(word => bannedNames.test(word))) found.push(`${path}: the name ${part}`)
    }
    if (!isSource(path) || baseOf(path) === 'tidy.test.ts') continue
    for (const { line, text: comment } of commentsOf(path, text)) {
      const mark = leftOver.exec(comment.replace(/XTS, XXX/, ''))?.[1]
      if (mark !== undefined) found.push(`${path}:${line}: ${mark}`)
    }
  }
  return [...new Set(found)]
}

/** How often a word that readers cannot guess stands in names of the code or in comments. */
export function usesOf(tree: Tree, word: RegExp, where: 'code' | 'comments'): number {
  let uses = 0
  for (const [path, text] of tree) {
    if (!isSource(path) || (where === 'comments' && isTest(path)) || baseOf(path).startsWith('tidy')) continue
    const looked =
      where === 'code'
        ? text
        : commentsOf(path, text)
            .map(comment => comment.text)
            .join('\n')
    uses += looked.match(new RegExp(word, 'g'))?.length ?? 0
  }
  return uses
}
