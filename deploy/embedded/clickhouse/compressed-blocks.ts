// ClickHouse's own framing of a compressed stream, which clients ask for with `compress=1` and send with `decompress=1`:
// blocks of a checksum, a method, two sizes and the data.
//
// Blocks that we send bear the method LZ4, because some clients read no other, and hold literals only: the network is a
// loopback, and the frame is what clients need to see. Blocks that we receive may be plain or LZ4.

import { Transform, type TransformCallback } from 'node:stream'
import { cityHash128 } from './city-hash.js'
import { exceptions } from './exception.js'
import { lz4Literals, unpackLz4 } from './lz4.js'

const methods = { none: 0x02, lz4: 0x82, zstd: 0x90 }
/** Method, size with this header, size of the data. */
const headerBytes = 9
const checksumBytes = 16
const maxBlockBytes = 1 << 20
/** Limit of a block that a client sends, packed or not. */
const maxReceivedBytes = 1 << 30

export function compressedBlock(data: Buffer): Buffer {
  const packed = lz4Literals(data)
  const block = Buffer.alloc(checksumBytes + headerBytes)
  block.writeUInt8(methods.lz4, checksumBytes)
  block.writeUInt32LE(headerBytes + packed.length, checksumBytes + 1)
  block.writeUInt32LE(data.length, checksumBytes + 5)
  const whole = Buffer.concat([block, packed])
  const [low, high] = cityHash128(whole.subarray(checksumBytes))
  whole.writeBigUInt64LE(low, 0)
  whole.writeBigUInt64LE(high, 8)
  return whole
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

/** The data of a stream of blocks. */
export class BlockReader extends Transform {
  private held: Buffer[] = []
  private heldBytes = 0
  /** Of the block that is being received, with its checksum; until its header is there, the size of that. */
  private wanted = checksumBytes + headerBytes

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.held.push(chunk)
    this.heldBytes += chunk.length
    try {
      while (this.heldBytes >= this.wanted) this.readNext()
      done()
    } catch (error) {
      done(error as Error)
    }
  }

  override _flush(done: TransformCallback): void {
    done(this.heldBytes === 0 ? null : exceptions.cannotReadAllData('the last compressed block is cut off'))
  }

  private readNext(): void {
    const all = this.held.length === 1 ? (this.held[0] as Buffer) : Buffer.concat(this.held)
    const size = checksumBytes + readSizes(all).packed
    this.held = [all]
    this.wanted = size
    if (all.length < size) return
    this.push(unpackBlock(all.subarray(0, size)))
    const rest = all.subarray(size)
    this.held = rest.length === 0 ? [] : [rest]
    this.heldBytes = rest.length
    this.wanted = checksumBytes + headerBytes
  }
}

/** The data of one block, whose checksum must be right. */
export function unpackBlock(block: Buffer): Buffer {
  const { data } = readSizes(block)
  const [low, high] = cityHash128(block.subarray(checksumBytes))
  if (block.readBigUInt64LE(0) !== low || block.readBigUInt64LE(8) !== high)
    throw exceptions.checksumDoesNotMatch()
  const packed = block.subarray(checksumBytes + headerBytes)
  const method = block.readUInt8(checksumBytes)
  if (method === methods.lz4) return unpackLz4(packed, data)
  if (method === methods.none && packed.length === data) return packed
  const name = method === methods.zstd ? 'ZSTD' : `0x${method.toString(16)}`
  throw exceptions.unknownCompression(
    `a compressed block of the method ${name} is not read here: use LZ4, or Content-Encoding: zstd`,
  )
}

/** `packed` counts the header and not the checksum. */
function readSizes(block: Buffer): { packed: number; data: number } {
  const packed = block.readUInt32LE(checksumBytes + 1)
  const data = block.readUInt32LE(checksumBytes + 5)
  // LZ4 makes at most 255 bytes from one, so a claim beyond that is no reason to allocate it.
  if (packed < headerBytes || packed > maxReceivedBytes || data > maxReceivedBytes || data > packed * 255)
    throw exceptions.cannotDecompress('the sizes of a compressed block are impossible')
  return { packed, data }
}
