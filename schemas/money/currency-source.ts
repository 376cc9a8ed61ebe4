// The source of the currency table: ISO 4217 list one as its maintenance agency publishes it (the XML in the
// package `currency-codes`), and the later amendments, by number.
// Owns reading the list, applying the amendments, and the text of `currency-table.ts`.
// Invariants: an unknown tag, attribute or value, two minor units for one code, and an amendment that
// contradicts the list are refused, never skipped; an amendment never removes a code, because older charges
// are still corrected.

/** Digits after the point by code. Null: the code has no minor unit, so nothing can be billed in it (metals, XDR). */
export type MinorUnitsByCode = ReadonlyMap<string, number | null>

export interface CurrencyList {
  /** The date in the list, such as `2024-06-25`. */
  readonly published: string
  readonly minorUnits: MinorUnitsByCode
}

export interface CurrencyAmendment {
  readonly number: number
  /** The day on which list one changes. */
  readonly effective: string
  readonly adds?: Readonly<Record<string, number>>
  /** Moved to list three, the historic codes, on `effective` or on the day that `until` names. */
  readonly withdraws?: Readonly<Record<string, number>>
  readonly until?: string
  readonly about: string
}

/** SIX's amendments since 2023; those that a newer list already contains have no effect. */
export const currencyAmendments: readonly CurrencyAmendment[] = [
  {
    number: 176,
    effective: '2025-03-31',
    adds: { XCG: 2 },
    withdraws: { ANG: 2 },
    until: '2025-07-01',
    about: 'Caribbean for Netherlands Antillean guilder',
  },
  {
    number: 177,
    effective: '2024-06-25',
    adds: { ZWG: 2 },
    withdraws: { ZWL: 2 },
    until: '2024-09-01',
    about: 'Zimbabwe: Zimbabwe Gold for Zimbabwe dollar',
  },
  {
    number: 178,
    effective: '2021-06-30',
    withdraws: { CUC: 2 },
    about: 'Cuba: without the convertible peso',
  },
  {
    number: 179,
    effective: '2025-05-12',
    adds: { XAD: 2 },
    about: 'Arab Monetary Fund: Arab accounting dinar',
  },
  {
    number: 180,
    effective: '2026-01-01',
    withdraws: { BGN: 2 },
    about: 'Bulgaria: euro for lev',
  },
]

const document =
  /^\s*<\?xml [^?]*\?>\s*<ISO_4217 Pblshd="(\d{4}-\d\d-\d\d)">\s*<CcyTbl>(.*)<\/CcyTbl>\s*<\/ISO_4217>\s*$/s
const entry = /\s*<CcyNtry>(.*?)<\/CcyNtry>\s*/gsy
/** An entity without a currency of its own (Antarctica) has a currency name but no code. */
const fields =
  /^\s*<CtryNm>[^<]+<\/CtryNm>\s*<CcyNm(?: IsFund="true")?>[^<]+<\/CcyNm>\s*(?:<Ccy>([A-Z]{3})<\/Ccy>\s*<CcyNbr>\d{3}<\/CcyNbr>\s*<CcyMnrUnts>(\d|N\.A\.)<\/CcyMnrUnts>\s*)?$/

/** Reads list one. Throws at any unknown content. */
export function readCurrencyList(xml: string): CurrencyList {
  const [, published, table] = document.exec(xml) ?? []
  if (published === undefined || table === undefined) throw new Error('This is not ISO 4217 list one.')
  const minorUnits = new Map<string, number | null>()
  let end = 0
  for (const [whole, body] of table.matchAll(entry)) {
    end += whole.length
    const match = fields.exec(body ?? '')
    if (match === null) throw new Error(`An entry of ISO 4217 list one is not understood: ${body}`)
    const [, code, digits] = match
    if (code !== undefined) setDigits(minorUnits, code, digits === 'N.A.' ? null : Number(digits))
  }
  if (end !== table.length)
    throw new Error(`ISO 4217 list one is not understood at: ${table.slice(end, end + 80)}`)
  return { published, minorUnits }
}

/** The list with the added codes, and still with the withdrawn ones. */
export function amended(
  list: CurrencyList,
  amendments: readonly CurrencyAmendment[] = currencyAmendments,
): MinorUnitsByCode {
  const minorUnits = new Map(list.minorUnits)
  for (const { adds, withdraws } of amendments) {
    for (const [code, digits] of Object.entries({ ...adds, ...withdraws }))
      setDigits(minorUnits, code, digits)
  }
  return minorUnits
}

function setDigits(minorUnits: Map<string, number | null>, code: string, digits: number | null): void {
  const known = minorUnits.get(code)
  if (known !== undefined && known !== digits) throw new Error(`${code} has ${known} and ${digits} digits.`)
  minorUnits.set(code, digits)
}

/** The text of `currency-table.ts`, formatted as the formatter would. */
export function currencyTableText(xml: string): string {
  const list = readCurrencyList(xml)
  const byDigits = new Map<number, string[]>()
  for (const [code, digits] of amended(list)) {
    if (digits !== null) byDigits.set(digits, [...(byDigits.get(digits) ?? []), code])
  }
  const rows = [...byDigits].sort(([a], [b]) => a - b).map(([digits, codes]) => rowText(digits, codes.sort()))
  return [
    '// The minor unit of every currency. Generated: change `currency-source.ts`, then run',
    '// `node dist/schemas/money/write-currency-table.js` after a build. A test holds this file against its source.',
    `// From ISO 4217 list one of ${list.published} (npm package \`currency-codes\`) and the amendments`,
    ...currencyAmendments.map(amendmentText),
    '// Withdrawn codes stay, because charges of their time are still corrected. Codes without a minor unit (metals, XDR,',
    '// XTS, XXX and the like) cannot be billed and are absent.',
    '',
    '/** Digits after the point, then the codes that have so many. */',
    'export const currenciesByMinorUnits: readonly (readonly [digits: number, codes: string])[] = [',
    ...rows,
    ']',
    '',
  ].join('\n')
}

function amendmentText({ number, effective, adds, withdraws, until, about }: CurrencyAmendment): string {
  const changes = [
    ...Object.keys(adds ?? {}).map(code => `${code} from ${effective}`),
    ...Object.keys(withdraws ?? {}).map(code => `${code} until ${until ?? effective}`),
  ]
  return `//   ${number}: ${changes.join(', ')} (${about})`
}

const codesPerLine = 24

function rowText(digits: number, codes: readonly string[]): string {
  const lines: string[] = []
  for (let at = 0; at < codes.length; at += codesPerLine)
    lines.push(codes.slice(at, at + codesPerLine).join(' '))
  if (lines.length === 1) return `  [${digits}, '${lines[0]}'],`
  const last = lines.length - 1
  const texts = lines.map(
    (line, index) => `${index === 0 ? '    ' : '      '}'${line}${index === last ? "'," : " ' +"}`,
  )
  return ['  [', `    ${digits},`, ...texts, '  ],'].join('\n')
}
