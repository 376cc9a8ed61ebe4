// The layers of a configuration: the file, the variables, the flags. Each layer overrides the one before it,
// and the origin of each value is kept, so that a problem can name it.

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { sourceBoundProblem } from '../../schemas/source-bounds.js'
import type { Setting } from './setting.js'

export interface Origin {
  /** A file, a variable or a flag. */
  readonly source: string
  readonly line?: number
}

export interface LayerProblem extends Origin {
  readonly path: string
  readonly code: string
  readonly message: string
}

export type RawConfig = { [key: string]: unknown }

/** The merged values, and the origin of each path (`http.port`). */
export class Layers {
  readonly raw: RawConfig = {}
  readonly problems: LayerProblem[] = []
  readonly #origins = new Map<string, Origin>()

  /** The origin of a path, or of the nearest one around it. */
  originOf(path: readonly PropertyKey[]): Origin | undefined {
    for (let length = path.length; length > 0; length -= 1) {
      const origin = this.#origins.get(path.slice(0, length).map(String).join('.'))
      if (origin !== undefined) return origin
    }
    return undefined
  }

  /** Adds a YAML file; layers that are added later override it. */
  addFile(file: string, paths: readonly Setting[]): void {
    let source: string
    try {
      source = readFileSync(file, 'utf8')
    } catch (error) {
      const message = `The file cannot be read: ${error instanceof Error ? error.message : String(error)}`
      this.problems.push({ source: file, path: '', code: 'file_unreadable', message })
      return
    }
    const bound = sourceBoundProblem(source)
    if (bound !== undefined) {
      const { line, code, message } = bound
      this.problems.push({ source: file, line, path: '', code, message })
      return
    }
    const lines = new LineCounter()
    const document = parseDocument(source, { lineCounter: lines, uniqueKeys: true })
    for (const error of document.errors) {
      const message = error.message.split('\n')[0]!
      this.problems.push({
        source: file,
        line: lines.linePos(error.pos[0]).line,
        path: '',
        code: 'malformed_yaml',
        message,
      })
    }
    if (this.problems.length > 0 || document.contents === null) return
    const root: Node = document.contents
    if (!isMap(root)) {
      this.problems.push({
        source: file,
        line: 1,
        path: '',
        code: 'not_a_map',
        message: 'The file holds settings by name.',
      })
      return
    }
    this.#remember(root, [], file, lines)
    Object.assign(this.raw, document.toJS() as RawConfig)
    for (const { path, isPath } of paths) {
      if (isPath) this.#mapTexts(path, text => resolve(dirname(file), text))
    }
  }

  addVariables(env: Readonly<Record<string, string | undefined>>, settings: readonly Setting[]): void {
    for (const setting of settings) {
      const text = env[setting.variable]
      if (text === undefined || text === '') continue
      this.#set(setting, settingValue(text, setting), { source: setting.variable })
    }
  }

  /** Adds flags by dotted path: `{ 'http.port': '8080' }`. An unknown path is a problem. */
  addFlags(flags: Readonly<Record<string, unknown>>, settings: readonly Setting[]): void {
    for (const [name, value] of Object.entries(flags)) {
      if (value === undefined) continue
      const setting = settings.find(({ path }) => path.join('.') === name)
      const source = flagOf(name)
      if (setting === undefined) {
        this.problems.push({ source, path: name, code: 'unknown_key', message: 'There is no such setting.' })
      } else {
        this.#set(setting, typeof value === 'string' ? settingValue(value, setting) : value, { source })
      }
    }
  }

  #set({ path, isPath }: Setting, value: unknown, origin: Origin): void {
    let at = this.raw
    for (const key of path.slice(0, -1)) {
      if (typeof at[key] !== 'object' || at[key] === null) at[key] = {}
      at = at[key] as RawConfig
    }
    at[path.at(-1)!] = value
    const name = path.join('.')
    for (const known of [...this.#origins.keys()]) {
      if (known === name || known.startsWith(`${name}.`)) this.#origins.delete(known)
    }
    this.#origins.set(name, origin)
    if (isPath) this.#mapTexts(path, text => resolve(text))
  }

  #mapTexts(path: readonly string[], map: (text: string) => string): void {
    let at: unknown = this.raw
    for (const key of path.slice(0, -1)) at = (at as RawConfig | undefined)?.[key]
    const key = path.at(-1)!
    if (typeof at !== 'object' || at === null) return
    const holder = at as RawConfig
    const value = holder[key]
    if (typeof value === 'string' && value !== '') holder[key] = map(value)
    if (Array.isArray(value)) holder[key] = value.map(item => (typeof item === 'string' ? map(item) : item))
  }

  #remember(node: unknown, path: readonly string[], file: string, lines: LineCounter): void {
    const at = (child: unknown) => (child as Node | null)?.range?.[0]
    const note = (name: string, position: number | undefined) => {
      if (position === undefined) return
      this.#origins.set([...path, name].join('.'), { source: file, line: lines.linePos(position).line })
    }
    if (isMap(node)) {
      for (const { key, value } of node.items) {
        const name = String(isScalar(key) ? key.value : key)
        note(name, at(key))
        this.#remember(value, [...path, name], file, lines)
      }
    } else if (isSeq(node)) {
      node.items.forEach((item, index) => {
        note(String(index), at(item))
        this.#remember(item, [...path, String(index)], file, lines)
      })
    }
  }
}

function settingValue(text: string, { kind }: Setting): unknown {
  switch (kind) {
    case 'text':
      return text
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text // the schema says what is wrong with it
    case 'list':
      return text
        .split(',')
        .map(item => item.trim())
        .filter(item => item !== '')
    default:
      return kind satisfies never
  }
}

/** The flag as it is typed; flags of the HTTP listener have no prefix. */
function flagOf(setting: string): string {
  return `--${setting.replace(/^http\./, '').replaceAll(/[._]/g, '-')}`
}
