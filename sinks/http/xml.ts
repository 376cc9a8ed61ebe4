// XML as connectors write and read it, through fast-xml-parser: names with `@` before them are attributes, `#text` is the text
// beside attributes, and every value is a text.
// Invariants: an answer that is not whole XML, such as one that was cut off, is none; entities of a DTD are not followed; what is
// written is XML whatever the texts hold.

import { XMLBuilder, XMLParser, XMLValidator } from 'fast-xml-parser'

export type XmlTree = { readonly [name: string]: XmlValue }
type XmlValue = string | undefined | XmlTree | readonly XmlTree[]

const options = { ignoreAttributes: false, attributeNamePrefix: '@' } as const
const builder = new XMLBuilder(options)

/** What no document of XML 1.0 may hold, even escaped: an id may have such a character, and none else would be read for it. */
const notInXml = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu

/** A document; elements in the order of the tree, absent ones left out. */
export function xmlText(tree: XmlTree): string {
  const content: string = builder.build(tree)
  return `<?xml version="1.0" encoding="UTF-8"?>${content.replaceAll(notInXml, '\ufffd')}`
}

/** Undefined when it is no XML. `lists` names the elements that may come more than once; namespace prefixes are left out. */
export function xmlOf({ body }: { readonly body: string }, lists: readonly string[] = []): unknown {
  if (XMLValidator.validate(body) !== true) return undefined
  const parser = new XMLParser({
    ...options,
    parseTagValue: false,
    parseAttributeValue: false,
    removeNSPrefix: true,
    processEntities: { enabled: true, maxTotalExpansions: 10_000 },
    htmlEntities: true,
    isArray: name => lists.includes(name),
  })
  try {
    return parser.parse(body)
  } catch {
    return undefined
  }
}
