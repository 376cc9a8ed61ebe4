// XML as it is written, read by a parser that knows the standard (libxml2).

import { XmlDocument } from 'libxml2-wasm'
import { expect, test } from 'vitest'
import { xmlText } from './xml.js'

test('texts with what XML cannot hold are written as XML, and the others as they are', () => {
  for (const [text, read] of [
    ['sub\u0001-\u001b[31m', 'sub\ufffd-\ufffd[31m'],
    ['cut \ud83d', 'cut \ufffd'],
    ['\u0000\uffff', '\ufffd\ufffd'],
    [`<a>&"' ]]> Zoë 😀`, `<a>&"' ]]> Zoë 😀`],
  ] as const) {
    const document = XmlDocument.fromString(xmlText({ request: { '@id': text, note: text } }))
    try {
      expect(document.get('/request/note')?.content).toBe(read)
      expect(document.get('/request/@id')?.content).toBe(read)
    } finally {
      document.dispose()
    }
  }
})
