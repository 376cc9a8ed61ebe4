// ClickHouse's own framing of a compressed stream, which clients ask for with `compress=1`: blocks of a checksum, a
// method, two sizes and the data. We send the method "none": the network is a loopback, and the frame is what clients
// need to see.

import { Transform, type TransformCallback } from 'node:stream'
import { cityHash128 } from './city-hash.js'

const methodNone = 0x02
/** Method, size with this header, size of the data. */
const headerBytes = 9
const checksumBytes = 16
const maxBlockBytes = 1 << 20

export function compressedBlock(data: Buffer): Buffer {
  const block = Buffer.alloc(checksumBytes + headerBytes + data.length)
  block.writeUInt8(methodNone, checksumBytes)
  block.writeUInt32LE(headerBytes + data.length, checksumBytes + 1)
  block.writeUInt32LE(data.length, checksumBytes + 5)
  data.copy(block, checksumBytes + headerBytes)
  const [low, high] = cityHash128(block.subarray(checksumBytes))
  block.writeBigUInt64LE(low, 0)
  block.writeBigUInt64LE(high, 8)
  return block
}

export class BlockFramer extends Transform {
  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    for (let at = 0; at < chunk.length; at += maxBlockBytes)
      this.push(compressedBlock(chunk.subarray(at, at + maxBlockBytes)))
    done()
  }

  /** Nothing is held back, as `flush` of a compressor would have it sent. */
  flush(done: () => void): void {
    done()
  }
}
