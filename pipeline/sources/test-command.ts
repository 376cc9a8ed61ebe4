// `weir sources test FILE`: runs the tests that stand in a mapping file, or says what becomes of one body.

import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { parseJson, stringifyJson } from '../../schemas/json/json-text.js'
import { type IdentityLookup, ownSystem } from '../feature/identity-lookup.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { describeCatalogProblem, readSourceFile } from '../terminal/source-file.js'
import { kindNamed, sourceKinds } from './kinds.js'
import { mapArrival, type Outcome } from './map/map-arrival.js'
import { type SourceSettings, sourcesSettings } from './settings.js'
import type { Arrival, ArrivalDraft, Loaded, MappingTest, SourceKind } from './source-kind.js'

export interface TestArguments {
  readonly file: string
  readonly kind: string
  readonly body?: string
  /** Settings of the source, as `key=value`. */
  readonly set?: readonly string[]
  readonly json?: boolean
}

interface TestVerdict {
  readonly test: string
  readonly line: number
  readonly ok: boolean
  readonly expected: unknown
  readonly found: unknown
}

export async function testCommand(args: TestArguments, io: CliIo): Promise<number> {
  const { file, kind: name, body, set = [], json = false } = args
  if (!sourceKinds.some(({ kind }) => kind === name)) {
    io.stderr.write(
      `There is no kind of source ${name}; there are ${sourceKinds.map(({ kind }) => kind).join(', ')}.\n`,
    )
    return exitCodes.usage
  }
  const kind = kindNamed(name)
  const loaded = await kind.load()
  const source = await readSourceFile(file)
  if (source.kind === 'unreadable') {
    io.stderr.write(`${file}: ${source.problem.message}\n`)
    return exitCodes.badConfiguration
  }
  const read = loaded.readMapping?.(source.text, file)
  if (read === undefined) {
    io.stderr.write(`A source of kind ${name} has no mapping.\n`)
    return exitCodes.usage
  }
  if (read.kind === 'invalid') {
    for (const problem of read.problems) io.stderr.write(`${describeCatalogProblem(problem)}\n`)
    return exitCodes.badConfiguration
  }
  const settings = settingsOf(kind, set)
  if (typeof settings === 'string') {
    io.stderr.write(`${settings}\n`)
    return exitCodes.usage
  }
  const bench: Bench = { kind, loaded, rules: read.rules, settings }
  if (body !== undefined) return tellOne(bench, await readFile(body), io)
  const verdicts: TestVerdict[] = []
  for (const test of loaded.tests?.(read.rules, dirname(file)) ?? []) verdicts.push(await run(bench, test))
  io.stdout.write(json ? `${JSON.stringify(verdicts)}\n` : describe(file, verdicts))
  return verdicts.every(({ ok }) => ok) ? exitCodes.ok : exitCodes.failed
}

interface Bench {
  readonly kind: SourceKind
  readonly loaded: Loaded
  readonly rules: unknown
  readonly settings: SourceSettings
}

/** A text: what is wrong with what was set. */
function settingsOf(
  { kind, proof, trialSettings }: SourceKind,
  set: readonly string[],
): SourceSettings | string {
  const secret = { variable: 'NONE' }
  const proven = proof === 'basic' ? { auth: [{ username: 'x', password: secret }] } : { secrets: [secret] }
  const own = Object.fromEntries(set.map(one => one.split(/=(.*)/s).slice(0, 2)))
  const given = { name: 'test', kind, mapping: 'x', ...trialSettings, ...own }
  const parsed = sourcesSettings.schema(z).safeParse([{ ...given, ...(proof === 'none' ? {} : proven) }])
  if (parsed.success) return parsed.data[0]!
  return parsed.error.issues.map(({ path, message }) => `${path.slice(1).join('.')}: ${message}`).join('\n')
}

async function outcomeOf(bench: Bench, draft: ArrivalDraft, identities: ReadonlyMap<string, string>) {
  const arrival: Arrival = {
    ...draft,
    ...{ source: 'test', via: 'webhook', receivedAtMs: draft.occurredAtMs ?? 0, sequence: 1 },
    headers: draft.headers ?? {},
  }
  const maker = { kind: bench.kind.kind, source: 'test', revision: 0, isCorrection: false }
  const lookup: IdentityLookup = {
    ours: async asked =>
      asked.map(({ object, system, id }) =>
        system === ownSystem ? undefined : identities.get(`${object} ${id}`),
      ),
    ever: async asked => asked.map(() => []),
  }
  return mapArrival(arrival, { ...bench, maker, identities: lookup })
}

async function run(
  bench: Bench,
  { name, line, arrival, identities, expected }: MappingTest,
): Promise<TestVerdict> {
  const outcome = await outcomeOf(bench, arrival, identities)
  const verdict = (ok: boolean): TestVerdict => ({ test: name, line, ok, expected, found: shown(outcome) })
  switch (expected.kind) {
    case 'events':
      if (outcome.kind !== 'events' || outcome.events.length !== expected.events.length) return verdict(false)
      return verdict(expected.events.every((one, index) => isPartOf(one, outcome.events[index])))
    case 'ignored':
      return verdict(outcome.kind === 'ignored' && (expected.reason ?? outcome.reason) === outcome.reason)
    case 'fetch':
      return verdict(
        outcome.kind === 'fetch' && (expected.object ?? outcome.what.object) === outcome.what.object,
      )
    case 'waits': {
      const codes =
        outcome.kind === 'waits' ? [...new Set(outcome.faults.map(({ code }) => code))].sort() : undefined
      return verdict(isDeepStrictEqual(codes, [...new Set(expected.codes)].sort()))
    }
    default:
      return expected satisfies never
  }
}

/** What is expected names some attributes; `data` is compared whole, as JSON. */
function isPartOf(expected: Readonly<Record<string, unknown>>, found: unknown): boolean {
  return Object.entries(expected).every(([name, value]) =>
    isDeepStrictEqual(plain(value), plain((found as Record<string, unknown>)[name])),
  )
}

function plain(value: unknown): unknown {
  const read = parseJson(stringifyJson(value) || 'null')
  return read.kind === 'ok' ? read.value : undefined
}

function shown(outcome: Outcome): unknown {
  return outcome.kind === 'events' ? { kind: 'events', events: outcome.events } : outcome
}

async function tellOne(bench: Bench, bytes: Buffer, io: CliIo): Promise<number> {
  const outcome = await outcomeOf(bench, { id: 'test', type: '', bytes }, new Map())
  io.stdout.write(`${stringifyJson(shown(outcome))}\n`)
  return outcome.kind === 'waits' ? exitCodes.failed : exitCodes.ok
}

function describe(file: string, verdicts: readonly TestVerdict[]): string {
  if (verdicts.length === 0) return `${file}: valid mapping, without tests\n`
  return verdicts
    .map(({ test, line, ok, expected, found }) =>
      ok
        ? `ok    ${test}\n`
        : `FAIL  ${file}:${line}: ${test}\n  expected ${stringifyJson(expected)}\n  found    ${stringifyJson(found)}\n`,
    )
    .join('')
}
