// The rules of a source as they are now: its mapping file, read again when it changes, and the hash that names what decides.
// Invariant: a file that cannot be read or is wrong changes nothing: the rules that were read last stay in force, and the
// trouble is told. A source that never had rules maps nothing until it has.

import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { canonicalJson } from '../../schemas/json/canonical-json.js'
import type { OpenSource } from './open-sources.js'
import type { OwnerRule } from './owners/owner-rules.js'

export interface RulesInForce {
  readonly rules: unknown
  /** Of the mapping file, the settings that decide and the version of the kind. */
  readonly mapping: string
}

export interface RulesTrouble {
  readonly code: string
  readonly detail: string
}

export class MappingRules {
  readonly #source: OpenSource
  readonly #file: string | undefined
  readonly #owners: readonly OwnerRule[]
  #text: string | undefined
  /** Files that the rules were made of beside the mapping file. */
  #others: readonly string[] = []
  #otherText = ''
  #inForce: RulesInForce | undefined
  #trouble: RulesTrouble | undefined

  /** `owners`: the rules of systems of record, which decide too. */
  constructor(source: OpenSource, folder: string, owners: readonly OwnerRule[] = []) {
    const { mapping } = source.settings
    this.#source = source
    this.#owners = owners
    this.#file = mapping === undefined ? undefined : resolve(folder, mapping)
  }

  get trouble(): RulesTrouble | undefined {
    return this.#trouble
  }

  /** Undefined: there are none yet. */
  read(): RulesInForce | undefined {
    const { loaded } = this.#source
    if (this.#file === undefined || loaded.readMapping === undefined) {
      this.#inForce ??= { rules: undefined, mapping: this.#hashOf('') }
      return this.#inForce
    }
    let text: string
    let others: string
    try {
      text = readFileSync(this.#file, 'utf8')
      others = textOf(this.#others)
    } catch (error) {
      const { code, path } = error as NodeJS.ErrnoException
      this.#trouble = { code: 'file_unreadable', detail: `${path} cannot be read: ${code}.` }
      return this.#inForce
    }
    const isSame = text === this.#text && others === this.#otherText
    if (isSame && this.#trouble === undefined) return this.#inForce
    const read = loaded.readMapping(text, this.#file)
    if (read.kind === 'ok') this.#others = read.files ?? []
    this.#text = text
    this.#otherText = read.kind === 'ok' ? textOf(this.#others) : others
    if (read.kind === 'ok') {
      this.#trouble = undefined
      this.#inForce = { rules: read.rules, mapping: this.#hashOf(text + this.#otherText) }
    } else {
      const [first] = read.problems
      const more = read.problems.length > 1 ? ` And ${read.problems.length - 1} more: weir validate.` : ''
      const detail = `${this.#file}:${first?.line ?? 1}: ${first?.message ?? 'It is wrong.'}${more}`
      this.#trouble = { code: 'mapping_invalid', detail }
    }
    return this.#inForce
  }

  #hashOf(text: string): string {
    const { settings, kind } = this.#source
    const { name: _, secrets: __, auth: ___, limits: ____, mapping: _____, ...deciding } = settings
    const owners = this.#owners.length === 0 ? {} : { owners: this.#owners }
    return hash('sha256', canonicalJson({ text, deciding, version: kind.version, ...owners }), 'hex').slice(
      0,
      16,
    )
  }
}

function textOf(files: readonly string[]): string {
  return files.map(file => readFileSync(file, 'utf8')).join('')
}
