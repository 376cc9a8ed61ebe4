// What the HTTP interface knows of formats: content types, and which may be sent in pieces.

const jsonDocuments =
  /^(JSON|JSONStrings|JSONCompact|JSONCompactStrings|JSONColumns|JSONColumnsWithMetadata)$/i
const jsonLines = /^(JSON.*EachRow.*|NDJSON|JSONLines)$/i

export function contentType(format: string): string {
  if (jsonDocuments.test(format) || /^JSONCompactColumns|JSONObjectEachRow$/i.test(format))
    return 'application/json; charset=UTF-8'
  if (jsonLines.test(format)) return 'application/x-ndjson; charset=UTF-8'
  if (/^CSV/i.test(format))
    return `text/csv; charset=UTF-8; header=${/Names/i.test(format) ? 'present' : 'absent'}`
  if (/^(TabSeparated|TSV)/i.test(format)) return 'text/tab-separated-values; charset=UTF-8'
  if (/^(Pretty|Vertical|Values|TSKV|Markdown|SQLInsert|Null|Raw)/i.test(format))
    return 'text/plain; charset=UTF-8'
  if (/^XML$/i.test(format)) return 'application/xml; charset=UTF-8'
  return 'application/octet-stream'
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
