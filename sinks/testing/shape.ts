// Reads the shape of a system from sinks/<folder>/testing/shape, also when the fake runs from the build, which has no such files.

import { readFileSync } from 'node:fs'
import { packageRoot } from '../../schemas/package-root.js'

export function shapeText(folder: string, name: string): string {
  return readFileSync(new URL(`sinks/${folder}/testing/shape/${name}`, packageRoot), 'utf8')
}

export function jsonShape(folder: string, name: string): object {
  return JSON.parse(shapeText(folder, name)) as object
}
