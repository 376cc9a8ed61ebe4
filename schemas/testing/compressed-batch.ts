// Writes Arrow streams with buffers compressed by Zstandard, by way of the Arrow library, for tests.

import zstd from '@foxglove/wasm-zstd'
import { CompressionType, compressionRegistry, RecordBatchStreamWriter, type Table } from 'apache-arrow'

await zstd.isLoaded

/**
 * The library leaves a buffer as it is, behind -1, where compression would not make it smaller. Before the others it writes
 * the compressed length, where the format and every reader but its own want the plain one; that is mended here.
 */
export function compressedStream(table: Table): Buffer {
  const frames: { readonly frame: Uint8Array; readonly plain: number }[] = []
  compressionRegistry.set(CompressionType.ZSTD, {
    encode(plain) {
      const frame = zstd.compress(plain)
      if (frame.length < plain.length) frames.push({ frame, plain: plain.length })
      return frame
    },
  })
  const bytes = libraryStream(table)
  for (const { frame, plain } of frames)
    for (let at = bytes.indexOf(frame); at !== -1; at = bytes.indexOf(frame, at + 1))
      bytes.writeBigInt64LE(BigInt(plain), at - 8)
  return bytes
}

function libraryStream(table: Table): Buffer {
  const writer = new RecordBatchStreamWriter({ compressionType: CompressionType.ZSTD })
  for (const batch of table.batches) writer.write(batch)
  writer.finish()
  return Buffer.from(writer.toUint8Array(true))
}
