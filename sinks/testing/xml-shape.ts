// Checks XML against a shape in XSD with libxml2, which shares nothing with the library that writes it.

import { XmlDocument as Xml, type XmlDocument, type XmlElement, XsdValidator } from 'libxml2-wasm'
import { shapeText } from './shape.js'

export type XmlShape = (document: XmlDocument) => string | undefined

/** Says what is wrong with a document; undefined: nothing. */
export function xmlShape(folder: string, name: string): XmlShape {
  const validator = XsdValidator.fromDoc(Xml.fromString(shapeText(folder, name)))
  return document => {
    try {
      validator.validate(document)
      return undefined
    } catch (error) {
      return (error as Error).message.trim()
    }
  }
}

/** Reads a text of XML for as long as `work` takes; undefined: it is none. */
export function readingXml<T>(text: string, work: (document: XmlDocument) => T): T | undefined {
  let document: XmlDocument
  try {
    document = Xml.fromString(text)
  } catch {
    return undefined
  }
  try {
    return work(document)
  } finally {
    document.dispose()
  }
}

/** The text at a path below a node; '' when there is nothing. */
export function textAt(
  node: XmlDocument | XmlElement,
  path: string,
  namespaces?: Record<string, string>,
): string {
  return node.get(path, namespaces)?.content ?? ''
}
