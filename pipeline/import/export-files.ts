// Reads exports: JSON, NDJSON, lists in the pages of each system, single objects. It says what kind each object is: by the
// object itself where the system tells, else by the member that holds it, else by the name of the file.
// Invariant: a file or a line that is broken is a finding with its place; the others are read all the same.

import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { decodeUtf8, isRecord, parseJson, treeProblem } from '../../schemas/json/json-text.js'
import type { ForeignObject } from './fields.js'
import type { Findings } from './findings.js'

/** Objects by kind, each in the order in which they were read. */
export type ForeignExport = ReadonlyMap<string, readonly ForeignObject[]>

/** Which kind a system means. */
export interface ExportKinds {
  /** Told by the object itself, such as `object: price`; undefined: it does not tell. */
  readonly kindOf: (object: ForeignObject) => string | undefined
  /** By the name of a member that holds one or many, and by the name of a file: `customers` is `customer`. */
  readonly names: ReadonlyMap<string, string>
}

const mostFiles = 10_000
const mostLists = 8
const mostBytes = 512 * 2 ** 20

export async function readExport(
  paths: readonly string[],
  kinds: ExportKinds,
  findings: Findings,
): Promise<ForeignExport> {
  const found = new ExportReader(kinds, findings)
  for (const file of await filesOf(paths)) {
    const { size } = await stat(file)
    if (size > mostBytes) {
      findings.leftOut(
        'file',
        file,
        '',
        'file_too_large',
        `It has more than ${mostBytes / 2 ** 20} MB; split it.`,
      )
      continue
    }
    found.file(file, await readFile(file))
  }
  return found.objects
}

/** Files themselves, and what a folder holds of JSON, in order of their names. */
async function filesOf(paths: readonly string[]): Promise<readonly string[]> {
  const files: string[] = []
  for (const path of paths) {
    if (!(await stat(path)).isDirectory()) files.push(path)
    else {
      const names = (await readdir(path, { recursive: true })).filter(name =>
        /\.(json|ndjson|jsonl)$/i.test(name),
      )
      files.push(...names.sort().map(name => join(path, name)))
    }
  }
  if (files.length > mostFiles) throw new Error(`There are more than ${mostFiles} files.`)
  return files
}

export class ExportReader {
  readonly #kinds: ExportKinds
  readonly #findings: Findings
  readonly #objects = new Map<string, ForeignObject[]>()

  constructor(kinds: ExportKinds, findings: Findings) {
    this.#kinds = kinds
    this.#findings = findings
  }

  get objects(): ForeignExport {
    return this.#objects
  }

  file(name: string, bytes: Uint8Array): void {
    const text = decodeUtf8(bytes)
    if (text === undefined) {
      this.#fault(name, 'not_utf8', 'It is not UTF-8.')
      return
    }
    if (text.trim() === '') return
    const stem = basename(name, extname(name)).toLowerCase()
    const kind = this.#kinds.names.get(stem) ?? this.#kinds.names.get(stem.replace(/[-_.]?\d+$/, ''))
    const whole = parseJson(text)
    const lines = text.split(/\r?\n/)
    if (whole.kind === 'ok') this.#take(whole.value, kind, name, 0)
    else if (lines.length < 2) this.#fault(name, 'not_json', whole.detail)
    else for (const [index, line] of lines.entries()) this.#line(line, kind, `${name}:${index + 1}`)
  }

  #line(line: string, kind: string | undefined, place: string): void {
    if (line.trim() === '') return
    const parsed = parseJson(line)
    if (parsed.kind === 'ok') this.#take(parsed.value, kind, place, 0)
    else this.#fault(place, 'not_json', parsed.detail)
  }

  #take(value: unknown, kind: string | undefined, place: string, depth: number): void {
    if (depth > mostLists)
      this.#fault(place, 'too_deep', `It has more than ${mostLists} lists in each other.`)
    else if (Array.isArray(value)) for (const one of value) this.#take(one, kind, place, depth + 1)
    else if (!isRecord(value)) this.#fault(place, 'not_an_object', 'It holds no object.')
    else this.#object(value, kind, place, depth)
  }

  #object(value: ForeignObject, kind: string | undefined, place: string, depth: number): void {
    const own = this.#kinds.kindOf(value)
    const list = ['data', 'items'].map(name => value[name]).find(one => Array.isArray(one))
    const members = Object.keys(value).filter(name => this.#kinds.names.has(name) && isHolder(value[name]))
    const isPage =
      members.length > 0 && Object.keys(value).every(name => members.includes(name) || name === 'meta')
    if (own !== undefined) this.#keep(own, value, place)
    else if (list !== undefined) {
      // What a page says of all its objects, such as the customer of summaries.
      const told = typeof value['customer'] === 'string' ? { customer: value['customer'] } : {}
      for (const one of list) this.#take(isRecord(one) ? { ...told, ...one } : one, kind, place, depth + 1)
    } else if (isPage) {
      for (const name of members) this.#take(value[name], this.#kinds.names.get(name), place, depth + 1)
    } else if (kind !== undefined) this.#keep(kind, value, place)
    else this.#fault(place, 'unknown_object', 'Neither it nor the name of its file says what it is.')
  }

  #keep(kind: string, value: ForeignObject, place: string): void {
    const problem = treeProblem(value)
    const known = this.#objects.get(kind)
    if (problem !== undefined)
      this.#findings.leftOut(kind, place, problem.pointer, 'not_kept_exactly', `It ${problem.detail}.`)
    else if (known === undefined) this.#objects.set(kind, [value])
    else known.push(value)
  }

  #fault(place: string, code: string, detail: string): void {
    this.#findings.leftOut('file', place, '', code, detail)
  }
}

function isHolder(value: unknown): boolean {
  return Array.isArray(value) || isRecord(value)
}

/** The objects of a kind, the last of each id alone: an export may hold one twice. */
export function lastOfEach(
  objects: readonly ForeignObject[] | undefined,
  idOf: (object: ForeignObject) => string,
): readonly ForeignObject[] {
  return [...new Map((objects ?? []).map((object, at) => [idOf(object) || ` ${at}`, object])).values()]
}

export function groupedBy<T>(
  all: readonly T[],
  keyOf: (one: T) => string,
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) {
    const key = keyOf(one)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [one])
    else group.push(one)
  }
  return groups
}
