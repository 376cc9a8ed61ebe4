// The types of the Native format, as far as a walk over its bytes needs them: how many bytes a value takes, and what a
// compound type is made of. The walk itself is native-blocks.ts.

import { exceptions } from './exception.js'

export type NativeType =
  | { readonly kind: 'fixed'; readonly bytes: number }
  | { readonly kind: 'string' }
  | { readonly kind: 'nullable'; readonly inner: NativeType }
  | { readonly kind: 'array'; readonly inner: NativeType }
  | { readonly kind: 'tuple'; readonly parts: readonly NativeType[] }
  | { readonly kind: 'variant'; readonly parts: readonly NativeType[] }
  /** `inner` without its Nullable: the dictionary keeps NULL by its place. */
  | { readonly kind: 'low_cardinality'; readonly inner: NativeType }
  /** Only as the text that `output_format_native_write_json_as_string` makes of it. */
  | { readonly kind: 'json' }

const widths: readonly (readonly [RegExp, number])[] = [
  [/^(?:U?Int8|Bool|Enum8|Nothing)$/, 1],
  [/^(?:U?Int16|Date|Enum16|BFloat16)$/, 2],
  [/^(?:U?Int32|Float32|DateTime|Date32|IPv4|Time|Decimal32)$/, 4],
  [/^(?:U?Int64|Float64|DateTime64|Time64|Decimal64|Interval[A-Za-z]+)$/, 8],
  [/^(?:U?Int128|UUID|IPv6|Decimal128)$/, 16],
  [/^(?:U?Int256|Decimal256)$/, 32],
]

const point: NativeType = {
  kind: 'tuple',
  parts: [
    { kind: 'fixed', bytes: 8 },
    { kind: 'fixed', bytes: 8 },
  ],
}

/** How many arrays a geometry is of points. */
const geometries = new Map([
  ['Point', 0],
  ['Ring', 1],
  ['LineString', 1],
  ['Polygon', 2],
  ['MultiLineString', 2],
  ['MultiPolygon', 3],
])

/** Reads a type as ClickHouse writes it. Throws for a type whose values only the engine can measure. */
export function readNativeType(text: string): NativeType {
  const open = text.indexOf('(')
  const name = open < 0 ? text : text.slice(0, open)
  const parts = open < 0 ? [] : splitParts(text.slice(open + 1, -1))
  const width = widths.find(([pattern]) => pattern.test(name))?.[1]
  if (width !== undefined) return { kind: 'fixed', bytes: width }
  const arrays = geometries.get(name)
  if (arrays !== undefined) return arraysOf(point, arrays)
  const first = parts[0] ?? ''
  switch (name) {
    case 'String':
      return { kind: 'string' }
    case 'FixedString':
      return { kind: 'fixed', bytes: Number(first) }
    case 'Decimal':
      return { kind: 'fixed', bytes: decimalBytes(Number(first)) }
    case 'Nullable':
      return { kind: 'nullable', inner: readNativeType(first) }
    case 'LowCardinality': {
      const inner = readNativeType(first)
      return { kind: 'low_cardinality', inner: inner.kind === 'nullable' ? inner.inner : inner }
    }
    case 'Array':
      return arraysOf(readNativeType(first), 1)
    case 'Map':
      return arraysOf({ kind: 'tuple', parts: parts.map(readNativeType) }, 1)
    case 'Nested':
      return arraysOf({ kind: 'tuple', parts: parts.map(part => readNativeType(withoutName(part))) }, 1)
    case 'Tuple':
      return { kind: 'tuple', parts: parts.map(part => readNativeType(withoutName(part))) }
    case 'Variant':
      return { kind: 'variant', parts: parts.map(readNativeType) }
    case 'SimpleAggregateFunction':
      return readNativeType(parts[1] ?? '')
    case 'JSON':
      return { kind: 'json' }
    default:
      throw exceptions.notImplemented(
        `A column of the type ${text} is not sent in Native with client_protocol_version: cast it, or leave that out`,
      )
  }
}

function arraysOf(inner: NativeType, times: number): NativeType {
  return times === 0 ? inner : arraysOf({ kind: 'array', inner }, times - 1)
}

function decimalBytes(precision: number): number {
  if (precision <= 9) return 4
  if (precision <= 18) return 8
  return precision <= 38 ? 16 : 32
}

/** At the commas that stand in no bracket and in no quotes. */
function splitParts(text: string): string[] {
  const ends = [...places(text, ','), text.length]
  return text === ''
    ? []
    : ends.map((end, i) => text.slice(i === 0 ? 0 : (ends[i - 1] as number) + 1, end).trim())
}

/** `name Type` of a tuple or a nested column; a type alone has no space outside its brackets. */
function withoutName(part: string): string {
  const [space] = places(part, ' ')
  return space === undefined ? part : part.slice(space + 1)
}

/** Where a character stands outside brackets and quotes. */
function places(text: string, wanted: string): number[] {
  const found: number[] = []
  let depth = 0
  let quote = ''
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string
    if (quote !== '') {
      if (char === '\\') at++
      else if (char === quote) quote = ''
    } else if (char === "'" || char === '`' || char === '"') quote = char
    else if (char === '(') depth++
    else if (char === ')') depth--
    else if (char === wanted && depth === 0) found.push(at)
  }
  return found
}
