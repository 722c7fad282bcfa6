import type { TrustMaterial } from '../../src/trust/trust.ts'

/** Signs nothing: agents in memory don't ask. A test exchanges `current`. */
export class MemoryTrust {
  current: TrustMaterial

  constructor({ key = 'key', endsAt = (validitySeconds: number) => validitySeconds * 1000 } = {}) {
    this.current = {
      serverCa: {
        certificate: 'certificate of the CA',
        async issue({ common_name, validitySeconds }) {
          return { certificate: `certificate of ${common_name}`, key, notAfter: new Date(endsAt(validitySeconds)) }
        },
      },
      serverCas: 'certificate of the CA',
      clientCas: 'certificate of the client CA',
      client: { certificate: 'certificate of the controller', key },
      heartbeatKeys: ['heartbeat key'],
      digestKey: 'passphrase',
    }
  }

  async refresh(): Promise<void> {}
}
