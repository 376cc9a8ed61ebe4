// Decompresses the buffers of an Arrow message, which pyarrow, pandas (feather) and polars write on request: each buffer is
// a frame of LZ4 or Zstandard behind its length when plain.
// Invariants: what is plain never exceeds the length that was stated before and checked; bytes that are no frame throw
// an ArrowFault. The decoders are the C libraries as WebAssembly, so a frame cannot write outside of its memory, and
// the work is bounded by the plain length.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { ArrowFault } from './usage-batch-fault.js'

/** Of the table BodyCompression: its codec. */
export const codecs = ['lz4', 'zstd'] as const
export type Codec = (typeof codecs)[number]

/** The functions of the packages @foxglove/wasm-lz4 and wasm-zstd; a place in memory is a number. */
interface Decoder {
  readonly HEAPU8: Uint8Array
  _malloc(bytes: number): number
  _free(at: number): void
  /** Of zstd. Returns the length of what it wrote, or a negative number. */
  _decompress?(to: number, toBytes: number, from: number, fromBytes: number): number
  /** Of LZ4. */
  _createDecompressionContext?(): number
  _decompressFrame?(context: number, to: number, toBytes: number, from: number, fromBytes: number): number
}

type DecoderFactory = (module: {
  instantiateWasm(imports: object, done: (instance: object) => void): object
}) => unknown

/** What is needed of the global of this name, which the types for Node leave out. */
declare const WebAssembly: {
  readonly Module: new (program: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: object }
  readonly RuntimeError: new () => Error
}

interface Loaded {
  readonly decoder: Decoder
  readonly context: number
}

const files: Readonly<Record<Codec, string>> = {
  lz4: '@foxglove/wasm-lz4/dist/wasm-lz4.js',
  zstd: '@foxglove/wasm-zstd/dist/wasm-zstd.js',
}

const require = createRequire(import.meta.url)
const compiled = new Map<Codec, object>()
const loaded = new Map<Codec, Loaded>()

/** The plain bytes of one frame; exactly `length` of them. */
export function decompressFrame(codec: Codec, frame: Uint8Array, length: number): Uint8Array {
  try {
    const plain = decompress(loaded.get(codec) ?? load(codec), frame, length)
    if (plain !== undefined) return plain
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error
  }
  // A decoder that met an error keeps it, so the next frame gets a new one.
  loaded.delete(codec)
  throw new ArrowFault(`a buffer is not ${codec}, or not of the length that it states`)
}

function decompress({ decoder, context }: Loaded, frame: Uint8Array, length: number): Uint8Array | undefined {
  const from = decoder._malloc(frame.length)
  const to = decoder._malloc(length)
  // HEAPU8 is looked up at each use, because memory that grows is another array.
  decoder.HEAPU8.set(frame, from)
  const written =
    decoder._decompressFrame?.(context, to, length, from, frame.length) ??
    decoder._decompress?.(to, length, from, frame.length)
  const plain = written === length ? decoder.HEAPU8.slice(to, to + length) : undefined
  decoder._free(from)
  decoder._free(to)
  return plain
}

/** The packages load themselves asynchronously; given the instance, they are ready at once. */
function load(codec: Codec): Loaded {
  const path = require.resolve(files[codec])
  const factory = require(path) as DecoderFactory
  const program = compiled.get(codec) ?? new WebAssembly.Module(readFileSync(path.replace(/js$/, 'wasm')))
  compiled.set(codec, program)
  const made = {
    instantiateWasm(imports: object, done: (instance: object) => void) {
      const instance = new WebAssembly.Instance(program, imports)
      done(instance)
      return instance.exports
    },
  }
  factory(made)
  // The factory puts the functions into the object that it was given.
  const decoder = made as unknown as Decoder
  const one = { decoder, context: decoder._createDecompressionContext?.() ?? 0 }
  loaded.set(codec, one)
  return one
}
