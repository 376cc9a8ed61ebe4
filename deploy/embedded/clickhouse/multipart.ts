// The fields of a multipart/form-data body: clients send long query parameters that way.
// Files in it would be external tables, which are not served.

import { exceptions } from './exception.js'

export function multipartBoundary(contentType: string | undefined): string | null {
  const match = /^multipart\/form-data\s*;.*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType ?? '')
  return match?.[1] ?? match?.[2] ?? null
}

export function multipartFields(body: Buffer, boundary: string): Map<string, string> {
  const fields = new Map<string, string>()
  // Each part: CRLF-terminated headers, an empty line, the value, CRLF before the next delimiter.
  const parts = body.toString('latin1').split(`--${boundary}`)
  for (const part of parts.slice(1, -1)) {
    const headEnd = part.indexOf('\r\n\r\n')
    const head = headEnd < 0 ? '' : part.slice(0, headEnd)
    const name = /name="([^"]*)"/i.exec(head)?.[1]
    if (name === undefined) throw exceptions.badArguments('a part of the multipart body has no name')
    if (/filename=/i.test(head)) throw exceptions.notImplemented('external tables are not served')
    const value = part.slice(headEnd + 4).replace(/\r\n$/, '')
    fields.set(Buffer.from(name, 'latin1').toString(), Buffer.from(value, 'latin1').toString())
  }
  return fields
}
