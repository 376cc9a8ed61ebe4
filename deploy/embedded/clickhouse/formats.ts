// What the HTTP interface knows of formats: content types, and which may be sent in pieces.

/** As `system.formats` of the engine has them; formats that no pattern names are plain text. Names in any case of letters. */
const contentTypes: readonly (readonly [names: RegExp, type: string])[] = [
  [
    /^(JSONEachRow|JSONStringsEachRow|JSONL|(Pretty)?(JSONLines|NDJSON)|PrettyJSONEachRow)$/i,
    'application/x-ndjson',
  ],
  [
    /^JSON(Strings)?$|^JSON(Compact|CompactStrings|ObjectEachRow|.*EachRowWithProgress)$/i,
    'application/json',
  ],
  [/^JSON(Compact)?Columns(WithMetadata)?$/i, 'application/json'],
  [/^GeoJSON$/i, 'application/geo+json'],
  [/^XML$/i, 'application/xml'],
  [/^(TabSeparated|TSV|TSKV|LineAsString|Raw(WithNames|$))/i, 'text/tab-separated-values'],
]

const binaryFormats =
  /^(Arrow|Avro|BSONEachRow$|Buffers$|MsgPack|MySQLWire|Native|Npy|ODBCDriver2|ORC|Parquet|PostgreSQLWire|Protobuf|RowBinary)/i

export function contentType(format: string): string {
  if (binaryFormats.test(format)) return 'application/octet-stream'
  if (/^CSV/i.test(format))
    return `text/csv; charset=UTF-8; header=${/Names/i.test(format) ? 'present' : 'absent'}`
  if (/^Prometheus$/i.test(format)) return 'text/plain; version=0.0.4; charset=UTF-8'
  if (/^PNG$/i.test(format)) return 'image/png'
  const type = contentTypes.find(([names]) => names.test(format))?.[1] ?? 'text/plain'
  return `${type}; charset=UTF-8`
}

/** Two texts of the format one after the other are one text of it: no header, no footer, no commas between. */
const joinableFormats = new Set(
  [
    ...[
      'JSONEachRow',
      'JSONLines',
      'NDJSON',
      'JSONStringsEachRow',
      'JSONCompactEachRow',
      'JSONCompactStringsEachRow',
    ],
    ...[
      'TabSeparated',
      'TSV',
      'TabSeparatedRaw',
      'TSVRaw',
      'CSV',
      'TSKV',
      'RowBinary',
      'Native',
      'LineAsString',
    ],
  ].map(name => name.toLowerCase()),
)

export function mayBeJoined(format: string): boolean {
  return joinableFormats.has(format.toLowerCase())
}
