// `weir validate`: checks configurations and catalogs, and says everything that is wrong, with file and line.

import { parse } from 'yaml'
import { type WayOfPrice, waysOf } from '../../rating/charges/ways.js'
import { parseCalendars } from '../../schemas/accounting-calendar/parse-calendars.js'
import { type CatalogProblem, parseCatalog } from '../../schemas/catalog/catalog-parser.js'
import { sourceBoundProblem } from '../../schemas/source-bounds.js'
import { parseAccountMapping } from '../../sinks/mapping/account-mapping.js'
import { approvalsSettings, unknownConnections } from '../approvals/settings.js'
import { type ConfigProblem, describeProblem, loadConfig, sectionOf } from '../config/config.js'
import { connectionProblems } from '../connections/checks.js'
import { connectionsSettings } from '../connections/settings.js'
import { booksProblems } from '../postings/checks.js'
import { sections } from '../settings.js'
import { sourceProblems } from '../sources/checks.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { describeCatalogProblem, readSourceFile } from '../terminal/source-file.js'
import { plainTable } from '../terminal/table.js'

type FileKind = 'catalog' | 'config' | 'calendars' | 'accounts' | 'unreadable'

interface FileVerdict {
  readonly file: string
  readonly kind: FileKind
  readonly summary: string
  readonly problems: readonly (CatalogProblem | ConfigProblem)[]
  /** Of a valid catalog, when it is asked for. */
  readonly cost?: readonly WayOfPrice[]
}

export async function validateCommand(
  args: { readonly files: readonly string[]; readonly json: boolean; readonly cost?: boolean },
  io: CliIo,
): Promise<number> {
  const verdicts: FileVerdict[] = []
  for (const file of args.files) {
    const read = await readSourceFile(file)
    if (read.kind === 'unreadable') {
      verdicts.push({ file, kind: 'unreadable', summary: '', problems: [read.problem] })
    } else verdicts.push(await verdictOf(file, read.text, args.cost === true))
  }
  if (args.json) io.stdout.write(`${JSON.stringify(verdicts)}\n`)
  else for (const verdict of verdicts) io.stdout.write(describe(verdict))
  return verdicts.every(verdict => verdict.problems.length === 0) ? exitCodes.ok : exitCodes.badConfiguration
}

async function verdictOf(file: string, text: string, isCostAsked: boolean): Promise<FileVerdict> {
  switch (kindOf(text)) {
    case 'catalog':
      return catalogVerdict(file, text, isCostAsked)
    case 'calendars':
      return calendarsVerdict(file, text)
    case 'accounts':
      return accountsVerdict(file, text)
    default:
      return configVerdict(file)
  }
}

function calendarsVerdict(file: string, text: string): FileVerdict {
  const parsed = parseCalendars(text, file)
  if (parsed.kind === 'invalid') return { file, kind: 'calendars', summary: '', problems: parsed.problems }
  const { byEntity } = parsed.calendars
  return { file, kind: 'calendars', summary: `${byEntity.size} entities by name`, problems: [] }
}

function accountsVerdict(file: string, text: string): FileVerdict {
  const parsed = parseAccountMapping(text, file)
  if (parsed.kind === 'invalid') return { file, kind: 'accounts', summary: '', problems: parsed.problems }
  return { file, kind: 'accounts', summary: `${parsed.mapping.rules.length} rules`, problems: [] }
}

/** A file with meters or plans is a catalog; a file that is not valid YAML is also reported as a catalog. */
function kindOf(text: string): FileKind {
  if (sourceBoundProblem(text) !== undefined) return 'catalog'
  try {
    const value: unknown = parse(text, { logLevel: 'silent' })
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'catalog'
    if ('calendars' in value) return 'calendars'
    if ('rules' in value) return 'accounts'
    return 'meters' in value || 'plans' in value ? 'catalog' : 'config'
  } catch {
    return 'catalog'
  }
}

function catalogVerdict(file: string, text: string, isCostAsked: boolean): FileVerdict {
  const parsed = parseCatalog(text, file)
  if (parsed.kind === 'invalid') return { file, kind: 'catalog', summary: '', problems: parsed.problems }
  const { meters, plans } = parsed.catalog
  return {
    file,
    kind: 'catalog',
    summary: `${meters.length} meters, ${plans.length} plan versions`,
    problems: [],
    ...(isCostAsked ? { cost: waysOf(parsed.catalog) } : {}),
  }
}

async function configVerdict(file: string): Promise<FileVerdict> {
  const loaded = loadConfig({ sections, file, env: {} })
  if (loaded.kind === 'invalid') return { file, kind: 'config', summary: '', problems: loaded.problems }
  const { config } = loaded
  const connections = sectionOf(config, connectionsSettings).map(({ name }) => name)
  const unknown = unknownConnections(sectionOf(config, approvalsSettings), connections)
  const beside = [...connectionProblems(config), ...booksProblems(config), ...(await sourceProblems(config))]
  const problems = [...beside, ...unknown].map(one => ({ file, ...one }))
  return { file, kind: 'config', summary: '', problems }
}

function describe({ file, kind, summary, problems, cost }: FileVerdict): string {
  if (problems.length === 0)
    return `${file}: valid ${kind}${summary === '' ? '' : ` (${summary})`}\n${cost === undefined ? '' : describeCost(cost)}`
  return problems
    .map(problem => `${'column' in problem ? describeCatalogProblem(problem) : describeProblem(problem)}\n`)
    .join('')
}

const ways = { product: 'one product', total: 'total', each_event: 'each event' } as const

function describeCost(cost: readonly WayOfPrice[]): string {
  if (cost.length === 0) return 'No usage price: no event is rated.\n'
  const rows = cost.map(one => [
    `${one.plan} ${one.version}`,
    one.price,
    one.meter,
    ways[one.way],
    one.reasons.map(({ detail }) => detail).join('; '),
  ])
  const head = ['plan', 'price', 'meter', 'rated by', 'why']
  return `${plainTable(head, ['left', 'left', 'left', 'left', 'left'], rows)}\n`
}
