// Reads YAML or JSON text, or a value inside an event, into one tree whose nodes know their place in the source.
// Invariants: a number keeps the text it was written with (0.10, 40 digits) or sent with, every node knows its path and, from text,
// its line and column; aliases cannot blow the tree up.

import { type Alias, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { maxDepth } from '../json/json-text.js'
import { ExactNumber } from '../money/exact-number.js'
import { pointerTo } from '../rejection.js'
import { sourceBoundProblem } from '../source-bounds.js'

/** One fault of a catalog or configuration. `path` is a JSON pointer; line and column count from 1, 0 when unknown. */
export interface CatalogProblem {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly path: string
  readonly code: string
  readonly message: string
}

export interface Place {
  readonly path: string
  readonly line: number
  readonly column: number
}

export interface MapNode extends Place {
  readonly kind: 'map'
  readonly members: ReadonlyMap<string, { readonly key: Place; readonly value: SourceNode }>
}

export interface ListNode extends Place {
  readonly kind: 'list'
  readonly items: readonly SourceNode[]
}

export interface ScalarNode extends Place {
  readonly kind: 'scalar'
  readonly value: string | number | boolean | null
  /** What a number was written as; the string itself; else the value's text. */
  readonly text: string
}

export type SourceNode = MapNode | ListNode | ScalarNode

/** More nodes than this, aliases expanded, is no catalog but an attack or a mistake. */
const maxNodes = 500_000

/** Collects the faults of one source, all of them, in the order of the text. */
export class Problems {
  readonly #file: string
  readonly #found: CatalogProblem[] = []

  constructor(file: string) {
    this.#file = file
  }

  add(place: Place, code: string, message: string): undefined {
    this.#found.push({
      file: this.#file,
      line: place.line,
      column: place.column,
      path: place.path,
      code,
      message,
    })
  }

  get count(): number {
    return this.#found.length
  }

  inOrder(): CatalogProblem[] {
    return this.#found.toSorted((a, b) => a.line - b.line || a.column - b.column)
  }
}

/** The tree of a YAML or JSON text; undefined, with the problems added, when it is neither. */
export function readSourceText(text: string, problems: Problems): SourceNode | undefined {
  const bound = sourceBoundProblem(text)
  if (bound !== undefined) {
    return problems.add({ path: '', line: bound.line, column: 1 }, bound.code, bound.message)
  }
  const lines = new LineCounter()
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })
    for (const error of document.errors) {
      const { line, col } = lines.linePos(error.pos[0])
      const place = { path: '', line, column: col }
      if (error.code !== 'DUPLICATE_KEY') problems.add(place, 'syntax', `${error.message.split('\n', 1)[0]}.`)
      else problems.add(place, 'duplicate_key', `${keyAt(text, error.pos[0])} is there already.`)
    }
    if (document.errors.length > 0) return undefined
    const reader = new TextReader(lines, problems, alias => alias.resolve(document))
    return reader.read(document.contents, '', 0, { path: '', line: 1, column: 1 })
  } catch (error) {
    // The YAML parser recurses; a text nested thousands deep ends here.
    if (!(error instanceof RangeError)) throw error
    return problems.add({ path: '', line: 1, column: 1 }, 'syntax', 'The text is nested too deeply.')
  }
}

/** The key that begins there, as it is written. */
function keyAt(text: string, at: number): string {
  return /^(?:"[^"\n]*"|'[^'\n]*'|[^:\n]*)/.exec(text.slice(at, at + 100))?.[0].trim() || 'The key'
}

class TextReader {
  readonly #lines: LineCounter
  readonly #problems: Problems
  readonly #resolve: (alias: Alias) => Node | undefined
  #nodes = 0

  constructor(lines: LineCounter, problems: Problems, resolve: (alias: Alias) => Node | undefined) {
    this.#lines = lines
    this.#problems = problems
    this.#resolve = resolve
  }

  read(given: Node | null | undefined, path: string, depth: number, parent: Place): SourceNode | undefined {
    const node = isAlias(given) ? this.#resolve(given) : given
    const place = this.#placeOf(given, path, parent)
    this.#nodes += 1
    if (depth > maxDepth || this.#nodes > maxNodes) {
      return this.#problems.add(place, 'syntax', 'The text is nested too deeply or too large.')
    }
    if (isMap(node)) {
      const members = new Map<string, { key: Place; value: SourceNode }>()
      for (const pair of node.items) {
        const key = pair.key as Node
        const keyPlace = this.#placeOf(key, path, place)
        if (!isScalar(key)) {
          this.#problems.add(keyPlace, 'wrong_type', 'A key is a plain text.')
          continue
        }
        const name = typeof key.value === 'number' ? (key.source ?? String(key.value)) : String(key.value)
        const value = this.read(pair.value as Node | null, pointerTo(path, name), depth + 1, keyPlace)
        if (value !== undefined)
          members.set(name, { key: { ...keyPlace, path: pointerTo(path, name) }, value })
      }
      return { kind: 'map', ...place, members }
    }
    if (isSeq(node)) {
      const items = node.items.map((item, index) =>
        this.read(item as Node, pointerTo(path, index), depth + 1, place),
      )
      return { kind: 'list', ...place, items: items.filter(item => item !== undefined) }
    }
    const value = isScalar(node) ? node.value : null
    const source = isScalar(node) && typeof value === 'number' ? node.source : undefined
    return scalarNode(value, place, source)
  }

  #placeOf(node: Node | null | undefined, path: string, parent: Place): Place {
    const start = node?.range?.[0]
    if (start === undefined) return { path, line: parent.line, column: parent.column }
    const { line, col } = this.#lines.linePos(start)
    return { path, line, column: col }
  }
}

/** The tree of a JSON value, as inside an event. What is deeper than any catalog becomes null, which no field takes. */
export function readSourceValue(value: unknown, path = '', depth = 0): SourceNode {
  const place: Place = { path, line: 0, column: 0 }
  if (depth > maxDepth) return scalarNode(null, place)
  if (Array.isArray(value)) {
    const items = value.map((item, index) => readSourceValue(item, pointerTo(path, index), depth + 1))
    return { kind: 'list', ...place, items }
  }
  if (value instanceof ExactNumber) return scalarNode(Number(value.text), place, value.text)
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([name, member]) => {
      const memberPath = pointerTo(path, name)
      const key = { path: memberPath, line: 0, column: 0 }
      return [name, { key, value: readSourceValue(member, memberPath, depth + 1) }] as const
    })
    return { kind: 'map', ...place, members: new Map(members) }
  }
  return scalarNode(value, place)
}

function scalarNode(value: unknown, place: Place, source?: string): ScalarNode {
  const known =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null
  return { kind: 'scalar', ...place, value: known, text: source ?? String(known) }
}
