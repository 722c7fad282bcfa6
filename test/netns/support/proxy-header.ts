/** The PROXY protocol's header as a receiver reads it (HAProxy's doc/proxy-protocol.txt, 2.1 and 2.2). */
export interface ProxyHeader {
  version: 1 | 2
  family: string
  source: string
  sourcePort: number
  destination: string
  destinationPort: number
}

const SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a])

/** Null where the bytes begin with none. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | null {
  return bytes.subarray(0, SIGNATURE.length).equals(SIGNATURE) ? parseBinary(bytes) : parseText(bytes)
}

function parseText(bytes: Buffer): ProxyHeader | null {
  const [word, family, source, destination, sourcePort, destinationPort] = bytes.toString('latin1').split('\r\n', 1)[0]!.split(' ')
  if (word !== 'PROXY') return null
  return {
    version: 1,
    family: family!,
    source: source!,
    sourcePort: Number(sourcePort),
    destination: destination!,
    destinationPort: Number(destinationPort),
  }
}

function parseBinary(bytes: Buffer): ProxyHeader | null {
  const [version, family] = [bytes[12]! >> 4, bytes[13]!]
  if (version !== 2 || (family !== 0x11 && family !== 0x21)) return null
  const size = family === 0x11 ? 4 : 16
  const address = (start: number) => {
    const raw = bytes.subarray(start, start + size)
    return size === 4
      ? raw.join('.')
      : [...raw]
          .map((byte) => byte.toString(16).padStart(2, '0'))
          .join('')
          .replace(/(.{4})(?!$)/g, '$1:')
  }
  const ports = 16 + 2 * size
  return {
    version: 2,
    family: size === 4 ? 'TCP4' : 'TCP6',
    source: address(16),
    sourcePort: bytes.readUInt16BE(ports),
    destination: address(16 + size),
    destinationPort: bytes.readUInt16BE(ports + 2),
  }
}
