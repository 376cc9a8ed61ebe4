// The parts of a multipart/form-data body: clients send long query parameters that way, and tables for one query
// (external-tables.ts).

import { exceptions } from './exception.js'

export interface Form {
  /** They count like parameters of the address. */
  readonly fields: ReadonlyMap<string, string>
  /** Parts that have a file name. */
  readonly files: readonly FormFile[]
}

export interface FormFile {
  readonly name: string
  readonly bytes: Buffer
}

export function multipartBoundary(contentType: string | undefined): string | null {
  const match = /^multipart\/form-data\s*;.*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType ?? '')
  return match?.[1] ?? match?.[2] ?? null
}

export function readMultipart(body: Buffer, boundary: string): Form {
  const fields = new Map<string, string>()
  const files: FormFile[] = []
  for (const part of partsOf(body, boundary)) {
    // CRLF-terminated headers, an empty line, the value, CRLF before the next delimiter.
    const headEnd = part.indexOf('\r\n\r\n')
    const head = headEnd < 0 ? '' : part.toString('utf8', 0, headEnd)
    const name = /[;\s]name="([^"]*)"/i.exec(head)?.[1]
    if (name === undefined) throw exceptions.badArguments('a part of the multipart body has no name')
    const bytes = part.subarray(
      headEnd + 4,
      part.toString('latin1', part.length - 2) === '\r\n' ? -2 : undefined,
    )
    if (/[;\s]filename=/i.test(head)) files.push({ name, bytes })
    else fields.set(name, bytes.toString())
  }
  return { fields, files }
}

/** What stands between the delimiters. */
function partsOf(body: Buffer, boundary: string): readonly Buffer[] {
  const delimiter = Buffer.from(`--${boundary}`)
  const parts: Buffer[] = []
  for (let at = body.indexOf(delimiter); at >= 0; ) {
    const from = at + delimiter.length
    const next = body.indexOf(delimiter, from)
    if (next >= 0) parts.push(body.subarray(from, next))
    at = next
  }
  return parts
}
